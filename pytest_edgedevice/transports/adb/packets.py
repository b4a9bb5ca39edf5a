"""Packets of adb's shell protocol over one connection, with deadlines: an id, a size, and that many bytes.

Source: AOSP, ``system/core/adb/shell_protocol.h``.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.writing import write_some
from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.pipes import LONGEST_POLL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_edgedevice.transports.base import Buffer

STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
HEADER = struct.Struct("<BI")
CHUNK_BYTES = 64 << 10


class Packets:
    """The two directions of a connection.

    Args:
        link: The connection, not blocking; owned from here on.
        lost: Makes the error for a connection that broke, out of a clause that says how.

    Attributes:
        kind: Of the packet that is being read.
        left: How many of its bytes have not come yet; 0 between two packets.
    """

    def __init__(self, link: socket.socket, *, lost: Callable[[str], TransportError]) -> None:
        self._link = link
        self._lost = lost
        self._header = bytearray()
        self.kind = STDOUT
        self.left = 0
        self.closed = False
        self._process = os.getpid()
        self._is_slow_to_say_so = link.family != socket.AF_UNIX and hasattr(socket, "TCP_QUICKACK")

    def begin(self, deadline: float) -> None:
        """Read on in the header of the next packet.

        Raises:
            TransportError: The connection broke, or speaks no shell protocol.
            DeadlineError: Nothing came in time.
        """
        self._header += self.receive(HEADER.size - len(self._header), deadline)
        if len(self._header) < HEADER.size:
            return
        self.kind, self.left = HEADER.unpack(self._header)
        self._header.clear()
        if self.kind not in (STDOUT, STDERR, EXIT) or (self.kind == EXIT and self.left != 1):
            self.break_off()
            raise TransportError(
                f"the device broke adb's shell protocol: a packet of kind {self.kind} and {self.left} bytes"
            )

    def receive(self, count: int, deadline: float) -> bytes:
        """Read some bytes, at most so many."""
        piece = memoryview(bytearray(count))
        return bytes(piece[: self.receive_into(piece, deadline)])

    def receive_into(self, view: memoryview, deadline: float) -> int:
        """Read some bytes.

        Raises:
            TransportError: The connection broke.
            DeadlineError: Nothing came in time.
        """
        while True:
            try:
                count = self._link.recv_into(view)
            except BlockingIOError:
                if not self.ready(select.POLLIN, deadline):
                    raise DeadlineError("the other end did not send anything in time") from None
                continue
            except OSError as error:
                if self.closed:
                    raise TransportError("the stream is closed") from None
                raise self._lost(f"its stream broke: {error.strerror}") from None
            if not count:
                raise self._lost("its stream ended without an exit status")
            return count

    def write(self, unsent: deque[memoryview], deadline: float) -> None:
        """Write all, and take it off ``unsent``.

        Raises:
            TransportError: The other end is gone.
            DeadlineError: Not all was taken in time.
        """
        while unsent:
            try:
                write_some(self._link.fileno(), unsent)
            except BlockingIOError:
                if not self.ready(select.POLLOUT, deadline):
                    raise DeadlineError("the other end did not take anything in time") from None
            except OSError as error:
                raise TransportError(f"the other end is gone: {error.strerror}") from error

    def feed(self, unsent: deque[memoryview]) -> None:
        """Write what is taken now; when nobody takes anything any more, forget it."""
        try:
            if unsent:
                write_some(self._link.fileno(), unsent)
        except BlockingIOError:
            pass
        except OSError:  # it ended without having read its input; its status is on the way
            unsent.clear()

    def ready(self, events: int, deadline: float) -> int:
        """What the connection is ready for; nothing when that takes too long."""
        poll = select.poll()
        try:
            poll.register(self._link, events)
            if events & select.POLLIN and self._is_slow_to_say_so:
                # the server holds back what is next until we say that we have the last, for which the kernel
                # would take its time; it forgets this setting
                self._link.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        except (ValueError, OSError):  # closed by another thread
            raise TransportError("the stream is closed") from None
        while (left_s := deadline - time.monotonic()) > 0:
            if found := poll.poll(min(left_s, LONGEST_POLL_S) * 1000):
                return found[0][1]
        return 0

    def break_off(self) -> None:
        """Have everybody who waits at this connection find it ended; it is closed by its owner."""
        if os.getpid() == self._process:  # a forked child has no part in it
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; idempotent."""
        if not self.closed:
            self.closed = True
            self.break_off()
            self._link.close()


def of_input(buffers: Iterable[Buffer]) -> deque[memoryview]:
    """Bytes as packets of input."""
    packets: deque[memoryview] = deque()
    for buffer in buffers:
        view = memoryview(buffer).cast("B")
        for start in range(0, len(view), CHUNK_BYTES):
            piece = view[start : start + CHUNK_BYTES]
            packets.append(memoryview(HEADER.pack(STDIN, len(piece))))
            packets.append(piece)
    return packets


def end_of_input() -> memoryview:
    """The packet that ends a program's input."""
    return memoryview(HEADER.pack(CLOSE_STDIN, 0))
