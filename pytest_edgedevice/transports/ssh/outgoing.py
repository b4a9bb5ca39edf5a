"""Frames on their way out, shared by threads: one after the other, each of them whole.

Pieces of files go into the pipe by the kernel alone where it can, without a copy in this process.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.board import CHUNK_BYTES
from pytest_edgedevice.agent.board.pipes import enlarge
from pytest_edgedevice.agent.wire import Buffer, encode
from pytest_edgedevice.agent.writing import views_of, write_some
from pytest_edgedevice.errors import DeadlineError
from pytest_edgedevice.transports.ssh.descriptors import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ZEROS = memoryview(bytes(CHUNK_BYTES))
_GONE = (errno.EPIPE, errno.ECONNRESET)


@dataclass(slots=True)
class FilePiece:
    """Bytes of an open file that wait to be written, at most ``CHUNK_BYTES``.

    Attributes:
        descriptor: The file; its position is not moved.
        at: Where the rest begins.
        left: How much there is.
    """

    descriptor: int
    at: int
    left: int

    def write_some(self, sink: int) -> bool:
        """Write what the pipe takes now; whether the kernel can do so at all: ``rest`` is to be written if not.

        Raises:
            BlockingIOError: The pipe takes nothing now.
            OSError: The other end is gone.
        """
        try:
            count = os.sendfile(sink, self.descriptor, self.at, self.left)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno in _GONE:
                raise
            return False  # not from this file system, or not on this system into a pipe
        self.at += count
        self.left -= count
        return count > 0

    def rest(self) -> bytes:
        """What is left, in memory: as many bytes as were promised, also of a file that is shorter or fails by now.

        What it does not hold any more is zeros; whoever sends it compares hashes.
        """
        pieces = []
        while self.left:
            piece = b""
            with contextlib.suppress(OSError):
                piece = os.pread(self.descriptor, self.left, self.at)
            pieces.append(piece or bytes(self.left))
            self.at += len(pieces[-1])
            self.left -= len(pieces[-1])
        return b"".join(pieces)


class Outgoing:
    """What is written to one connection.

    Args:
        sink: Descriptor that does not block.
        check: Raises if the connection is lost.
        lose: Called when nobody reads any more; raises.
    """

    def __init__(self, sink: int, *, check: Callable[[], None], lose: Callable[[], None]) -> None:
        self._sink = sink
        self._rest_s = enlarge(sink)
        self._check = check
        self._lose = lose
        self._unsent: deque[memoryview] = deque()
        self._writing = threading.Lock()

    def send(self, header: dict[str, Any], payload: Sequence[Buffer], *, deadline: float) -> None:
        """Write one frame; see ``Link.send``."""
        views = views_of(encode(header, payload))
        with self._turn(deadline):
            self._unsent.extend(views)
            try:
                self._flush(deadline)
            except DeadlineError:
                self._unsent = deque(memoryview(bytes(view)) for view in self._unsent)  # the caller reuses its memory
                raise

    def send_piece(self, header: dict[str, Any], piece: FilePiece, *, deadline: float) -> None:
        """Write one frame whose payload is a piece of a file; see ``Link.send``."""
        opening = views_of(encode(header, [_ZEROS[: piece.left]]))[0]  # which tells the payload's size
        with self._turn(deadline):
            self._unsent.append(opening)
            try:
                self._flush(deadline)
                self._pour(piece, deadline)
            finally:
                if piece.left:
                    self._unsent.append(memoryview(piece.rest()))
            self._flush(deadline)

    @contextlib.contextmanager
    def _turn(self, deadline: float) -> Iterator[None]:
        """Our turn to write, behind what is left of earlier frames."""
        self._check()
        if not self._writing.acquire(timeout=min(max(deadline - time.monotonic(), 0), threading.TIMEOUT_MAX)):
            raise DeadlineError("the connection took nothing in time")
        try:
            self._flush(deadline)
            yield
        finally:
            self._writing.release()

    def _flush(self, deadline: float) -> None:
        while self._unsent:
            self._check()
            with self._taking(deadline):
                write_some(self._sink, self._unsent)

    def _pour(self, piece: FilePiece, deadline: float) -> None:
        """Have the kernel move a piece, as far as it can."""
        can = True
        while piece.left and can:
            self._check()
            with self._taking(deadline, rest_s=self._rest_s):
                can = piece.write_some(self._sink)

    @contextlib.contextmanager
    def _taking(self, deadline: float, *, rest_s: float = 0.0) -> Iterator[None]:
        """Wait for room where there is none; give the connection up where nobody reads."""
        try:
            yield
        except BlockingIOError:
            time.sleep(rest_s)  # so that there is room for more than a page
            awaited(self._sink, select.POLLOUT, deadline)
            if time.monotonic() > deadline:
                raise DeadlineError("the connection took nothing in time") from None
        except OSError:
            self._lose()

    @contextlib.contextmanager
    def at_rest(self) -> Iterator[None]:
        """Nobody writes meanwhile."""
        with self._writing:
            yield
