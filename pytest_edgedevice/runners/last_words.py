"""What is known of an agent that ended, is silent or refuses: its standard error, its link, the device's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.runners.aftermath import add_aftermath
from pytest_edgedevice.runners.wording import app_death, app_late, death, late, printable, refusal, telling_lines

if TYPE_CHECKING:
    from pytest_edgedevice.errors import DeadlineError, EdgeDeviceError
    from pytest_edgedevice.runners.aftermath import Aftermath
    from pytest_edgedevice.transports.base import Process

STATUS_S = 2.0
WHY_S = 5.0
"""How long a link may take to tell that the device is gone, seconds."""


class LastWords:
    """Explains the end of one conversation.

    Args:
        process: The agent's process, or the connection to an app.
        where: Name of the device, for messages.
        app: Which of the two it is.
        aftermath: Asks for what the device's own logs say of a process that died, by its number there.

    Attributes:
        chatter: What came instead of a hello so far.
    """

    def __init__(self, process: Process, *, where: str, app: bool, aftermath: Aftermath | None) -> None:
        self.chatter = bytearray()
        self.app = app
        self._process = process
        self._where = where
        self._aftermath = aftermath
        self._seen = 0

    @property
    def same_version(self) -> str:
        """What to do where both ends do not speak one version."""
        if self.app:
            return "update the app on the device, or pytest-edgedevice here"
        return "install the same version of pytest-edgedevice at both ends"

    def death(self, operation: str) -> EdgeDeviceError:
        """Why the stream ended while the agent did something."""
        if not self.app:
            status = self._process.wait(timeout_s=STATUS_S)
            return death(status, self._said(), where=self._where, operation=operation)
        gone = self._process.why_ended(timeout_s=WHY_S)
        if gone is not None:
            return type(gone)(f"{gone.message} (amid {operation!r})", hint=gone.hint)
        return app_death(self._said(), where=self._where, operation=operation)

    def late(self, timeout_s: float, operation: str) -> DeadlineError:
        """It did not answer in time."""
        worded = app_late if self.app else late
        return worded(timeout_s, self._said(), where=self._where, operation=operation)

    def refusal(self, header: dict[str, Any], operation: str) -> EdgeDeviceError:
        """It answered with an error."""
        return refusal(header, self._new_lines(), where=self._where, operation=operation, app=self.app)

    def add_aftermath(self, error: EdgeDeviceError, pid: object, *, show: bool) -> None:
        """Where the device still answers, its own logs may say more.

        Args:
            error: Gets what they say.
            pid: The agent's number there as its hello told it, if it did.
            show: Whether the message gets lines of it.
        """
        if self._aftermath is not None:
            known = getattr(self._process, "pid", None) if pid is None else pid
            add_aftermath(error, self._aftermath, known if type(known) is int and known > 0 else None, show=show)

    def _new_lines(self) -> list[str]:
        """Lines on standard error that were not shown before."""
        text, self._seen = self._process.stderr_since(self._seen)
        return telling_lines(text)

    def _said(self) -> list[str]:
        """What it said last in words; what it said instead of a hello, if that is all."""
        chatter = printable(self.chatter.decode("utf-8", "replace"))
        return self._new_lines() or [line.strip() for line in chatter.splitlines() if line.strip()]
