"""The streams of one program on a device, over one connection to the adb server.

What ends without an exit status was cut: it is never taken for output.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, OutputTooLongError, TransportError
from pytest_edgedevice.transports.adb.packets import CHUNK_BYTES, EXIT, STDOUT, Packets, end_of_input, of_input
from pytest_edgedevice.transports.base import Buffer, Stream
from pytest_edgedevice.transports.pipes import LONGEST_POLL_S, TAIL_BYTES

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

MOST_PENDING_BYTES = 1 << 20
"""Output that nobody has read yet and that is kept all the same, so that what comes behind it is seen."""
QUIET_S = 0.05
DRAIN_S = 1.0
FULL_WAIT_S = 0.01
GRACE_S = 1.0
"""How long what has arrived may take to be read behind a deadline; one that never stops talking does not hold us up."""


class AdbStream(Stream):
    """Input and output of a program; its errors and its exit status come by the same way.

    Args:
        link: The connection, not blocking; owned from here on.
        lost: Makes the error for a connection that broke, out of a clause that says how.
        most_errors: How many bytes of its standard error are kept, the last ones.

    Attributes:
        status: The exit status as the device told it; None as long as it has not.
        error_bytes: How much it wrote to its standard error in all.
    """

    def __init__(
        self, link: socket.socket, *, lost: Callable[[str], TransportError], most_errors: int = TAIL_BYTES
    ) -> None:
        self._packets = Packets(link, lost=lost)
        self._most_errors = most_errors
        self._pending: deque[memoryview] = deque()
        self._pending_bytes = 0
        self._errors: deque[bytes] = deque()
        self._kept_error_bytes = self.error_bytes = 0
        self.status: int | None = None
        self._reading = threading.RLock()

    def send(self, buffers: Sequence[Buffer], *, timeout_s: float) -> None:
        """See the base class."""
        self._check_open()
        self._packets.write(of_input(buffers), time.monotonic() + timeout_s)

    def end_input(self, *, timeout_s: float) -> None:
        """Tell the program that nothing more comes."""
        self._check_open()
        self._packets.write(deque([end_of_input()]), time.monotonic() + timeout_s)

    def receive_into(self, view: memoryview, *, timeout_s: float) -> int:
        """See the base class."""
        deadline = time.monotonic() + timeout_s
        with self._alone(deadline):
            self._check_open()
            while not self._pending:
                if self.status is not None:
                    return 0
                if count := self._step(deadline, view):
                    return count
            return self._take(view)

    def _take(self, view: memoryview) -> int:
        first = self._pending[0]
        count = min(len(first), len(view))
        view[:count] = first[:count]
        if count == len(first):
            self._pending.popleft()
        else:
            self._pending[0] = first[count:]
        self._pending_bytes -= count
        return count

    def read_line(self, deadline: float, *, most_bytes: int) -> bytes:
        """One line of its output, without its end; what it has not ended when the program does, too.

        Raises:
            TransportError: The line is longer than that.
        """
        line, one = bytearray(), memoryview(bytearray(1))
        while self.receive_into(one, timeout_s=deadline - time.monotonic()) and one[0] != 0x0A:
            line += one
            if len(line) > most_bytes:
                raise TransportError(f"a line is longer than {most_bytes} bytes: {bytes(line[:80])!r}...")
        return bytes(line)

    def converse(self, stdin: bytes, deadline: float, *, most_bytes: int) -> bytes:
        """Give the program its whole input while its output is taken, to the end of both.

        Raises:
            OutputTooLongError: It says more than that.
            DeadlineError: It did not end in time.
        """
        unsent = of_input([stdin])
        unsent.append(end_of_input())
        output: list[memoryview] = []
        size = 0
        with self._alone(deadline):
            while self.status is None:
                self._packets.feed(unsent)
                found = self._packets.ready(select.POLLIN | (select.POLLOUT if unsent else 0), deadline)
                if not found:
                    raise DeadlineError("it did not end in time")
                if found & ~select.POLLOUT:
                    self._step(deadline)
                output += self._pending
                size += self._pending_bytes
                self._pending.clear()
                self._pending_bytes = 0
                if size > most_bytes or self.error_bytes > most_bytes:
                    raise OutputTooLongError(f"it said more than {most_bytes >> 20} MiB")
        return b"".join(output)

    def _step(self, deadline: float, view: memoryview | None = None) -> int:
        """Take what comes next; how much of it was output that went to ``view``."""
        packets = self._packets
        if time.monotonic() > deadline + GRACE_S:
            raise DeadlineError("the other end says much, but nothing of what is waited for")
        if not packets.left:
            packets.begin(deadline)
            return 0
        if packets.kind == STDOUT and view is not None and not self._pending:
            count = packets.receive_into(view[: packets.left], deadline)
            packets.left -= count
            return count
        piece = packets.receive(min(packets.left, CHUNK_BYTES), deadline)
        packets.left -= len(piece)
        if packets.kind == EXIT:
            self.status = piece[0]
        elif packets.kind == STDOUT:
            self._pending.append(memoryview(piece))
            self._pending_bytes += len(piece)
        else:
            self._keep_errors(piece)
        return 0

    def _keep_errors(self, piece: bytes) -> None:
        self._errors.append(piece)
        self._kept_error_bytes += len(piece)
        self.error_bytes += len(piece)
        while self._kept_error_bytes - len(self._errors[0]) >= self._most_errors:
            self._kept_error_bytes -= len(self._errors.popleft())

    def finish(self, deadline: float) -> int | None:
        """Wait for the exit status, and keep a bounded amount of output meanwhile; None when it has not come."""
        while (status := self._finished(deadline)) is None and (left_s := deadline - time.monotonic()) > 0:
            time.sleep(min(left_s, FULL_WAIT_S))  # it waits for a reader, as at a full pipe
        return status

    def _finished(self, deadline: float) -> int | None:
        with contextlib.suppress(DeadlineError), self._alone(deadline):
            while self.status is None and self._pending_bytes <= MOST_PENDING_BYTES:
                self._step(deadline)
        return self.status

    def settle_errors(self) -> None:
        """Take what is on its way already; adb brings output before errors that were written earlier."""
        end = time.monotonic() + DRAIN_S  # one that never stops talking does not hold us up
        with contextlib.suppress(DeadlineError, TransportError), self._alone(time.monotonic() + QUIET_S):
            while self.status is None and self._pending_bytes <= MOST_PENDING_BYTES and time.monotonic() < end:
                self._step(time.monotonic() + QUIET_S)

    def errors(self) -> bytes:
        """The last bytes of its standard error that have arrived."""
        return b"".join(self._errors)[-self._most_errors :]

    def break_off(self) -> None:
        """Have everybody who waits at this stream find it ended; it is closed by its owner."""
        self._packets.break_off()

    def close(self) -> None:
        """See the base class."""
        self._packets.close()

    def _check_open(self) -> None:
        if self._packets.closed:
            raise TransportError("the stream is closed")

    @contextlib.contextmanager
    def _alone(self, deadline: float) -> Iterator[None]:
        if not self._reading.acquire(timeout=max(min(deadline - time.monotonic(), LONGEST_POLL_S), 0)):
            raise DeadlineError("another thread reads this stream")
        try:
            yield
        finally:
            self._reading.release()
