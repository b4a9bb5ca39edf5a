"""A model that is loaded on a device: run it, measure it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.evaluation.evaluated import Evaluated
from pytest_edgedevice.runners.samples import Batch, Inputs, batches, join, random_sample, refuse_nan
from pytest_edgedevice.runners.watched import Watched
from pytest_edgedevice.values import ModelInfo, Placement, Run, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from pytest_edgedevice.runners.backend import Backend, Question, Site
    from pytest_edgedevice.runners.exchange import Exchanged


class LoadedModel(Watched, Evaluated):
    """One model, loaded on one device, with the delegate that was proven.

    Made by ``Device.load``; ends with ``close``, with its ``with`` block, or with the device.

    Attributes:
        info: The model's identity and tensors.
        placement: Which operators ran where.
        device_name: Name of the device.
        load_ms: Time the engine needed to load and prepare the model, milliseconds.
        emulated: Whether an emulator runs it, so that its times say nothing.
        delegate_options: What the delegate was told, which may change every output.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        info: ModelInfo,
        placement: Placement,
        site: Site,
        load_ms: float,
    ) -> None:
        self.info = info
        self.placement = placement
        self.device_name = site.name
        self.load_ms = load_ms
        self.emulated = backend.emulated
        self.delegate_options: Mapping[str, str] = {}
        self._backend = backend
        self._site = site
        self._last_sample: Batch | None = None
        self._owner = os.getpid()
        self._turn = threading.Lock()
        self._iterating: int | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<LoadedModel {self.info.name} on {self.device_name} by {self.placement.shown}>"

    def run(self, inputs: Inputs, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """Run every sample on the device and bring back exactly what it produced.

        Samples are independent: the state of a stateful model is reset between them.

        Args:
            inputs: Mapping of input name to array with samples along the first axis, e.g.
                ``{"image": x}`` with x (n, 128, 128, 3) float32; a sequence of such mappings
                for shapes that vary; or one array for a model with one input.
            allow_nan: Accept NaN in the inputs.
            timeout_s: Longest time that one exchange of samples may take; the device's own by default.

        Raises:
            InputError: The inputs do not fit the model; nothing is brought back.
            ModelError: The engine failed on them.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed; load the model again.
        """
        parts = batches(inputs, self.info.inputs)
        timeout = self._site.timeout_s if timeout_s is None else timeout_s
        with self._alone():
            done = self._backend.run(parts, timeout_s=timeout, allow_nan=allow_nan)
        self._remember(parts)
        return self._run_of(done)

    def run_each(
        self, chunks: Iterable[Inputs], *, allow_nan: bool = False, timeout_s: float | None = None
    ) -> Generator[Run, None, None]:
        """Run any number of samples in constant memory: chunks are drawn as they are needed, a run is yielded for each.

        What runs models by an agent is sent the next chunks while it computes, and while the caller uses what came
        back. Nothing else can be asked of the model until the iterator is exhausted or closed; a thread that tries
        waits, the one that iterates is refused.

        Args:
            chunks: Inputs as for ``run``, each some samples; what drawing one raises passes through.
            allow_nan: As for ``run``.
            timeout_s: As for ``run``.

        Raises:
            InputError, ModelError, InfraError: As ``run`` does.
        """
        timeout = self._site.timeout_s if timeout_s is None else timeout_s
        with self._alone():
            self._iterating = threading.get_ident()
            try:
                done_each = self._backend.run_each(self._parts_of(chunks), timeout_s=timeout, allow_nan=allow_nan)
                with contextlib.closing(done_each):
                    for done in done_each:
                        yield self._run_of(done)
            finally:
                self._iterating = None

    def _parts_of(self, chunks: Iterable[Inputs]) -> Iterator[list[Batch]]:
        for number, inputs in enumerate(chunks):
            parts = batches(inputs, self.info.inputs)
            if not number:
                self._remember(parts)
            yield parts

    def _remember(self, parts: Sequence[Batch]) -> None:
        """Keep a copy of the first sample: what is measured later must be what ran now, whatever the caller does."""
        self._last_sample = Batch({name: array[:1].copy() for name, array in parts[0].arrays.items()}, 1)

    def _run_of(self, done: Exchanged) -> Run:
        batch_varies = any(spec.shape[:1] == (-1,) for spec in self.info.inputs)
        outputs = {
            spec.name: join(done.outputs[spec.name], spec, batch_varies=batch_varies) for spec in self.info.outputs
        }
        return Run(outputs, len(done.inference_ns), done.inference_ns, self.info, self.placement, self.device_name)

    def measure(
        self,
        inputs: Inputs | None = None,
        *,
        budget_ms: float | None = None,
        quantile: float = 0.95,
        confidence: float = 0.95,
        min_runs: int = 0,
        max_runs: int = 5000,
        max_s: float = 30.0,
        sustained_s: float = 0.0,
    ) -> Timing:
        """Measure latency on the device, around the inference only, and judge it against a budget.

        Args:
            inputs: One sample, as for ``run`` (further samples are ignored). By default the first
                sample of the last ``run``, or else random values of each input's type.
            budget_ms: Budget for ``quantile``, milliseconds; None measures without a verdict.
            quantile: Which quantile the budget is for, e.g. 0.95.
            confidence: Confidence of the bounds, e.g. 0.95.
            min_runs: Take at least this many timed runs.
            max_runs: Timed runs at most; without a verdict by then it is inconclusive.
            max_s: Time limit for the timed runs, seconds.
            sustained_s: Run for so long, whatever the other limits say, and judge the last third; seconds.
                0 judges the series as it grows.

        The device's rules may have it wait before, and may leave it without a verdict: see ``Timing.disturbances``.

        Raises:
            InputError: The sample does not fit the model, or an argument is out of its range.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed.
        """
        self._check_alone()
        sample = self._sample(inputs)
        question: Question = {
            "budget_ms": budget_ms,
            "quantile": quantile,
            "confidence": confidence,
            "min_runs": min_runs,
            "max_runs": max_runs,
            "max_s": max_s,
            "sustained_s": sustained_s,
        }
        care, threads = self._site.care, self.info.threads
        waited_s = care.wait(self.conditions, name=self.device_name, threads=threads)
        with self._alone():
            timing = self._backend.measure(sample, question, load_ms=self.load_ms)
        return care.judged(timing, threads=threads, waited_s=waited_s)

    def _sample(self, inputs: Inputs | None) -> Batch:
        if inputs is not None:
            first = batches(inputs, self.info.inputs)[0]
            sample = {name: array[:1] for name, array in first.arrays.items()}
            refuse_nan(sample, self.info.inputs, first=0)
            return Batch(sample, 1)
        if self._last_sample is None:
            self._last_sample = Batch({spec.name: random_sample(spec) for spec in self.info.inputs}, 1)
        return self._last_sample

    def conditions(self) -> Mapping[str, Any]:
        """What may disturb a measurement now: load, clocks, temperature; names as the device tells them."""
        with self._alone():
            return self._backend.conditions()

    def _tell(self) -> Callable[[str], None] | None:
        return self._site.care.tell

    def _identity(self) -> str:
        options = "".join(f" {name}={value}" for name, value in sorted(self.delegate_options.items()))
        return (self._site.link.identity() or self.device_name) + options

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One conversation at a time: threads take turns, and a forked child has no part in it.

        Raises:
            InputError: Called in a child process, which shares the stream but not the conversation; by the
                thread that iterates over ``run_each``, which would wait for itself; or after ``close``.
        """
        if os.getpid() != self._owner:
            raise InputError(
                f"model {self.info.name!r} was loaded by another process",
                hint="open the device and load it in this one",
            )
        if self._iterating == threading.get_ident():
            raise InputError(
                f"model {self.info.name!r} is in the middle of run_each or evaluate",
                hint="ask for more when that is over, or load the model twice",
            )
        with self._turn:
            if self._closed:  # by its user, who is told so: no device is to blame
                raise InputError(f"model {self.info.name!r} was closed; load it again")
            yield

    def close(self) -> None:
        """End whatever runs it; idempotent, and without effect in a forked child."""
        if os.getpid() != self._owner:
            return
        self._closed = True
        self.lose()

    def lose(self) -> None:
        """End whatever runs it as its device is gone: what is asked of it later is an error of the world."""
        self._backend.close()
        if self._site.on_close:
            self._site.on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
