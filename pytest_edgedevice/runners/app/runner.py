"""Models in an app that listens on a port of the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.runners.backend import LoadRequest, Runner, Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.runners.loaded import LoadedModel

APP_PORT = 17341
"""Where an app listens that was told nothing else."""
START_TIMEOUT_S = 60.0


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

    def __init__(
        self,
        *,
        port: int = APP_PORT,
        start: Sequence[str] = (),
        start_timeout_s: float = START_TIMEOUT_S,
        bundle: str = "",
        engine: str = "",
    ) -> None:
        self._port = port
        self._start = tuple(start)
        self._start_timeout_s = start_timeout_s
        self._bundle = bundle
        self._engine = engine

    def load(self, site: Site, request: LoadRequest) -> LoadedModel:
        """See ``Runner``."""
        raise NotImplementedError

    def check(self, site: Site) -> None:
        """See ``Runner``."""
        raise NotImplementedError
