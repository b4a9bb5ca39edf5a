"""Run samples on an agent: requests sent ahead of their replies, so that transfer and inference overlap."""

from __future__ import annotations

import contextlib
import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

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
from pytest_edgedevice.runners.chunks import Chunks
from pytest_edgedevice.runners.samples import packed, refuse_nan

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Array, ModelInfo

MAX_SAMPLES = 4096
MAX_WINDOW = 4
LEAVE_S = 5.0
"""What is in flight when nobody wants any more may take so long; then the agent is ended."""
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
    (done,) = flow(client, info, [parts], timeout_s=timeout_s, allow_nan=allow_nan)
    return done


def flow(
    client: AgentClient, info: ModelInfo, groups: Iterable[Sequence[Batch]], *, timeout_s: float, allow_nan: bool
) -> Generator[Exchanged, None, None]:
    """Run groups of samples in order, each drawn when it is to be sent: that of a few requests ahead of the device.

    While the device computes what was sent, this side decodes what came back, the caller uses it, and the next group
    is made. Arguments as for ``exchange``; what making a group raises passes through. Whoever takes no more gives the
    device some seconds to finish what is in flight; the agent can be used again then.

    Yields:
        What came back of each group.
    """
    chunks = Chunks(groups, _most_samples(info))
    window = min(int(client.hello["window"]), MAX_WINDOW)
    flight: deque[_Sent] = deque()
    group = _Replies(client, info, 0)
    try:
        while True:
            while len(flight) < window and (chunk := chunks.take()):
                if not allow_nan:
                    refuse_nan(chunk.arrays, info.inputs, first=chunk.first)
                entries, views = packed(chunk.arrays)
                fields = {"samples": chunk.samples, "tensors": entries}
                number = client.send("run", fields, views, timeout_s=timeout_s)
                group = group if chunk.first else _Replies(client, info, chunk.group_samples)
                flight.append(_Sent(number, chunk.samples, group))
            if not flight:
                return
            number, count, replies = flight.popleft()
            chunks.adapt(*replies.take(number, count, timeout_s))
            if replies.complete:
                yield replies.exchanged()
    except (Exception, GeneratorExit) as error:
        # the requests behind a refusal are answered too: take them off the line, so that the agent stays of use
        patience_s = timeout_s * len(flight) if isinstance(error, EdgeDeviceError) else min(timeout_s, LEAVE_S)
        _drain(client, [sent.number for sent in flight], patience_s)
        raise
    except BaseException:
        client.kill()  # requests are in flight that nobody will wait for
        raise


def _drain(client: AgentClient, numbers: Sequence[int], patience_s: float) -> None:
    end = time.monotonic() + patience_s
    for number in numbers:
        if not client.dead:
            with contextlib.suppress(EdgeDeviceError):
                left_s = max(end - time.monotonic(), 0.0)
                client.receive("run", number, timeout_s=left_s, max_reply_bytes=MAX_OUTPUT_BYTES)


class _Sent(NamedTuple):
    """A request in flight, and where its reply goes."""

    number: int
    samples: int
    replies: _Replies


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
        self._outputs = {spec.name: _Collected(samples, fixed=self._fixed_bytes is not None) for spec in info.outputs}
        self._times: list[Array] = []
        self._left = samples

    @property
    def complete(self) -> bool:
        return not self._left

    def exchanged(self) -> Exchanged:
        """What came back, all of it."""
        times = tuple(int(value) for piece in self._times for value in piece)
        return Exchanged({name: column.pieces for name, column in self._outputs.items()}, times)

    def take(self, number: int, count: int, timeout_s: float) -> tuple[int, int]:
        """Wait for one reply; what a sample of it took: bytes, and nanoseconds."""
        limit = MAX_OUTPUT_BYTES
        if self._fixed_bytes is not None:
            limit = min((self._fixed_bytes + 8) * count, MAX_PAYLOAD_BYTES)
        frame = self._client.receive("run", number, timeout_s=timeout_s, max_reply_bytes=limit)
        if frame.header.get("samples") != count:
            raise self._client.broken(f"has {str(frame.header.get('samples'))[:20]} samples instead of {count}")
        self._sort(frame, count)
        self._left -= count
        return len(frame.payload) // count, max(int(self._times[-1].sum()) // count, 1)

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
                self._outputs[name].add(piece)
        self._times.append(times)

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
