"""Programs on a device over adb: started with their arguments as written, ended with all that they started."""

from __future__ import annotations

import secrets
import signal
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.adb.quote import quoted, words
from pytest_edgedevice.transports.adb.states import printable
from pytest_edgedevice.transports.base import Process
from pytest_edgedevice.transports.orphans import VARIABLE
from pytest_edgedevice.transports.pipes import TAIL_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.transports.adb.session import Session
    from pytest_edgedevice.transports.adb.stream import AdbStream

START_S = 30.0
MOST_CHATTER_BYTES = 64 << 10
LONG_BYTES = 32 << 10
"""Longest list of arguments that goes with the request itself; adb takes 64 KiB."""
FIRST_REAL_SIGNAL, LAST_REAL_SIGNAL = 1, 64

# a folder without the keeper's mark was removed by it, and perhaps made again by a file that was on its way;
# dash takes no `--` after exec, and no name begins with a dash
_SCRIPT = b"""cd %(folder)s 2>/dev/null && [ -f .keeper ] || { echo %(token)s over; exit 127; }
umask 077; export %(variable)s=%(folder)s
%(arguments)s
command -v "$1" >/dev/null 2>&1 || { echo %(token)s missing; exit 127; }
echo %(token)s $$
exec "$@"
"""
_SHORT = b"set -- %s"
# `read` takes a byte at a time, so that what follows the line is the program's input
_LONG = b"N='\n'; IFS= read -r L; eval \"set -- $L\"; unset N L"


class AdbProcess(Process):
    """One program on the device, over a connection of its own.

    Args:
        session: Of the device.
        arguments: The program and its arguments, as written.
        timeout_s: Deadline for the start.
        most_errors: How many bytes of its standard error are kept, the last ones.

    Attributes:
        pid: Its number on the device, also of its group and its session there.

    Raises:
        TransportError: There is no such program, or the device is lost.
        DeadlineError: It did not start in time.
    """

    def __init__(
        self,
        session: Session,
        arguments: Sequence[str],
        *,
        timeout_s: float = START_S,
        most_errors: int = TAIL_BYTES,
    ) -> None:
        deadline = time.monotonic() + timeout_s
        self._session = session
        self.killed = False
        self.pid = 0
        token = f"EDGEDEVICE-{secrets.token_hex(8)}".encode()
        line = words(arguments)
        is_long = len(line) > LONG_BYTES
        script = _SCRIPT % {
            b"folder": quoted(session.folder),
            b"variable": VARIABLE.encode(),
            b"arguments": _LONG if is_long else _SHORT % line,
            b"token": token,
        }
        self.stream: AdbStream = session.start(script, deadline=deadline, most_errors=most_errors)
        try:
            if is_long:
                one_line = line.replace(b"\n", b"'\"$N\"'") + b"\n"
                self.stream.send([one_line], timeout_s=deadline - time.monotonic())
            self.pid = self._greeting(token, arguments[0], deadline)
        except BaseException:
            self.kill()
            raise

    def _greeting(self, token: bytes, name: str, deadline: float) -> int:
        """The number that it tells behind the token, after whatever else the shell may say."""
        seen = 0
        while seen < MOST_CHATTER_BYTES:
            line = self.stream.read_line(deadline, most_bytes=MOST_CHATTER_BYTES)
            if line.startswith(token + b" "):
                said = line[len(token) + 1 :].strip()
                if said.isdigit() and len(said) < 11 and 1 < int(said) < 1 << 31:
                    return int(said)
                if said == b"over":
                    raise self._session.lose("its keeper ended this session, and removed its folder")
                raise TransportError(f"cannot start {name!r} on {self._session}: there is no such program")
            if not line and self.stream.status is not None:
                break
            seen += len(line) + 1
        said_last = printable(self.stream.errors().decode("utf-8", "replace").strip()[-300:])
        raise TransportError(f"cannot start {name!r} on {self._session}: its shell ended. {said_last}".strip())

    def wait(self, *, timeout_s: float) -> int | None:
        """See the base class. adb tells of signal N as 128 + N, as shells do: such exit codes look like signals."""
        status = self.stream.finish(time.monotonic() + timeout_s)
        return None if status is None else self._told(status)

    def _told(self, status: int) -> int:
        """The status; what was killed by somebody else may have been killed by the keeper, and the session is over."""
        if told(status) == -signal.SIGKILL and not self.killed:
            self._session.confirm()
        return told(status)

    def stderr_since(self, mark: int) -> tuple[str, int]:
        """See the base class."""
        self.stream.settle_errors()
        tail, total = self.stream.errors()[-TAIL_BYTES:], self.stream.error_bytes
        fresh = min(max(total - mark, 0), len(tail))
        return tail[len(tail) - fresh :].decode("utf-8", "replace"), total

    def kill(self) -> None:
        """See the base class."""
        if self.killed:
            return
        self.killed = True
        if self.pid:
            self._session.kill_group(self.pid)
        # after the kill: an agent that sees its stream end takes us for dead and cleans up
        self._session.close(self.stream)


def told(status: int) -> int:
    """An exit status as ``subprocess`` would tell it: negative for a signal."""
    number = status - 128
    return -number if FIRST_REAL_SIGNAL <= number <= LAST_REAL_SIGNAL else status


def run_to_end(
    session: Session, arguments: Sequence[str], stdin: bytes, *, timeout_s: float, most_bytes: int
) -> tuple[int, bytes, bytes]:
    """Run a program to its end; its status, its output, its errors.

    Raises:
        TransportError: It cannot be started, said too much, or the device is lost.
        DeadlineError: It did not end in time.
    """
    deadline = time.monotonic() + timeout_s
    process = AdbProcess(session, arguments, timeout_s=timeout_s, most_errors=most_bytes)
    try:
        output = process.stream.converse(stdin, deadline, most_bytes=most_bytes)
        status = process.stream.status
        assert status is not None
        return told(status), output, process.stream.errors()
    finally:
        process.kill()  # what it left behind holds the device's processor
