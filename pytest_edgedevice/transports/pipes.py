"""A child process on this machine with its three pipes, every wait bounded.

Serves the ``local`` transport, and any link whose client is a program of its
own (``ssh``). POSIX only: it needs ``poll`` on pipes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from typing import IO, TYPE_CHECKING

from pytest_edgedevice.agent.writing import views_of, write_some
from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.base import Buffer, Process, Stream

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TAIL_BYTES = 64 * 1024
PIPE_BYTES = 1 << 20
LONGEST_POLL_S = 3600.0  # poll counts milliseconds in 31 bits
DRAIN_S = 1.0


class PipeStream(Stream):
    """Two non-blocking descriptors with deadlines.

    Args:
        source: Descriptor to read from; owned from here on.
        sink: Descriptor to write to; owned from here on. May be the same one (a socket).
    """

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink
        self._closed = False
        for descriptor in (source, sink):
            os.set_blocking(descriptor, False)
            with contextlib.suppress(OSError, AttributeError):  # not a pipe, not Linux, or over the user's limit
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    @property
    def descriptors(self) -> tuple[int, int]:
        """What is read from and written to, for a link with frames of its own; still owned by the stream."""
        return self._source, self._sink

    def send(self, buffers: Sequence[Buffer], *, timeout_s: float) -> None:
        """See the base class."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        unsent = views_of(buffers)
        while unsent:
            try:
                write_some(self._sink, unsent)
            except BlockingIOError:
                self._wait(self._sink, select.POLLOUT, deadline, "take")
            except OSError as error:
                raise TransportError(f"the other end is gone: {error.strerror}") from error

    def receive_into(self, view: memoryview, *, timeout_s: float) -> int:
        """See the base class."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return os.readv(self._source, [view])
            except BlockingIOError:
                self._wait(self._source, select.POLLIN, deadline, "send")
            except OSError as error:
                raise TransportError(f"the other end is gone: {error.strerror}") from error

    def _check_open(self) -> None:
        if self._closed:  # the numbers may belong to somebody else's files by now
            raise TransportError("the stream is closed")

    def _wait(self, descriptor: int, event: int, deadline: float, verb: str) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while (left_s := deadline - time.monotonic()) > 0:
            if poll.poll(min(left_s, LONGEST_POLL_S) * 1000):
                return
        raise DeadlineError(f"the other end did not {verb} anything in time")

    def close(self) -> None:
        """See the base class."""
        if not self._closed:
            self._closed = True
            # what we read first: whoever then sees the end of its input finds nobody who listens any more
            for descriptor in dict.fromkeys((self._source, self._sink)):
                os.close(descriptor)


class ChildProcess(Process):
    """A child in a process group of its own, so that Ctrl-C reaches us first and a kill reaches all of it.

    Args:
        arguments: The program and what it is told.
        environment: Variables that it gets besides ours.
    """

    def __init__(self, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        try:
            self._child = subprocess.Popen(
                list(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise TransportError(f"cannot start {arguments[0]!r}: {error}") from error
        assert self._child.stdin
        assert self._child.stdout
        assert self._child.stderr
        self.stream: PipeStream = PipeStream(_detach(self._child.stdout), _detach(self._child.stdin))
        self._stderr = self._child.stderr
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._total_bytes = 0
        self._tail_lock = threading.Lock()
        self._killed = False
        self._drain = threading.Thread(target=self._read_stderr, daemon=True)
        self._drain.start()

    def _read_stderr(self) -> None:
        poll = select.poll()
        poll.register(self._stderr, select.POLLIN)
        while True:
            poll.poll()
            # read and kept in one step, so that an empty pipe means that all of it is in the tail
            with self._tail_lock:
                chunk = _read(self._stderr.fileno())
                if not chunk:
                    return
                self._tail.append(chunk)
                self._tail_bytes += len(chunk)
                self._total_bytes += len(chunk)
                while self._tail_bytes - len(self._tail[0]) >= TAIL_BYTES:
                    self._tail_bytes -= len(self._tail.popleft())

    def wait(self, *, timeout_s: float) -> int | None:
        """See the base class."""
        try:
            status = self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        self._drain.join(timeout=DRAIN_S)  # what it said last is in the pipe still; a grandchild may hold it open
        return status

    def stderr_since(self, mark: int) -> tuple[str, int]:
        """See the base class."""
        deadline = time.monotonic() + DRAIN_S  # one that never stops talking does not hold us up
        while self._drain.is_alive() and time.monotonic() < deadline and _readable(self._stderr):
            self._drain.join(timeout=0.001)
        with self._tail_lock:
            tail = b"".join(self._tail)[-TAIL_BYTES:]
            total = self._total_bytes
        fresh = min(max(total - mark, 0), len(tail))
        return tail[len(tail) - fresh :].decode("utf-8", "replace"), total

    def kill(self) -> None:
        """See the base class."""
        if self._killed:  # once: its number may be another's by now
            return
        self._killed = True
        kill_group(self._child.pid)
        self.stream.close()  # after the kill: an agent that sees its stream end takes us for dead and cleans up
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(10)  # only an uninterruptible wait in the kernel takes longer
        self._drain.join(timeout=DRAIN_S)
        if not self._drain.is_alive():
            self._stderr.close()

    @property
    def killed(self) -> bool:
        """Whether ``kill`` was called, and everything of it released."""
        return self._killed


def kill_group(pid: int) -> None:
    """End a child that leads a group of its own, and everything it started there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _readable(file: IO[bytes]) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


def _detach(pipe: object) -> int:
    """Take a descriptor out of a file object, so that it has one owner."""
    descriptor = os.dup(pipe.fileno())  # type: ignore[attr-defined]
    pipe.close()  # type: ignore[attr-defined]
    return descriptor


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 16384)
    except OSError:
        return b""
