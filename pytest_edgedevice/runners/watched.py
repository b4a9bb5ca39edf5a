"""What a loaded model tells when it is watched at work: its cost, a stream of frames, its stages, a profile."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.runners.battery import with_battery
from pytest_edgedevice.runners.samples import batches, refuse_nan
from pytest_edgedevice.runners.staged import module_content, raw_sample

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
    from pytest_edgedevice.runners.backend import Backend, Site
    from pytest_edgedevice.runners.samples import Batch, Inputs
    from pytest_edgedevice.values import ModelInfo, Placement

MOST_SECONDS = 24 * 3600.0
MOST_FRAMES = 200_000
MOST_PROFILED = 1000
MOST_STAGED = 100_000
Found = TypeVar("Found", "Resources", "Stages", "Stream", "Profile")


class Watched(ABC):
    """The part of ``LoadedModel`` that asks for more than outputs and latency; see there."""

    info: ModelInfo
    placement: Placement
    device_name: str
    load_ms: float
    emulated: bool
    _backend: Backend
    _site: Site

    def resources(self, inputs: Inputs | None = None, *, seconds: float = 2.0) -> Resources:
        """Run the model back to back, and tell the memory, processor time and energy that it takes.

        Args:
            inputs: One sample, as for ``measure``.
            seconds: How long; energy counters of some devices move once in many seconds.

        Returns:
            What was measured; ``problems`` says why of the rest. A runner without an agent tells size and load time.

        Raises:
            InputError: The sample does not fit the model, or ``seconds`` is out of its range.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed.
        """
        self._check_alone()
        check_number("seconds", seconds, most=MOST_SECONDS)
        sample = self._sample(inputs)
        found = self._cared(lambda: self._backend.resources(sample, seconds=seconds))
        return with_battery(dataclasses.replace(found, model_bytes=self.info.size_bytes, load_ms=self.load_ms))

    def stream(self, frames: Inputs | None = None, *, fps: float = 30.0, seconds: float = 10.0) -> Stream:
        """Offer frames at a rate on the device, and tell how the model keeps up; the latest frame wins.

        Args:
            frames: Samples of one shape, as for ``run``; sent once, and offered again and again. By default one,
                as for ``measure``. A stateful model keeps its state from frame to frame.
            fps: Frames a second.
            seconds: How long; ``fps * seconds`` frames are offered, up to 200,000.

        Raises:
            InputError: The frames do not fit the model, a number is out of its range, or nothing there can do it.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed.
        """
        self._check_alone()
        check_number("fps", fps, least=0.01, most=10_000.0)
        check_number("seconds", seconds, most=MOST_SECONDS)
        count = max(round(fps * seconds), 1)
        if count > MOST_FRAMES:
            raise InputError(f"a stream has {MOST_FRAMES} frames at most, not {count}", hint="stream for less long")
        batch = self._frames(frames)
        return self._cared(lambda: self._backend.stream(batch, fps=float(fps), count=count))

    def stages(
        self,
        module: str | os.PathLike[str] | None = None,
        sample: Inputs | None = None,
        *,
        runs: int = 200,
        seconds: float = 10.0,
    ) -> Stages:
        """Time what comes before the inference, the inference, and what comes after it, each apart, on the device.

        Args:
            module: One Python file with ``preprocess(inputs)``, which makes the model's inputs (name to array of
                the model's own shape and dtype) of the sample, with ``postprocess(outputs)``, or with both. It is
                sent to the device and runs there, with what is installed there. None where your own executable
                (``runner = "command"``) has this code itself and tells the times.
            sample: What ``preprocess`` is given: name to array, of any shape; sent once. Without a module: one sample
                of what the executable takes, as for ``measure``.
            runs: Runs at most, 1 to 100,000; three more come before.
            seconds: Begin none later than this after the first.

        Raises:
            InputError: The module or the sample is none, the code failed, or nothing there can run it or tells times.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed.
        """
        self._check_alone()
        check_number("seconds", seconds, most=MOST_SECONDS)
        if type(runs) is not int or not 1 <= runs <= MOST_STAGED:
            raise InputError(f"runs must be a whole number from 1 to {MOST_STAGED}, not {shown(runs)}")
        if module is None:
            own = self._sample(sample)
            return self._cared(lambda: self._backend.own_stages(own, runs=runs, seconds=seconds))
        content, arrays = module_content(module), raw_sample(sample)
        return self._cared(lambda: self._backend.stages(content, arrays, runs=runs, seconds=seconds))

    def profile(self, inputs: Inputs | None = None, *, runs: int = 50, seconds: float = 10.0) -> Profile:
        """Time every operator on the device with LiteRT's own profiler, which compiles the model once more for it.

        Args:
            inputs: One sample, as for ``measure``.
            runs: Inferences at most, 1 to 1000.
            seconds: Begin none later than this after the first.

        Returns:
            Operators by type, the slowest first; ``problem`` says why there is none.

        Raises:
            InputError: The sample does not fit the model, or a number is out of its range.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed.
        """
        check_number("seconds", seconds, most=MOST_SECONDS)
        if type(runs) is not int or not 1 <= runs <= MOST_PROFILED:
            raise InputError(f"runs must be a whole number from 1 to {MOST_PROFILED}, not {shown(runs)}")
        proven = self.placement.proven
        delegate = "delegate" if proven in ("cpu", "unknown") else proven
        sample = self._sample(inputs)
        return self._cared(lambda: self._backend.profile(sample, runs=runs, seconds=seconds, delegate=delegate))

    def _cared(self, work: Callable[[], Found]) -> Found:
        """Do some work when the device's rules let it, and tell its conditions before and after, and what they mean."""
        care, threads = self._site.care, self.info.threads
        waited_s = care.wait(self.conditions, name=self.device_name, threads=threads)
        with self._alone():
            before = self._backend.conditions()
            found = work()
            around = {"before": before, "after": self._backend.conditions()}
        found = dataclasses.replace(found, conditions=around, emulated=self.emulated)
        return care.noted(found, threads=threads, waited_s=waited_s)

    @abstractmethod
    def conditions(self) -> Mapping[str, Any]:
        """What may disturb a measurement now."""

    def _check_alone(self) -> None:
        """Refuse to measure what others disturb."""
        if not self._site.alone:
            raise InputError(
                f"{self.device_name} is shared, so that no latency measured there means anything",
                hint="measure in a test without the edge_shared marker, or open the device without shared=True",
            )

    def _frames(self, frames: Inputs | None) -> Batch:
        if frames is None:
            return self._sample(None)
        parts = batches(frames, self.info.inputs)
        if len(parts) != 1:
            raise InputError("the frames of a stream have one shape", hint="give one array of frames for each input")
        refuse_nan(parts[0].arrays, self.info.inputs, first=0)
        return parts[0]

    @abstractmethod
    def _sample(self, inputs: Inputs | None) -> Batch:
        """One sample to measure with."""

    @abstractmethod
    def _alone(self) -> AbstractContextManager[None]:
        """One conversation at a time."""


def check_number(name: str, value: Any, *, least: float = 0.001, most: float) -> None:
    """Refuse what is no number in a range.

    Raises:
        InputError: It is none; the message names the argument.
    """
    if not is_number(value) or not least <= value <= most:
        raise InputError(f"{name} must be a number from {least:g} to {most:g}, not {shown(value)}")
