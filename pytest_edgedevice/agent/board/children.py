"""Programs that the helper starts: their pipes, their ends, and whatever they started."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from collections import deque
from typing import TYPE_CHECKING, Deque, Dict, List, Optional

from pytest_edgedevice.agent.board import CHUNK_BYTES, WINDOW_BYTES
from pytest_edgedevice.agent.board.memory import Memory
from pytest_edgedevice.agent.board.pipes import enlarge
from pytest_edgedevice.agent.writing import write_some

if TYPE_CHECKING:
    from pytest_edgedevice.agent.board.line import Line

MOST_ERRORS_AT_ONCE = 16


class Child:
    """One program, leader of a process group of its own.

    Args:
        number: What the host calls it.
        arguments: The program and its arguments, as written.
        environment: All of its environment.

    Raises:
        OSError, ValueError: It cannot be started.
    """

    def __init__(self, number: int, arguments: List[str], environment: Dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.number = number
        self._memory = Memory()
        self._child = subprocess.Popen(
            arguments, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, env=environment, start_new_session=True
        )
        self.pid = self._child.pid
        self.pipes: Dict[str, int] = {}
        for name, file in (("in", self._child.stdin), ("out", self._child.stdout), ("err", self._child.stderr)):
            assert file is not None
            self.pipes[name] = os.dup(file.fileno())
            file.close()
            os.set_blocking(self.pipes[name], False)
            enlarge(self.pipes[name])
        self.credit = WINDOW_BYTES
        self.told = False
        self._unsent: Deque[memoryview] = deque()
        self._last_input = False

    @property
    def has_input(self) -> bool:
        """Whether input waits for the program to take it."""
        return bool(self._unsent) and "in" in self.pipes

    def give(self, payload: memoryview, line: Line) -> None:
        """Pass input on; what the program does not take now waits."""
        self._unsent.append(payload)
        self.feed(line)

    def end_input(self, line: Line) -> None:
        """Close the program's input once all of it is taken."""
        self._last_input = True
        self.feed(line)

    def feed(self, line: Line) -> None:
        """Write waiting input, and tell the host how much room there is again."""
        before = sum(len(view) for view in self._unsent)
        try:
            while self._unsent and "in" in self.pipes:
                write_some(self.pipes["in"], self._unsent)
        except BlockingIOError:
            pass
        except OSError:  # it reads no more: what comes is dropped, as by a pipe without a reader
            self._close("in")
        if "in" not in self.pipes:
            self._unsent.clear()
            line.send({"op": "deaf", "id": self.number})
        taken = before - sum(len(view) for view in self._unsent)
        if taken:
            line.send({"op": "took", "id": self.number, "bytes": taken})
        if self._last_input and not self._unsent:
            self._close("in")

    def pass_output(self, line: Line) -> None:
        """Send a piece of output, behind all errors that were written before it."""
        piece = _read(self.pipes["out"], min(self.credit, CHUNK_BYTES))
        if piece is None:
            return
        self.pass_errors(line)
        if not piece:
            self._close("out")
            line.send({"op": "end", "id": self.number})
            return
        self.credit -= len(piece)
        line.send({"op": "out", "id": self.number}, [piece])

    def pass_errors(self, line: Line) -> None:
        """Send what there is of its standard error."""
        for _ in range(MOST_ERRORS_AT_ONCE):
            if "err" not in self.pipes:
                return
            piece = _read(self.pipes["err"], CHUNK_BYTES)
            if piece is None:
                return
            if piece:
                line.send({"op": "err", "id": self.number}, [piece])
            else:
                self._close("err")

    def status(self) -> Optional[int]:
        """Its exit status, negative for a signal; its number stays taken, so that its group can be killed safely."""
        try:
            found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except OSError as error:
            return None if error.errno != errno.ECHILD else -signal.SIGKILL
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def note(self, status: int) -> str:
        """What may explain that it was killed by a signal that nobody here sent; mostly empty."""
        return Memory().since(self._memory) if status == -signal.SIGKILL else ""

    def kill(self) -> None:
        """End it and its group, and let go of its pipes."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for name in list(self.pipes):
            self._close(name)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(2)  # only an uninterruptible wait in the kernel takes longer

    def _close(self, name: str) -> None:
        if name in self.pipes:
            os.close(self.pipes.pop(name))


def _read(descriptor: int, most: int) -> Optional[bytes]:
    try:
        return os.read(descriptor, most)
    except BlockingIOError:
        return None
    except OSError:
        return b""
