"""iPhones as the commands show them: what usbmuxd lists. No phone is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.transports.usbmux.sockets import is_served
from pytest_edgedevice.transports.usbmux.udid import identity, plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_edgedevice.transports.usbmux.attached import Attached
    from pytest_edgedevice.values import Fact


@dataclass(frozen=True, slots=True)
class Iphones:
    """What usbmuxd lists now, by number in plain spelling; None where nobody could be asked."""

    listed: Mapping[str, Attached] | None

    @classmethod
    def now(cls) -> Iphones:
        """Ask a usbmuxd that runs; where there is none, or no pymobiledevice3, ``doctor`` says why."""
        if not is_served():  # before pymobiledevice3 is imported, which takes longer than all else
            return cls(None)
        from pytest_edgedevice.transports.usbmux.transport import list_devices

        try:
            return cls({plain(one.udid): one for one in list_devices()})
        except EdgeDeviceError:
            return cls(None)

    def key_of(self, address: str) -> str:
        """Key of a phone's lease, which its number tells; empty where there is none."""
        return identity(address) if address else ""

    def trouble_with(self, address: str) -> str:
        """Why it cannot be used now, to follow the word "is"; empty where nothing is known."""
        if self.listed is None or not address or plain(address) in self.listed:
            return ""
        return "not attached: plug it in, unlock it and tap Trust"

    def facts_of(self, address: str) -> dict[str, Fact]:
        """What usbmuxd tells of it."""
        facts: dict[str, Fact] = {"ios": True, "name": f"ios:{address}" if address else "ios"}
        if one := (self.listed or {}).get(plain(address)):
            facts["link"] = one.link
        return facts

    def others(self, addresses: Collection[str]) -> Iterator[str]:
        """Numbers of phones that the device file does not name."""
        named = {plain(address) for address in addresses}
        for number, one in (self.listed or {}).items():
            if number not in named:
                yield one.udid
