"""The keys of a phone's table that say how its app is reached, and how it is opened."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.inventory.tables import TableReader, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

KEYS = ("port", "start", "bundle", "start_timeout_s")
LINKS = ("ios",)
"""Kinds of links by which a port of an app is reached."""
MOST_START_S = 3600
_BUNDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,254}")


@dataclass(frozen=True, slots=True)
class App:
    """The user's own app on a phone.

    Attributes:
        port: Where it listens, on the phone's own loopback; None for the usual one.
        start: A command of this host that opens it, as arguments without a shell; empty where it is opened by hand.
        bundle: Its bundle identifier, for that command.
        start_timeout_s: How long it may take to answer once that command runs, seconds; None for the usual time.
    """

    port: int | None = None
    start: tuple[str, ...] = ()
    bundle: str = ""
    start_timeout_s: float | None = None


class AppReader(TableReader):
    """Reads these keys of a device's table.

    Args:
        where: File and table path, the beginning of every error text.
        table: The device's whole table.
        kind: What links to the device.
    """

    def __init__(self, where: str, table: Mapping[str, Any], *, kind: str) -> None:
        super().__init__(where, table)
        self._kind = kind

    def read(self) -> App:
        """Check everything.

        Raises:
            ConfigError: A value is wrong, or the device has no app.
        """
        self._check_link()
        start = self._texts("start")
        if "start" in self._table and (not start or not start[0]):
            self._fail("start names no program", 'write start = ["pymobiledevice3", "developer", ...]')
        return App(self._port(), start, self._bundle(), self._start_timeout_s())

    def _check_link(self) -> None:
        if self._kind in LINKS:
            return
        if self._table.get("runner") == "app":
            self._fail(
                f"has the runner 'app', and no app is reached over {self._kind}",
                'an app is a phone\'s: spec = "ios:UDID"; leave the line out',
            )
        if given := [key for key in KEYS if key in self._table]:
            self._fail(
                f"has {given[0]!r}, which is for apps on iPhones, and is reached over {self._kind}",
                f'leave {given[0]} out, or write spec = "ios:UDID"',
            )

    def _port(self) -> int | None:
        port = self._table.get("port")
        if port is None:
            return None
        if type(port) is not int or not 0 < port < 65536:
            shown = repr(port) if type(port) in (int, float) else kind_of(port)
            self._fail(f"port is {shown:.80}, not a whole number from 1 to 65535", "write port = 17341")
        return port

    def _bundle(self) -> str:
        bundle = self._text("bundle") or ""
        if bundle and not _BUNDLE.fullmatch(bundle):
            self._fail(f"bundle {bundle[:80]!r} is no bundle identifier", 'write bundle = "com.example.EdgeAgent"')
        return bundle

    def _start_timeout_s(self) -> float | None:
        limit = self._table.get("start_timeout_s")
        if limit is None:
            return None
        if type(limit) not in (int, float) or not math.isfinite(limit) or not 0 < limit <= MOST_START_S:
            shown = repr(limit) if type(limit) in (int, float) else kind_of(limit)
            self._fail(
                f"start_timeout_s is {shown:.80}, not a number of seconds up to {MOST_START_S}",
                "write start_timeout_s = 60",
            )
        if "start" not in self._table:
            self._fail("has 'start_timeout_s' and nothing that starts", "add start = [...], or leave the line out")
        return float(limit)
