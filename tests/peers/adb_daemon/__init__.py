"""A phone's end of adb that goes wrong on purpose, and an adb server that lies.

Both on free loopback ports away from 5555 to 5585, where every adb server of this machine looks for emulators.
"""

from __future__ import annotations

from tests.peers.adb_daemon.faults import Faults
from tests.peers.adb_daemon.hostile_server import LIES, HostileServer, Lie
from tests.peers.adb_daemon.phone import FaultyPhone

__all__ = ["LIES", "Faults", "FaultyPhone", "HostileServer", "Lie"]
