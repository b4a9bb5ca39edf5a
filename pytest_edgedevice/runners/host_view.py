"""What this host can see of a device by its link alone, for runners that have no agent there to ask."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from pytest_edgedevice.agent import conditions
from pytest_edgedevice.errors import EdgeDeviceError

if TYPE_CHECKING:
    from pytest_edgedevice.transports.base import Transport
    from pytest_edgedevice.values import Fact

LOAD = "/proc/loadavg"


def is_emulated(link: Transport) -> bool:
    """Whether an emulator plays the device, so that its times say nothing."""
    return link.facts().get("emulated") is True


def conditions_there(link: Transport, *, timeout_s: float) -> dict[str, Fact]:
    """What may disturb a measurement now: all of it on this machine, elsewhere the load and what the link can ask."""
    if link.kind == "local":
        return {**conditions.conditions(), **link.conditions()}
    found: dict[str, Fact] = {"emulated": True} if is_emulated(link) else {}
    with contextlib.suppress(EdgeDeviceError, ValueError, IndexError):  # not told everywhere
        found["load_1min"] = float(link.run(["cat", LOAD], timeout_s=timeout_s).stdout.split()[0])
    return {**found, **link.conditions()}
