"""Run samples on an agent: requests sent ahead of their replies, so that transfer and inference overlap."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.agent.wire import (
    ITEM_BYTES,
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Frame,
    TensorPart,
    WireError,
    split_tensors,
)
from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.runners.samples import packed, refuse_nan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Array, ModelInfo

CHUNK_BYTES = 2 << 20
CHUNK_S = 0.05
MAX_SAMPLES = 4096
MAX_WINDOW = 4
MAX_OUTPUT_BYTES = 1 << 30
"""Limit for replies whose size the model does not fix."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """What came back: output name to pieces (samples, *shape in the model), and each inference's nanoseconds."""

    outputs: Mapping[str, Sequence[Array]]
    inference_ns: tuple[int, ...]


def exchange(
    client: AgentClient, info: ModelInfo, parts: Sequence[Batch], *, timeout_s: float, allow_nan: bool
) -> Exchanged:
    """Run every sample in order.

    Args:
        client: The agent that holds the model.
        info: The model, as it was announced.
        parts: Samples; those of one part have one shape.
        timeout_s: Longest wait for any one reply, seconds.
        allow_nan: Send NaN too.

    Raises:
        InputError: A sample holds NaN, or the agent refuses it; the agent can be used again.
        ModelError: The engine failed.
        InfraError: The agent is gone.
    """
    chunks = _Chunks(parts, _most_samples(info))
    replies = _Replies(client, info, sum(part.samples for part in parts))
    flight: deque[tuple[int, int]] = deque()
    window = min(int(client.hello["window"]), MAX_WINDOW)
    try:
        while chunks.left or flight:
            while chunks.left and len(flight) < window:
                arrays, count, first = chunks.take()
                if not allow_nan:
                    refuse_nan(arrays, info.inputs, first=first)
                entries, views = packed(arrays)
                fields = {"samples": count, "tensors": entries}
                flight.append((client.send("run", fields, views, timeout_s=timeout_s), count))
            number, count = flight.popleft()
            replies.take(number, count, timeout_s)
            chunks.adapt(replies.sample_bytes, replies.sample_ns)
    except EdgeDeviceError:
        # the requests behind a refusal are answered too: take them off the line, so that the agent stays of use
        for number, _count in flight:
            if not client.dead:
                with contextlib.suppress(EdgeDeviceError):
                    client.receive("run", number, timeout_s=timeout_s, max_reply_bytes=MAX_OUTPUT_BYTES)
        raise
    except BaseException:
        client.kill()  # requests are in flight that nobody will wait for
        raise
    times = tuple(int(value) for piece in replies.times for value in piece)
    return Exchanged({name: column.pieces for name, column in replies.outputs.items()}, times)


class _Chunks:
    """Cuts parts into requests: single samples at first, larger ones as far as size and time allow."""

    def __init__(self, parts: Sequence[Batch], most: int) -> None:
        self._most = most
        self._parts = deque(parts)
        self._at = 0
        self._first = 0
        self._size = 1

    @property
    def left(self) -> bool:
        return bool(self._parts)

    def take(self) -> tuple[dict[str, Array], int, int]:
        """The next arrays, how many samples they hold, and the position of the first among all."""
        part = self._parts[0]
        count = min(self._size, part.samples - self._at)
        arrays = {name: array[self._at : self._at + count] for name, array in part.arrays.items()}
        self._at += count
        if self._at == part.samples:
            self._parts.popleft()
            self._at = 0
        self._first += count
        return arrays, count, self._first - count

    def adapt(self, reply_bytes: int, sample_ns: int) -> None:
        """Choose the next size: little enough to overlap, enough to make a request's own cost small."""
        if self._parts:
            part = self._parts[0]
            sample_bytes = max(sum(array.nbytes for array in part.arrays.values()) // part.samples, reply_bytes, 1)
            wanted = min(CHUNK_BYTES // sample_bytes, int(CHUNK_S * 1e9) // max(sample_ns, 1), self._most)
            self._size = max(1, min(wanted, 4 * self._size))


class _Collected:
    """One output's pieces: copied into one array where the model fixes their shape, kept apart where it does not."""

    def __init__(self, samples: int, *, fixed: bool) -> None:
        self._samples = samples
        self._fixed = fixed
        self._count = 0
        self.pieces: list[Array] = []

    def add(self, piece: Array) -> None:
        if not self._fixed:
            self.pieces.append(piece)
            return
        if not self.pieces:
            self.pieces.append(np.empty((self._samples, *piece.shape[1:]), piece.dtype))
        self.pieces[0][self._count : self._count + len(piece)] = piece
        self._count += len(piece)


class _Replies:
    """Collects the replies to ``run`` and checks each against what the model announced."""

    def __init__(self, client: AgentClient, info: ModelInfo, samples: int) -> None:
        self._client = client
        self._specs = {spec.name: spec for spec in info.outputs}
        self._fixed_bytes = _fixed_size(info)
        self.outputs = {spec.name: _Collected(samples, fixed=self._fixed_bytes is not None) for spec in info.outputs}
        self.times: list[Array] = []
        self.sample_bytes = 1
        self.sample_ns = 1

    def take(self, number: int, count: int, timeout_s: float) -> None:
        """Wait for one reply."""
        limit = MAX_OUTPUT_BYTES
        if self._fixed_bytes is not None:
            limit = min((self._fixed_bytes + 8) * count, MAX_PAYLOAD_BYTES)
        frame = self._client.receive("run", number, timeout_s=timeout_s, max_reply_bytes=limit)
        if frame.header.get("samples") != count:
            raise self._client.broken(f"has {str(frame.header.get('samples'))[:20]} samples instead of {count}")
        self._sort(frame, count)
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
        if times is None or times.shape != (count,) or times.dtype != np.int64:
            raise self._client.broken("lacks the time of each sample")
        for name, pieces in found.items():
            if sum(len(piece) for piece in pieces) != count:
                raise self._client.broken(f"does not have {count} samples of output {name!r}")
            for piece in pieces:
                self.outputs[name].add(piece)
        self.times.append(times)

    def _check(self, part: TensorPart) -> None:
        spec = self._specs[part.name]
        shape = part.shape if part.role == "sample" else part.shape[1:]
        if part.dtype != spec.dtype:
            raise self._client.broken(f"has output {part.name!r} as {part.dtype}, announced was {spec.dtype}")
        if part.role != "sample" and not part.shape:
            raise self._client.broken(f"has output {part.name!r} without a sample axis")
        if self._fixed_bytes is not None and shape != spec.shape:
            raise self._client.broken(f"has output {part.name!r} of shape {shape}, announced was {spec.shape}")


def _most_samples(info: ModelInfo) -> int:
    """Samples in one request. Where shapes vary, the reply's header describes each output of each sample."""
    if _fixed_size(info) is not None:
        return MAX_SAMPLES
    entry_bytes = sum(6 * len(spec.name) + 256 for spec in info.outputs)
    return max(1, min(MAX_HEADER_BYTES // max(entry_bytes, 1), MAX_SAMPLES))


def _fixed_size(info: ModelInfo) -> int | None:
    """Bytes that one sample's outputs take; None where that is not known before the run.

    An output that is announced without dimensions may be a scalar or of unknown rank: files do not tell them apart.
    """
    if any(-1 in spec.shape for spec in (*info.inputs, *info.outputs)) or not all(spec.shape for spec in info.outputs):
        return None
    return sum(math.prod(spec.shape) * ITEM_BYTES[spec.dtype] for spec in info.outputs)
