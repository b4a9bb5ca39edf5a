"""Models in an app that listens on a port of the device."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import AgentDiedError, DeadlineError, EdgeDeviceError
from pytest_edgedevice.runners.agent_loading import check_taken, load_there
from pytest_edgedevice.runners.app.connecting import App
from pytest_edgedevice.runners.app.uploading import upload
from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.transports.base import Pushed

APP_PORT = 17341
"""Where an app listens that was told nothing else."""
START_TIMEOUT_S = 60.0
LEAVE_S = 5.0
"""How long an app may take to answer that is asked to remove what it keeps, seconds."""


class AppRunner(Runner):
    """Speaks the wire with an app on the device; each model is a connection of its own.

    Args:
        port: Where the app listens, on the device's own loopback.
        start: A command of this host that opens the app, as arguments without a shell; ``{udid}``, ``{bundle}`` and
            ``{port}`` in them are filled in. Empty where somebody opens it by hand.
        start_timeout_s: How long the app may take to answer once that command runs, seconds.
        bundle: The app's bundle identifier, for the command and for messages.
        engine: Engine to use where none is asked for; empty for the app's own choice.

    Raises:
        ConfigError: The command wants what is not told.
    """

    name = "app"
    load_patience = 10
    """A compiler for an accelerator may take minutes, on the device itself."""

    def __init__(
        self,
        *,
        port: int = APP_PORT,
        start: Sequence[str] = (),
        start_timeout_s: float = START_TIMEOUT_S,
        bundle: str = "",
        engine: str = "",
    ) -> None:
        self._app = App(port, start=start, start_timeout_s=start_timeout_s, bundle=bundle)
        self._engine = engine
        self._keeps = False
        self._loaded: list[tuple[AgentClient, str]] = []

    def load(self, site: Site, request: LoadRequest) -> LoadedModel:
        """See ``Runner``."""
        client = self._connect(site)
        try:
            check_taken(client, site, request)
            pushed = self._upload(client, site, request.source, timeout_s=site.timeout_s)
            model = load_there(client, site, request, pushed=pushed, engine=request.engine or self._engine)
        except BaseException:
            client.close()
            raise
        self._loaded.append((client, request.source.name))
        return model

    def push(self, site: Site, source: Path, *, timeout_s: float) -> Pushed:
        """See ``Runner``; an app may keep what comes for as long as the conversation only."""
        client = self._connect(site)
        try:
            return self._upload(client, site, source, timeout_s=timeout_s)
        finally:
            client.close()

    def check(self, site: Site) -> None:
        """See ``Runner``: the app answers; what a holder that crashed left there is removed."""
        self._connect(site).close(wipe=True)

    def close(self, site: Site) -> None:
        """See ``Runner``: the app removes the models, and the command that opened it is ended."""
        with contextlib.suppress(EdgeDeviceError):
            if self._keeps:
                self._app.greeted(site, timeout_s=LEAVE_S).close(wipe=True)
        self._keeps = False
        self._app.end()

    def _upload(self, client: AgentClient, site: Site, source: Path, *, timeout_s: float) -> Pushed:
        self._keeps = True  # also what is there before half of it came
        return upload(client, source, timeout_s=timeout_s, told=site.link.on_progress)

    def _connect(self, site: Site) -> AgentClient:
        """Begin a conversation; where one of ours is open already, that may be why it cannot begin."""
        self._loaded = [(client, name) for client, name in self._loaded if not client.dead]
        others = " and ".join(repr(name) for _, name in self._loaded[:3])
        try:
            return self._app.connect(site, timeout_s=site.timeout_s, alone=not self._loaded)
        except (AgentDiedError, DeadlineError) as error:
            if not others:
                raise
            raise type(error)(
                f"{error.message}; {others} is loaded there, and an app may serve one conversation at a time",
                hint="close that model before the next is loaded",
            ) from None
