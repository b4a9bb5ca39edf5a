"""A model that is loaded on a device: run it, measure it."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_edgedevice.agent.wire import ITEM_BYTES, MAX_PAYLOAD_BYTES, Frame, TensorPart, WireError, split_tensors
from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.runners.measure import measure
from pytest_edgedevice.runners.replies import read_conditions
from pytest_edgedevice.runners.samples import Batch, Inputs, batches, join, packed
from pytest_edgedevice.values import ModelInfo, Placement, Run, TensorSpec, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.values import Array

CHUNK_BYTES = 1 << 20
CHUNK_S = 0.05
MAX_SAMPLES = 4096
MAX_OUTPUT_BYTES = 1 << 30
"""Limit for replies whose size the model does not fix."""


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
            InputError: The inputs do not fit the model. Nothing was run.
            ModelError: The engine failed on them.
            AgentDiedError, DeadlineError, DeviceLostError: The world failed; load the model again.
        """
        parts = batches(inputs, self.info.inputs, allow_nan=allow_nan)
        first = parts[0]
        self._last_sample = Batch({name: array[:1] for name, array in first.arrays.items()}, 1)
        replies = _Replies(self._client, self.info)
        timeout = self._timeout_s if timeout_s is None else timeout_s
        for part in parts:
            self._exchange(part, replies, timeout)
        batch_varies = any(spec.shape[:1] == (-1,) for spec in self.info.inputs)
        outputs = {
            spec.name: join(replies.outputs[spec.name], spec, batch_varies=batch_varies) for spec in self.info.outputs
        }
        times = tuple(int(value) for piece in replies.times for value in piece)
        return Run(outputs, len(times), times, self.info, self.placement, self.device_name)

    def _exchange(self, part: Batch, replies: _Replies, timeout_s: float) -> None:
        """Send one batch in chunks ahead of their replies, so that transfer and inference overlap."""
        sample_bytes = sum(array.nbytes for array in part.arrays.values()) // part.samples
        flight: deque[tuple[int, int]] = deque()
        window = min(int(self._client.hello["window"]), 4)
        start, size = 0, 1
        try:
            while start < part.samples or flight:
                while start < part.samples and len(flight) < window:
                    count = min(size, part.samples - start)
                    flight.append((self._send(part, start, count, timeout_s), count))
                    start += count
                    if size == 1 and replies.samples == 0:
                        break  # the first sample tells how large a chunk may be
                number, count = flight.popleft()
                replies.take(number, count, timeout_s)
                size = _chunk_samples(max(sample_bytes, replies.sample_bytes), replies.sample_ns)
        except EdgeDeviceError:
            self._drain(flight, timeout_s)
            raise
        except BaseException:
            self._client.kill()  # requests are in flight that nobody will wait for
            raise

    def _send(self, part: Batch, start: int, count: int, timeout_s: float) -> int:
        entries, views = packed({name: array[start : start + count] for name, array in part.arrays.items()})
        return self._client.send("run", {"samples": count, "tensors": entries}, views, timeout_s=timeout_s)

    def _drain(self, flight: deque[tuple[int, int]], timeout_s: float) -> None:
        """After a refusal the requests behind it are answered too: take them off the line, or give up on the agent."""
        for number, _count in flight:
            if not self._client.dead:  # a refusal leaves the agent alive, all else ends it
                with contextlib.suppress(EdgeDeviceError):
                    self._client.receive("run", number, timeout_s=timeout_s, max_reply_bytes=MAX_OUTPUT_BYTES)

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
            first = batches(inputs, self.info.inputs, allow_nan=True)[0]
            return Batch({name: array[:1] for name, array in first.arrays.items()}, 1)
        if self._last_sample is None:
            self._last_sample = Batch({spec.name: _random(spec) for spec in self.info.inputs}, 1)
        return self._last_sample

    def conditions(self) -> Mapping[str, Any]:
        """What may disturb a measurement now: load, clocks, temperature; names as the device tells them."""
        return read_conditions(self._client, self._client.request("facts", timeout_s=self._timeout_s).header)

    def close(self) -> None:
        """End the agent process; idempotent."""
        self._client.close()
        if self._on_close:
            self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Replies:
    """Collects the replies to ``run`` and checks each against what the model announced."""

    def __init__(self, client: AgentClient, info: ModelInfo) -> None:
        self._client = client
        self._specs = {spec.name: spec for spec in info.outputs}
        self.outputs: dict[str, list[list[Array]]] = {spec.name: [] for spec in info.outputs}
        self.times: list[Array] = []
        self.samples = 0
        self.sample_bytes = 1
        self.sample_ns = 1
        self._fixed_bytes = _fixed_size(info)

    def take(self, number: int, count: int, timeout_s: float) -> None:
        """Wait for one reply."""
        limit = (
            MAX_OUTPUT_BYTES if self._fixed_bytes is None else min((self._fixed_bytes + 8) * count, MAX_PAYLOAD_BYTES)
        )
        frame = self._client.receive("run", number, timeout_s=timeout_s, max_reply_bytes=limit)
        if frame.header.get("samples") != count:
            raise self._client.broken(f"has {str(frame.header.get('samples'))[:20]} samples instead of {count}")
        self._sort(frame, count)
        self.samples += count
        self.sample_bytes = len(frame.payload) // count
        self.sample_ns = max(int(self.times[-1].sum()) // count, 1)

    def _sort(self, frame: Frame, count: int) -> None:
        try:
            parts = split_tensors(frame.header, frame.payload)
        except WireError as error:
            raise self._client.broken(f"cannot be read: {error}") from error
        found: dict[str, list[Array]] = {name: [] for name in self._specs}
        times: Array | None = None
        for part in parts:
            array: Array = np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape)
            if part.role == "timing":
                times = array
            elif part.name not in found:
                raise self._client.broken(f"has an output {part.name[:80]!r} that the model does not have")
            else:
                self._check(part)
                found[part.name].append(array[np.newaxis] if part.role == "sample" else array)
        for name, pieces in found.items():
            if sum(len(piece) for piece in pieces) != count:
                raise self._client.broken(f"does not have {count} samples of output {name!r}")
            self.outputs[name].append(pieces)
        if times is None or times.shape != (count,) or times.dtype != np.int64:
            raise self._client.broken("lacks the time of each sample")
        self.times.append(times)

    def _check(self, part: TensorPart) -> None:
        spec = self._specs[part.name]
        if part.dtype != spec.dtype:
            raise self._client.broken(f"has output {part.name!r} as {part.dtype}, announced was {spec.dtype}")
        if part.role != "sample" and not part.shape:
            raise self._client.broken(f"has output {part.name!r} without a sample axis")
        if self._fixed_bytes is not None and _sample_shape(part) != spec.shape:
            raise self._client.broken(
                f"has output {part.name!r} of shape {_sample_shape(part)}, announced was {spec.shape}"
            )


def _sample_shape(part: TensorPart) -> tuple[int, ...]:
    return part.shape if part.role == "sample" else part.shape[1:]


def _fixed_size(info: ModelInfo) -> int | None:
    """Bytes that one sample's outputs take; None where that is not known before the run.

    An output that is announced without dimensions may be a scalar or of unknown rank: files do not tell them apart.
    """
    if any(-1 in spec.shape for spec in (*info.inputs, *info.outputs)) or not all(spec.shape for spec in info.outputs):
        return None
    return sum(math.prod(spec.shape) * ITEM_BYTES[spec.dtype] for spec in info.outputs)


def _chunk_samples(sample_bytes: int, sample_ns: int) -> int:
    """Samples in one request: little enough to overlap, enough to make a request's own cost small."""
    by_size = CHUNK_BYTES // max(sample_bytes, 1)
    by_time = int(CHUNK_S * 1e9) // max(sample_ns, 1)
    return max(1, min(by_size, by_time, MAX_SAMPLES))


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
