"""A program on the board as the host sees it: streams with windows, an exit status, an end."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.board import CHUNK_BYTES, WINDOW_BYTES
from pytest_edgedevice.errors import DeadlineError, DeviceLostError, TransportError
from pytest_edgedevice.transports.base import Buffer, Process, Stream
from pytest_edgedevice.transports.pipes import TAIL_BYTES
from pytest_edgedevice.transports.ssh.client import last_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.transports.ssh.link import Link

START_S = 30.0
KILL_S = 5.0
GIVE_BACK_BYTES = WINDOW_BYTES // 4


class SshProcess(Process):
    """One program, started by the helper.

    Args:
        link: The connection.
        arguments: The program and its arguments, as written.
        where: The board, for messages.
        timeout_s: Deadline for the start.
        most_errors: How many bytes of its standard error are kept, the last ones.
        all_errors: Whether all of them are wanted, so that more is too much (``overrun``), and nothing is waited for.

    Attributes:
        pid: Its number there.
        note: What the board knows of its end; empty for most.

    Raises:
        TransportError: It cannot be started.
    """

    def __init__(
        self,
        link: Link,
        arguments: Sequence[str],
        *,
        where: str,
        timeout_s: float = START_S,
        most_errors: int = TAIL_BYTES,
        all_errors: bool = False,
    ) -> None:
        self._link = link
        self._name = arguments[0] if arguments else ""
        self.pid = 0
        self.note = ""
        self._refused: str | None = None
        self._status: int | None = None
        self._most_errors = most_errors
        self._all_errors = all_errors
        self.overrun = False
        self._errors: deque[memoryview] = deque()
        self._error_bytes = self._all_error_bytes = 0
        self._gone = False
        self.killed = False
        self._number = link.number()
        self.stream: SshStream = SshStream(link, self._number)
        link.handlers[self._number] = self._hear
        deadline = time.monotonic() + timeout_s
        try:
            link.send({"op": "start", "id": self._number, "arguments": list(arguments)}, deadline=deadline)
            link.wait(lambda: self.pid > 0 or self._refused is not None, deadline=deadline)
        except BaseException:
            self.kill()
            raise
        self._check_started(where)

    def _check_started(self, where: str) -> None:
        if self._refused is not None:
            self._link.handlers.pop(self._number, None)
            raise TransportError(f"cannot start {self._name!r} on {where}: {self._refused}")

    def _hear(self, header: dict[str, Any], payload: memoryview) -> None:
        operation = header["op"]
        if operation == "err":
            self._keep_errors(payload)
        elif operation == "exit":
            self.note = " ".join(last_words(str(header.get("note", ""))))
            self._status = int(header["status"])
        elif operation == "started":
            self.pid = int(header["pid"])
        elif operation == "failed":
            self._refused = " ".join(last_words(str(header["message"]))) or "no reason was given"
        elif operation == "killed":
            self._gone = True
        else:
            self.stream.hear(operation, header, payload)

    def _keep_errors(self, payload: memoryview) -> None:
        self._errors.append(payload)
        self._error_bytes += len(payload)
        self._all_error_bytes += len(payload)
        if self._all_errors and self._all_error_bytes > self._most_errors:
            self.overrun = True
            self.stream.give_up()
        while self._error_bytes - len(self._errors[0]) >= self._most_errors:
            self._error_bytes -= len(self._errors.popleft())

    def wait(self, *, timeout_s: float) -> int | None:
        """See the base class."""
        with contextlib.suppress(DeadlineError):
            self._link.wait(lambda: self._status is not None or self.overrun, deadline=time.monotonic() + timeout_s)
        return self._status

    def stderr_since(self, mark: int) -> tuple[str, int]:
        """See the base class."""
        with contextlib.suppress(DeadlineError, DeviceLostError):  # what has arrived and was not read yet
            self._link.wait(lambda: False, deadline=0)
        tail = self.errors[-TAIL_BYTES:]
        fresh = min(max(self._all_error_bytes - mark, 0), len(tail))
        return tail[len(tail) - fresh :].decode("utf-8", "replace"), self._all_error_bytes

    @property
    def errors(self) -> bytes:
        """What is kept of its standard error."""
        return b"".join(list(self._errors))

    def kill(self) -> None:
        """See the base class."""
        if self.killed:
            return
        self.killed = True
        self.stream.close()
        deadline = time.monotonic() + KILL_S
        with contextlib.suppress(TransportError, DeadlineError):
            self._link.send({"op": "kill", "id": self._number}, deadline=deadline)
            self._link.wait(lambda: self._gone, deadline=deadline)
        self._link.handlers.pop(self._number, None)


class SshStream(Stream):
    """The two streams of one program, with at most ``WINDOW_BYTES`` on their way in each direction."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number
        self._room = WINDOW_BYTES
        self._arrived: deque[memoryview] = deque()
        self._granted = WINDOW_BYTES
        self._consumed = 0
        self._ended = self._deaf = self._closed = False

    def hear(self, operation: str, header: dict[str, Any], payload: memoryview) -> None:
        """Take what the helper says about this stream."""
        if operation == "out":
            self._granted -= len(payload)
            if self._granted < 0:
                raise ValueError("more than was asked for")
            if not self._closed:
                self._arrived.append(payload)
        elif operation == "took":
            taken = int(header["bytes"])
            if not 0 < taken <= WINDOW_BYTES - self._room:
                raise ValueError("it took more than it was given")
            self._room += taken
        elif operation == "end":
            self._ended = True
        elif operation == "deaf":
            self._deaf = True
        else:
            raise ValueError("unknown operation")

    def give_up(self) -> None:
        """Let readers take it for ended."""
        self._ended = True

    def send(self, buffers: Sequence[Buffer], *, timeout_s: float) -> None:
        """See the base class."""
        deadline = time.monotonic() + timeout_s
        for buffer in buffers:
            view = memoryview(buffer).cast("B")
            while view:
                self._check_open()
                if self._room == 0:
                    self._link.wait(lambda: self._room > 0 or self._deaf or self._closed, deadline=deadline)
                    continue
                piece = view[: min(self._room, CHUNK_BYTES)]
                self._room -= len(piece)
                self._link.send({"op": "in", "id": self._number}, [piece], deadline=deadline)
                view = view[len(piece) :]

    def end_input(self, *, timeout_s: float) -> None:
        """Tell the program that nothing more comes."""
        self._link.send({"op": "close", "id": self._number}, deadline=time.monotonic() + timeout_s)

    def receive_into(self, view: memoryview, *, timeout_s: float) -> int:
        """See the base class."""
        if self._closed:
            raise TransportError("the stream is closed")
        deadline = time.monotonic() + timeout_s
        if not self._arrived:
            self._link.wait(lambda: bool(self._arrived) or self._ended or self._closed, deadline=deadline)
        if not self._arrived:
            return 0
        first = self._arrived[0]
        count = min(len(first), len(view))
        view[:count] = first[:count]
        if count == len(first):
            self._arrived.popleft()
        else:
            self._arrived[0] = first[count:]
        self._consumed += count
        if self._consumed >= GIVE_BACK_BYTES and not self._ended:
            given, self._consumed = self._consumed, 0
            self._granted += given
            self._link.send(
                {"op": "take", "id": self._number, "bytes": given}, deadline=max(deadline, time.monotonic() + 1)
            )
        return count

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError("the stream is closed")
        if self._deaf:
            raise TransportError("the other end is gone: it reads nothing more")

    def close(self) -> None:
        """See the base class."""
        self._closed = True
        self._arrived.clear()
