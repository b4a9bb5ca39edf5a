"""What is attached, as the adb server lists it: looked at before any device is connected to."""

from __future__ import annotations

import os
import re
import socket
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.transports.adb.address import server_address
from pytest_edgedevice.transports.adb.states import unusable

if TYPE_CHECKING:
    from pytest_edgedevice.transports.adb.states import AdbDevice

KNOCK_S = 1.0
ANSWER_S = 5.0
START_S = 25.0
"""How long to wait for the adb server, seconds: one that may run, one that does, and one that has to be started."""
_NETWORK = re.compile(r".+:\d{1,5}|.+\._adb.*")


def attached(*, start: bool = True) -> list[AdbDevice]:
    """Whatever the adb server lists, in whatever state.

    Args:
        start: Start the server if it should be on this machine and does not run; otherwise nothing is attached then.

    Raises:
        MissingExtraError: adbutils is not installed.
        TransportError: There is no server, and why.
        DeadlineError: It does not answer in time.
    """
    if not start and not is_served():  # before adbutils is imported, which takes longer than all else
        return []
    from pytest_edgedevice.transports.adb.server import AdbServer

    server = AdbServer()
    if start:
        server.start(deadline=time.monotonic() + START_S)
    return server.devices(deadline=time.monotonic() + ANSWER_S)


def on_network(serial: str) -> bool:
    """Whether a link to a phone goes over a network, ``host:port`` or a name that was paired, and not over USB."""
    return bool(_NETWORK.fullmatch(serial))


def remedy(device: AdbDevice) -> str:
    """What to do so that a phone can be used; empty for one that can."""
    return "" if device.state == "device" else unusable(device.serial, device.state, said=device.said).hint


def is_served() -> bool:
    """Whether somebody listens where the adb server should be."""
    try:
        address = server_address(os.environ)[0]
        if not isinstance(address, str):
            socket.create_connection(address, KNOCK_S).close()
            return True
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(KNOCK_S)
            door.connect(address)
            return True
    except (OSError, ValueError):
        return False
