"""Contracts that every transport, every agent and every device must keep, as test classes.

Whoever adds one subclasses the contract as ``Test...`` and gives the fixtures it
asks for; our own ones live by the same classes. Devices need a POSIX shell, or a program that listens on a port.
Knows interfaces, transports, the wire and runners; nothing of pytest but its fixtures.
"""

from __future__ import annotations

from pytest_edgedevice.testing.adding import StartAgent
from pytest_edgedevice.testing.agent import AgentContract
from pytest_edgedevice.testing.device import DeviceContract
from pytest_edgedevice.testing.links import PortContract
from pytest_edgedevice.testing.surroundings import Agents, OpenDevice
from pytest_edgedevice.testing.transport import TransportContract

__all__ = [
    "AgentContract",
    "Agents",
    "DeviceContract",
    "OpenDevice",
    "PortContract",
    "StartAgent",
    "TransportContract",
]
