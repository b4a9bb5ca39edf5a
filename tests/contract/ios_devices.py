"""What tests of iPhones as devices share: the app's conversations from outside, and the end of them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from tests.contract.processes import descendants

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.iphone import App, Phone

PATIENCE_S = 30.0
PORT = 17341
UDID = "00008130-001A2B3C4D5E6F70"
IDENTITY = f"ios-{UDID.lower()}"
RUNNING: dict[str, Callable[[], object]] = {}
"""What a test that runs inside a test does to its surroundings."""
FOREIGN_TO_IOS = ("EDGEDEVICE_CONFIG", "EDGEDEVICE_RUNTIME", "PYMOBILEDEVICE3_USBMUX")


class AppAgents:
    """The processes in which an app holds models, one a conversation.

    Args:
        app: The app.
        phone: Where it is.
    """

    def __init__(self, app: App, phone: Phone) -> None:
        self._app = app
        self._phone = phone

    def count(self) -> int:
        """How many live; an app ends a conversation after the host has left, so those are given the time to."""
        port = int(self._phone.bus.address.rpartition(":")[2])
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self.living()) > self._phone.cable.clients(port) and time.monotonic() < deadline:
            time.sleep(0.01)
        return len(found)

    def kill(self) -> None:
        """End all of them, and wait until they are gone."""
        found = self.living()
        assert found, "there is no conversation to end"
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE_S
        while set(self.living()) & set(found):
            assert time.monotonic() < deadline, f"still there: {found}"
            time.sleep(0.01)

    def living(self) -> list[int]:
        """Their numbers."""
        return descendants(self._app.number)


def until_left(app: App) -> None:
    """Wait until nobody talks to the app, and nothing that was sent to it is left."""
    deadline = time.monotonic() + PATIENCE_S
    while descendants(app.number) or app.kept():
        assert time.monotonic() < deadline, f"still there: {descendants(app.number)}, {app.kept()}"
        time.sleep(0.02)


def catalog(*tables: str) -> Catalog:
    """A device file in the current folder, with these tables."""
    Path("edgedevice.toml").write_text("\n".join(tables), encoding="utf-8")
    return Catalog(load_inventory(Path.cwd()))


def table(name: str, *lines: str, udid: str = UDID) -> str:
    """The table of an iPhone in a device file."""
    return "\n".join([f"[devices.{name}]", f'spec = "ios:{udid}"', *lines]) + "\n"
