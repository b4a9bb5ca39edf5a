"""What tests of phones as devices share: their table in a device file, and their agents as seen from outside."""

from __future__ import annotations

import functools
import platform
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from tests.native.builds import agent_of
from tests.native.conftest import tflite_library

if TYPE_CHECKING:
    from tests.phones import AdbServer, Phone

PATIENCE_S = 30.0
RUNNING: dict[str, Phone] = {}
"""Phones by serial number, for tests that run inside a test."""
AGENTS: dict[str, PhoneAgents] = {}
"""Their agents, likewise."""


@functools.cache
def agent() -> Path:
    """The native agent for phones that are made of this machine's processor and C library."""
    return agent_of().path


def table(name: str, phone: Phone, *lines: str) -> str:
    """The table of a phone in a device file; it runs models by the library that apps ship."""
    ours = [
        f'spec = "adb:{phone.address}"',
        f'agent = "{agent()}"',
        f'runtime = "{tflite_library(platform.machine())}"',
    ]
    return "\n".join([f"[devices.{name}]", *ours, *lines]) + "\n"


def catalog(*tables: str) -> Catalog:
    """A device file in the current folder, with these tables."""
    Path("edgedevice.toml").write_text("\n".join(tables), encoding="utf-8")
    return Catalog(load_inventory(Path.cwd()))


class PhoneAgents:
    """Native agents on a phone."""

    def __init__(self, server: AdbServer, phone: Phone) -> None:
        self._server = server
        self._phone = phone

    def count(self) -> int:
        """How many live."""
        return len(self.living())

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End all of them by a signal, and wait until they are gone."""
        found = self.living()
        assert found, "there is no agent to kill"
        self._server.adb("-s", self._phone.address, "shell", "kill", f"-{number:d}", *map(str, found))
        deadline = time.monotonic() + PATIENCE_S
        while set(self.living()) & set(found):
            assert time.monotonic() < deadline, f"still there: {found}"
            time.sleep(0.01)

    def living(self) -> list[int]:
        """Their numbers, as the phone counts."""
        return [pid for pid, words in self._phone.processes().items() if "--wipe" in words.split()]


def until_gone(phone: Phone) -> None:
    """Wait until nothing of ours runs on a phone, and nothing but the lock lies there."""
    deadline = time.monotonic() + PATIENCE_S
    while (files := set(phone.files()) - {"edgedevice.lock"}) or phone.processes():
        assert time.monotonic() < deadline, f"still there: {files}, {phone.processes()}"
        time.sleep(0.02)
