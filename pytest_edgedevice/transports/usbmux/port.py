"""A program that runs on a phone already, reached by a port: a stream and nothing beside it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_edgedevice.transports.base import Process
from pytest_edgedevice.transports.forked import hold, release
from pytest_edgedevice.transports.pipes import PipeStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.errors import TransportError

MOST_WAIT_S = 0.2
"""There is no exit status to wait for; whoever asks in a loop finds no reason to spin."""


class PortProcess(Process):
    """An app at the other end of a connection.

    Args:
        descriptor: The connection; owned from here on.
        why: Asks the link why a stream ended, within so many seconds.
    """

    def __init__(self, descriptor: int, *, why: Callable[[float], TransportError | None]) -> None:
        self.stream: PipeStream = PipeStream(descriptor, descriptor)
        self._why = why
        self._killed = False
        hold(self, frozenset({descriptor}))

    def wait(self, *, timeout_s: float) -> int | None:
        """See the base class: nobody tells an app's exit status here."""
        time.sleep(min(max(timeout_s, 0), MOST_WAIT_S))
        return None

    def stderr_since(self, mark: int) -> tuple[str, int]:
        """See the base class: its standard error stays on the phone."""
        return "", mark

    def why_ended(self, *, timeout_s: float) -> TransportError | None:
        """See the base class: usbmuxd knows whether the phone is there still."""
        return self._why(timeout_s)

    def kill(self) -> None:
        """See the base class: it ends the conversation, and the app goes on."""
        self._killed = True
        release(self)
        self.stream.close()

    @property
    def killed(self) -> bool:
        """Whether ``kill`` was called, and everything of it released."""
        return self._killed
