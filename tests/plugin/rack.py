"""Devices of one machine that look like many, and can be switched off: a conftest for tests that run pytest.

``NAME.down`` in the current folder holds the number of connections that the device NAME still
refuses, after which it is back; ``NAME.identity`` holds what it calls itself from then on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFTEST = """
from pathlib import Path
import pytest
from pytest_edgedevice.errors import DeviceLostError, TransportError
from pytest_edgedevice.transports.local import LocalTransport, local_facts

class Rack(LocalTransport):
    def __init__(self, name, facts):
        self.name, self.own = name, facts
        down = Path(f"{name}.down")
        if down.exists():
            left = int(down.read_text())
            down.write_text(str(left - 1)) if left else down.unlink()
            raise TransportError(f"{name} does not answer")
        super().__init__()
    def identity(self):
        own = Path(f"{self.name}.identity")
        return own.read_text() if own.exists() else f"serial-{self.name}"
    def facts(self):
        return {**local_facts(), "local": False, **self.own}
    def _check_open(self):
        super()._check_open()
        if Path(f"{self.name}.down").exists():
            raise DeviceLostError(f"{self.name} was unplugged")

def pytest_edgedevice_devices(config):
    racks = RACKS
    return {name: (lambda name=name, facts=facts: Rack(name, facts)) for name, facts in racks.items()}
"""


def conftest(**racks: Mapping[str, object]) -> str:
    """Source of a conftest that contributes these devices, name to facts."""
    return CONFTEST.replace("RACKS", repr(racks))
