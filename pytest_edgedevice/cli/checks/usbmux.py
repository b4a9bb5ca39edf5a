"""usbmuxd, through which iPhones are reached: asked for its devices over its socket."""

from __future__ import annotations

import os
import plistlib
import struct
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.checks.peers import Address, Peer, PeerError
from pytest_edgedevice.cli.iphones import Iphones
from pytest_edgedevice.transports.usbmux.address import REMEDY, VARIABLE, shown, start_hint, usbmuxd_address
from pytest_edgedevice.transports.usbmux.udid import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory

ANSWER_S = 3.0
HEADER = struct.Struct("<IIII")  # length with the header, version, message, tag
PLIST_VERSION, PLIST_MESSAGE, TAG = 1, 8, 1
MOST_BYTES = 1 << 20


def check_usbmux(_: Inventory) -> Iterator[Finding]:
    """Whether it answers where the environment says, or at the usual place; the extra need not be installed."""
    try:
        address, said = usbmuxd_address(os.environ)
    except ValueError as error:
        yield Finding("usbmux", "wrong", str(error), REMEDY)
        return
    where = f"usbmuxd at {shown(address)}" + (f" ({VARIABLE} says so)" if said else "")
    try:
        count = _devices(address)
    except PeerError as error:
        yield Finding("usbmux", "wrong", f"{where} {error}", "sudo systemctl restart usbmuxd")
    except (ConnectionRefusedError, FileNotFoundError):
        yield Finding("usbmux", "wrong" if said else "missing", f"{where} does not run", start_hint())
    except OSError as error:
        yield Finding("usbmux", "wrong", f"{where} cannot be reached: {error.strerror or error}", start_hint())
    else:
        yield Finding("usbmux", "ok", f"{where} answers and sees {count} device{'' if count == 1 else 's'}")


def check_iphones(inventory: Inventory) -> Iterator[Finding]:
    """Each phone that a running usbmuxd lists; no phone is asked."""
    names = {plain(entry.spec.address): entry.name for entry in inventory.devices.values() if entry.spec.kind == "ios"}
    for number, phone in (Iphones.now().listed or {}).items():
        name = names.get(number, f"ios:{phone.udid}")
        link = "USB" if phone.link == "USB" else "the network"
        yield Finding("iphone", "ok", f"ios:{phone.udid} is attached, over {link}", f"edgedevice doctor {name}")


def _devices(address: Address) -> int:
    request = plistlib.dumps(
        {"MessageType": "ListDevices", "ClientVersionString": "edgedevice doctor", "ProgName": "edgedevice"}
    )
    with Peer(address, timeout_s=ANSWER_S) as peer:
        peer.ask(HEADER.pack(HEADER.size + len(request), PLIST_VERSION, PLIST_MESSAGE, TAG) + request)
        length, version, message, _ = HEADER.unpack(peer.take(HEADER.size))
        if (version, message) != (PLIST_VERSION, PLIST_MESSAGE) or not HEADER.size <= length <= MOST_BYTES:
            raise PeerError("is none: it answers something else than a property list of at most 1 MiB")
        content = peer.take(length - HEADER.size)
    devices = _plist(content).get("DeviceList")
    if not isinstance(devices, list):
        raise PeerError("lists no devices in its answer")
    return len(devices)


def _plist(content: bytes) -> dict[str, Any]:
    try:
        found = plistlib.loads(content, fmt=plistlib.FMT_XML)
    except (ValueError, TypeError, LookupError, ExpatError, RecursionError, OverflowError, AttributeError):
        found = None
    if not isinstance(found, dict):
        raise PeerError("is none: its answer is no property list")
    return found
