"""Write buffers to a descriptor in order, without joining them: for both ends of the wire."""

from __future__ import annotations

import os
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Deque, Iterable

if TYPE_CHECKING:
    from pytest_edgedevice.agent.wire import Buffer

MAX_BUFFERS = 512  # below every system's IOV_MAX


def views_of(buffers: Iterable[Buffer]) -> Deque[memoryview]:
    """Buffers as bytes that wait to be written."""
    return deque(memoryview(buffer).cast("B") for buffer in buffers)


def write_some(sink: int, unsent: Deque[memoryview]) -> None:
    """Write what the descriptor takes now, and take it off ``unsent``.

    Raises:
        BlockingIOError: A descriptor that does not block takes nothing now.
        OSError: The other end is gone.
    """
    count = os.writev(sink, list(islice(unsent, MAX_BUFFERS)))
    while unsent and count >= len(unsent[0]):
        count -= len(unsent.popleft())
    if count:
        unsent[0] = unsent[0][count:]


def write_all(sink: int, buffers: Iterable[Buffer]) -> None:
    """Write everything to a descriptor that blocks."""
    unsent = views_of(buffers)
    while unsent:
        write_some(sink, unsent)
