"""A model that is loaded on a device: run it, measure it."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.runners.exchange import exchange
from pytest_edgedevice.runners.measure import measure
from pytest_edgedevice.runners.replies import read_conditions
from pytest_edgedevice.runners.samples import Batch, Inputs, batches, join, refuse_nan
from pytest_edgedevice.values import ModelInfo, Placement, Run, TensorSpec, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.values import Array


class LoadedModel:
    """One model in one agent process, with the delegate that was proven.

    Made by ``Device.load``; ends with ``close``, with its ``with`` block, or with the device.

    Attributes:
        info: The model's identity and tensors.
        placement: Which operators ran where.
        device_name: Name of the device.
        load_ms: Time the engine needed to load and prepare the model, milliseconds.
    """

    def __init__(
        self,
        client: AgentClient,
        *,
        info: ModelInfo,
        placement: Placement,
        device_name: str,
        load_ms: float,
        timeout_s: float,
        on_close: Callable[[LoadedModel], None] | None = None,
    ) -> None:
        self.info = info
        self.placement = placement
        self.device_name = device_name
        self.load_ms = load_ms
        self._client = client
        self._timeout_s = timeout_s
        self._on_close = on_close
        self._last_sample: Batch | None = None
        self._owner = os.getpid()
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return f"<LoadedModel {self.info.name} on {self.device_name} by {self.placement.proven}>"

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
        timeout = self._timeout_s if timeout_s is None else timeout_s
        with self._alone():
            done = exchange(self._client, self.info, parts, timeout_s=timeout, allow_nan=allow_nan)
        # a copy: what is measured later must be what ran now, whatever becomes of the caller's array
        self._last_sample = Batch({name: array[:1].copy() for name, array in parts[0].arrays.items()}, 1)
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

        Raises:
            InputError: The sample does not fit the model, or an argument is out of its range.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed.
        """
        sample = self._sample(inputs)
        with self._alone():
            return measure(
                self._client,
                sample,
                budget_ms=budget_ms,
                quantile=quantile,
                confidence=confidence,
                min_runs=min_runs,
                max_runs=max_runs,
                max_s=max_s,
                load_ms=self.load_ms,
                timeout_s=self._timeout_s,
            )

    def _sample(self, inputs: Inputs | None) -> Batch:
        if inputs is not None:
            first = batches(inputs, self.info.inputs)[0]
            sample = {name: array[:1] for name, array in first.arrays.items()}
            refuse_nan(sample, self.info.inputs, first=0)
            return Batch(sample, 1)
        if self._last_sample is None:
            self._last_sample = Batch({spec.name: _random(spec) for spec in self.info.inputs}, 1)
        return self._last_sample

    def conditions(self) -> Mapping[str, Any]:
        """What may disturb a measurement now: load, clocks, temperature; names as the device tells them."""
        with self._alone():
            return read_conditions(self._client, self._client.request("facts", timeout_s=self._timeout_s).header)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One conversation at a time: threads take turns, and a forked child has no part in it.

        Raises:
            InputError: Called in a child process, which shares the stream but not the conversation.
        """
        if os.getpid() != self._owner:
            raise InputError(
                f"model {self.info.name!r} was loaded by another process",
                hint="open the device and load it in this one",
            )
        with self._turn:
            yield

    def close(self) -> None:
        """End the agent process; idempotent, and without effect in a forked child."""
        if os.getpid() != self._owner:
            return
        self._client.close()
        if self._on_close:
            self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _random(spec: TensorSpec) -> Array:
    """One sample of repeatable values: 0 to 1 for floats, the whole range for 8 bit integers, else 0 or 1."""
    generator = np.random.default_rng(0)
    shape = (1, *(1 if size == -1 else size for size in spec.shape))
    kind = np.dtype(spec.dtype)
    if kind.kind in "fc":
        return generator.random(shape).astype(kind)
    if kind.itemsize == 1 and kind.kind != "b":
        bounds = np.iinfo(kind)
        return generator.integers(bounds.min, bounds.max, shape, dtype=kind, endpoint=True)
    return generator.integers(0, 2, shape).astype(kind)
