"""The helper's stream to its host: frames in and out, never blocking."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import Deque, List, Optional

from pytest_edgedevice.agent.board import CHUNK_BYTES
from pytest_edgedevice.agent.board.pipes import enlarge
from pytest_edgedevice.agent.wire import Buffer, Frame, FrameReader, Header, encode
from pytest_edgedevice.agent.writing import write_some

AMID_MS = 2
MUCH_BYTES = 64 << 10
MOST_WAITING_BYTES = 1 << 20


class Line:
    """Two descriptors to the host.

    Attributes:
        ended: Whether the host closed its side.
        cut: Whether nobody reads what we write: the connection is gone.
    """

    def __init__(self, source: int, sink: int) -> None:
        self.source, self.sink = source, sink
        self.ended = self.cut = False
        self._reader = FrameReader(max_payload_bytes=CHUNK_BYTES)
        self._amid = False
        self._rest = select.poll()
        self._rest.register(source, select.POLLIN)
        self._unsent: Deque[memoryview] = deque()
        for descriptor in (source, sink):
            os.set_blocking(descriptor, False)
        self._rest_s = enlarge(source)

    @property
    def waiting(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._unsent)

    @property
    def busy(self) -> bool:
        """Whether so much waits that nothing should be added."""
        return sum(len(view) for view in self._unsent) > MOST_WAITING_BYTES

    def receive(self) -> Optional[Frame]:
        """The next frame; None when it is not complete yet, and at the end.

        Raises:
            WireError: The bytes are no frames.
        """
        while True:
            try:
                count = os.readv(self.source, [self._reader.buffer()])
            except BlockingIOError:
                # a frame comes in many small pieces: the rest of it is worth a moment
                if not (self._amid and self._rest.poll(AMID_MS)):
                    return None
                if len(self._reader.buffer()) > MUCH_BYTES:
                    time.sleep(self._rest_s)  # and a few larger pieces are worth another one
                continue
            except OSError:
                count = 0
            if count == 0:
                self.ended = True
                return None
            frame = self._reader.advance(count)
            self._amid = frame is None
            if frame is not None:
                return frame

    def send(self, header: Header, payload: Optional[List[Buffer]] = None) -> None:
        """Write a frame, or what the stream takes of it now."""
        self._unsent.extend(memoryview(part).cast("B") for part in encode(header, payload or []))
        self.flush()

    def flush(self) -> None:
        """Write what waits, as far as it is taken now."""
        try:
            while self._unsent:
                write_some(self.sink, self._unsent)
        except BlockingIOError:
            pass
        except OSError:
            self.cut = self.ended = True
            self._unsent.clear()

    def finish(self, seconds: float) -> None:
        """Write the rest; gives up after some seconds."""
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.sink, select.POLLOUT)
        while self._unsent and time.monotonic() < deadline:
            poll.poll(100)
            self.flush()
