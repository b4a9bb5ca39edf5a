"""How an app on a device is reached: its port, and where nobody listens there, the command that opens the app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import AgentDiedError, DeadlineError, PortRefusedError, TransportError
from pytest_edgedevice.runners.aftermath import aftermath_of
from pytest_edgedevice.runners.app.starting import StartCommand, filled
from pytest_edgedevice.runners.client import AgentClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.runners.backend import Site

SILENT_S = 10.0
"""How long an app may keep silent that we can open ourselves: iOS takes connections for one that it has suspended."""
AGAIN_S = 0.2
READY_S = 10.0


class App:
    """Where an app listens on a device, and how it is opened there.

    Args:
        port: On the device's own loopback.
        start: The command that opens it; empty where somebody does so by hand.
        start_timeout_s: How long it may take to answer once that command runs, seconds.
        bundle: Its bundle identifier; may be empty.
    """

    def __init__(self, port: int, *, start: Sequence[str], start_timeout_s: float, bundle: str) -> None:
        self._port = port
        self._start = tuple(start)
        self._start_timeout_s = start_timeout_s
        self._bundle = bundle
        self._command: StartCommand | None = None
        filled(self._start, {"udid": "-", "port": str(port), "bundle": bundle})  # what is missing is told at once

    def connect(self, site: Site, *, timeout_s: float, alone: bool = True) -> AgentClient:
        """Begin a conversation, and open the app for it if need be.

        Args:
            site: Where it runs.
            timeout_s: How long an app that is open may take to say hello, seconds.
            alone: Whether no conversation of ours is open already, which an app may have to end first.

        Raises:
            PortRefusedError: Nobody listens, and there is no command; what to open is in the hint.
            ConfigError: The command cannot be started.
            InfraError: The app did not answer, with or without the command; what that said is in the message.
        """
        opens = bool(self._start) and alone
        try:
            return self.greeted(site, timeout_s=min(timeout_s, SILENT_S) if opens else timeout_s)
        except PortRefusedError as error:
            if not self._start:
                raise PortRefusedError(f"{site.name}: {error.message}", hint=self._by_hand()) from None
        except DeadlineError:
            if not opens:
                raise
        return self._opened(site)

    def end(self) -> None:
        """End the command, if it runs still."""
        if self._command is not None:
            self._command.end()
            self._command = None

    def _by_hand(self) -> str:
        app = f"the app {self._bundle}" if self._bundle else "the app"
        return (
            f"unlock the phone and open {app} there, which listens on port {self._port}; or give the device's table in"
            " edgedevice.toml a command that opens it: start = [...]"
        )

    def greeted(self, site: Site, *, timeout_s: float) -> AgentClient:
        """Begin a conversation with an app that is open.

        Raises:
            PortRefusedError: Nobody listens.
            InfraError: The app did not say hello in time, or the world failed.
        """
        deadline = time.monotonic() + timeout_s
        aftermath = aftermath_of(site.link)
        process = site.link.open_port(self._port, timeout_s=timeout_s)
        left_s = max(deadline - time.monotonic(), 0.001)
        return AgentClient(process, where=site.name, timeout_s=left_s, aftermath=aftermath, app=True)

    def _opened(self, site: Site) -> AgentClient:
        """Run the command, then connect until hello or deadline."""
        deadline = time.monotonic() + self._start_timeout_s
        self.end()
        site.link.ready_to_launch(timeout_s=min(READY_S, self._start_timeout_s))
        udid = str(site.link.facts().get("udid", ""))
        values = {"udid": udid, "port": str(self._port), "bundle": self._bundle}
        command = self._command = StartCommand(filled(self._start, values))
        try:
            return self._awaited(site, command, deadline)
        except BaseException:
            self.end()
            raise

    def _awaited(self, site: Site, command: StartCommand, deadline: float) -> AgentClient:
        """Connect until hello or deadline, or until the command has failed."""
        why: PortRefusedError | AgentDiedError | DeadlineError
        while True:
            status = command.status
            try:
                return self.greeted(site, timeout_s=max(deadline - time.monotonic(), 0.001))
            except (PortRefusedError, AgentDiedError, DeadlineError) as error:
                why = error  # it is not there yet, or was ended to begin anew
            if status or time.monotonic() + AGAIN_S >= deadline:
                raise self._unopened(site, command, why.message)
            time.sleep(AGAIN_S)

    def _unopened(self, site: Site, command: StartCommand, why: str) -> TransportError | DeadlineError:
        told = command.told()
        if command.status:
            return TransportError(
                f"{site.name}: the app could not be opened; {told}", hint="run that command by hand until it works"
            )
        return DeadlineError(
            f"{site.name}: the app did not say hello within {self._start_timeout_s:g} s after it was opened"
            f" ({why.splitlines()[0]}); {told}",
            hint=f"does the app listen on port {self._port}? raise 'start_timeout_s' if it only needs longer",
        )
