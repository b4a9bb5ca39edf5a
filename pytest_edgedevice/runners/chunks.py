"""Cuts samples into requests to an agent. Pure; knows nothing of agents."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Array

CHUNK_BYTES = 2 << 20
CHUNK_S = 0.05


class Chunk(NamedTuple):
    """The samples of one request.

    Attributes:
        arrays: Input name to array (samples, *model shape).
        samples: How many.
        first: Position of the first one in its group; 0 begins a group.
        group_samples: How many samples the group has.
    """

    arrays: dict[str, Array]
    samples: int
    first: int
    group_samples: int


class Chunks:
    """Single samples at first, larger chunks as far as size and time allow; none goes beyond a group or a part of it.

    Args:
        groups: Samples that are answered together, as parts of one shape each; drawn one by one, when they are needed.
        most: Samples in one chunk at most.
    """

    def __init__(self, groups: Iterable[Sequence[Batch]], most: int) -> None:
        self._most = most
        self._groups = iter(groups)
        self._parts: deque[Batch] = deque()
        self._group_samples = 0
        self._at = 0
        self._first = 0
        self._size = 1
        self._sample_bytes = 0

    def take(self) -> Chunk | None:
        """The next samples; None after the last."""
        while not self._parts:
            parts = next(self._groups, None)
            if parts is None:
                return None
            self._parts.extend(parts)
            self._first, self._group_samples = 0, sum(part.samples for part in parts)
        part = self._parts[0]
        self._sample_bytes = sum(array.nbytes for array in part.arrays.values()) // part.samples
        count, first = min(self._size, part.samples - self._at), self._first
        arrays = {name: array[self._at : self._at + count] for name, array in part.arrays.items()}
        self._at += count
        self._first += count
        if self._at == part.samples:
            self._parts.popleft()
            self._at = 0
        return Chunk(arrays, count, first, self._group_samples)

    def adapt(self, reply_bytes: int, sample_ns: int) -> None:
        """Choose the next size: little enough to overlap, enough to make a request's own cost small.

        Args:
            reply_bytes: What the reply to one sample takes.
            sample_ns: How long its inference takes.
        """
        sample_bytes = max(self._sample_bytes, reply_bytes, 1)
        wanted = min(CHUNK_BYTES // sample_bytes, int(CHUNK_S * 1e9) // max(sample_ns, 1), self._most)
        self._size = max(1, min(wanted, 4 * self._size))
