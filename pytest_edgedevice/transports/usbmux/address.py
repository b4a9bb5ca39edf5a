"""Where usbmuxd is, read out of the environment as libusbmuxd reads it. Opens nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "USBMUXD_SOCKET_ADDRESS"
SOCKET = "/var/run/usbmuxd"
ITUNES = ("127.0.0.1", 27015)
"""Where Apple's own service listens on Windows."""
REMEDY = f"write {VARIABLE}=HOST:PORT or an absolute path, or unset it"
Address = tuple[str, int] | str
"""Host and port, or the path of a socket."""


def usbmuxd_address(environment: Mapping[str, str], *, system: str = sys.platform) -> tuple[Address, bool]:
    """Where usbmuxd is, and whether the environment says so.

    Raises:
        ValueError: The variable is no address.
    """
    said = environment.get(VARIABLE, "")
    if said:
        return _parsed(said), True
    return (ITUNES if system == "win32" else SOCKET), False


def shown(address: Address) -> str:
    """An address for people."""
    if isinstance(address, str):
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def start_hint(system: str = sys.platform) -> str:
    """How usbmuxd is brought to run on this system."""
    if system == "darwin":
        return "it is part of macOS: restart the Mac"
    if system == "win32":
        return "install Apple Devices or iTunes, and start the Apple Mobile Device Service"
    return "sudo apt install usbmuxd && sudo systemctl start usbmuxd"


def _parsed(said: str) -> Address:
    # libusbmuxd takes UNIX:PATH too, and pymobiledevice3 and go-ios do not: one spelling that serves all of them
    if said.startswith("/"):
        return said
    host, colon, port = said.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else 0
    if not colon or not host or said.startswith("UNIX:") or not 0 < number < 65536:
        raise ValueError(f"{VARIABLE} is {said[:80]!r}, which is neither HOST:PORT nor an absolute path")
    return host.strip("[]"), number
