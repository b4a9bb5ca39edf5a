"""Phones as the commands show them: what the adb server lists, and what this host knows of them. No phone is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.inventory.known import recall
from pytest_edgedevice.transports.adb.attached import attached, on_network, remedy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_edgedevice.transports.adb.states import AdbDevice
    from pytest_edgedevice.values import Fact


@dataclass(frozen=True, slots=True)
class Phones:
    """What the adb server lists now, by address: a serial number or ``host:port``."""

    listed: Mapping[str, AdbDevice]

    @classmethod
    def now(cls) -> Phones:
        """Ask a server that runs; where there is none, or no adbutils, none is listed, and ``doctor`` says why."""
        try:
            return cls({one.serial: one for one in attached(start=False)})
        except EdgeDeviceError:
            return cls({})

    def key_of(self, address: str) -> str:
        """Key of a phone's lease, as far as it is known without asking it; empty otherwise."""
        if known := recall(f"adb:{address}"):
            return known.identity
        # over USB a phone is known by the number that it has itself; emulators and networks give other names
        own = not on_network(address) and not address.startswith("emulator-")
        return f"android-{address}" if own and address in self.listed else ""

    def trouble_with(self, address: str) -> str:
        """Why it cannot be used now, and the remedy, to follow the word "is"; empty where nothing is known."""
        device = self.listed.get(address)
        if device is None:
            return ""
        state = device.said if device.said.startswith(device.state) else device.state
        return f"{state}: {remedy(device)}" if device.state != "device" else ""

    def facts_of(self, address: str) -> dict[str, Fact]:
        """What the server tells of it."""
        device = self.listed.get(address)
        told = device.properties if device else {}
        facts: dict[str, Fact] = {"adb": True, "name": f"adb:{address}"}
        if model := told.get("model"):
            facts["model"] = model.replace("_", " ")
        return facts

    def others(self, addresses: Collection[str]) -> Iterator[str]:
        """Addresses of phones that the device file does not name; of one that has two links the one over USB."""
        keys = {key for address in addresses if (key := self.key_of(address))}
        for address in sorted(self.listed, key=on_network):
            key = self.key_of(address)
            if address not in addresses and key not in keys:
                yield address
            if key:
                keys.add(key)
