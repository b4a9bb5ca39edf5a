"""diagnostics_relay, a service that lockdownd starts: the battery, as the kernel's devices know it."""

from __future__ import annotations

import plistlib
from typing import TYPE_CHECKING, Any

from tests.peers.iphone.frames import Plist, plist_frame, read_plist
from tests.peers.iphone.pairing import phones_side
from tests.peers.iphone.values import power_source

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.peers.iphone.phone import Phone


def serve_diagnostics(phone: Phone, computer: dict[str, Any], connection: socket.socket) -> None:
    """Answer under TLS until the other end leaves."""
    with phones_side(computer, phone.key).wrap_socket(connection.dup(), server_side=True) as secret:
        request = ""
        while request != "Goodbye":
            asked = read_plist(secret)
            request = str(asked.get("Request"))
            if request in phone.faults:
                return phone.faults[request](secret, plist_frame)
            secret.sendall(plist_frame(plistlib.dumps(_answer(phone, request, asked))))
    return None


def _answer(phone: Phone, request: str, asked: Plist) -> Plist:
    registry = power_source(phone)
    if request == "IORegistry":
        is_battery = asked.get("EntryClass") == "IOPMPowerSource"
        return {"Status": "Success", "Diagnostics": {"IORegistry": registry} if is_battery else {}}
    if request in {"All", "GasGauge"}:
        names = {"CycleCount": "CycleCount", "DesignCapacity": "DesignCapacity", "FullChargeCapacity": "MaxCapacity"}
        gauge = {name: registry[source] for name, source in names.items()}
        return {"Status": "Success", "Diagnostics": {"GasGauge": {"Status": "Success", **gauge}}}
    if request == "MobileGestalt":
        return {"Status": "Success", "Diagnostics": {"MobileGestalt": {"Status": "MobileGestaltDeprecated"}}}
    return {"Status": "Success" if request == "Goodbye" else "UnknownRequest"}


SERVICES: dict[str, Callable[[Phone, dict[str, Any], socket.socket], None]] = {
    "com.apple.mobile.diagnostics_relay": serve_diagnostics,
}
