"""Services that lockdownd starts, as far as they tell of the battery and of developer mode."""

from __future__ import annotations

import plistlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.peers.iphone.frames import Plist, plist_frame, read_plist
from tests.peers.iphone.pairing import phones_side
from tests.peers.iphone.values import power_source

if TYPE_CHECKING:
    import socket

    from tests.peers.iphone.phone import Phone

Answer = Callable[["Phone", str, Plist], Plist]
FAREWELLS = ("Goodbye", "Hangup")


def serve(answer: Answer, phone: Phone, computer: dict[str, Any], connection: socket.socket) -> None:
    """Answer under TLS until the other end leaves or has said goodbye."""
    with phones_side(computer, phone.key).wrap_socket(connection.dup(), server_side=True) as secret:
        request = ""
        while request not in FAREWELLS:
            asked = read_plist(secret)
            request = str(asked.get("Request", asked.get("Command")))
            if request in phone.faults:
                return phone.faults[request](secret, plist_frame)
            secret.sendall(plist_frame(plistlib.dumps(answer(phone, request, asked))))
    return None


def diagnostics(phone: Phone, request: str, asked: Plist) -> Plist:
    """The battery, as the registry of the kernel's devices knows it."""
    registry = power_source(phone)
    if request == "IORegistry":
        is_battery = "IOPMPowerSource" in (asked.get("EntryClass"), asked.get("EntryName"))
        return {"Status": "Success", "Diagnostics": {"IORegistry": registry} if is_battery else {}}
    if request in {"All", "GasGauge"}:
        names = {"CycleCount": "CycleCount", "DesignCapacity": "DesignCapacity", "FullChargeCapacity": "MaxCapacity"}
        gauge = {name: registry[source] for name, source in names.items()}
        return {"Status": "Success", "Diagnostics": {"GasGauge": {"Status": "Success", **gauge}}}
    if request == "MobileGestalt":
        return {"Status": "Success", "Diagnostics": {"MobileGestalt": {"Status": "MobileGestaltDeprecated"}}}
    return {"Status": "Success" if request == "Goodbye" else "UnknownRequest"}


def image_mounter(phone: Phone, request: str, _asked: Plist) -> Plist:
    """Developer mode, as who mounts the developer's disk image asks for it."""
    if request == "QueryDeveloperModeStatus":
        return {"DeveloperModeStatus": phone.developer_mode, "Status": "Complete"}
    return {"Status": "Complete" if request == "Hangup" else "UnknownCommand"}


SERVICES: dict[str, Answer] = {
    "com.apple.mobile.diagnostics_relay": diagnostics,
    "com.apple.mobile.mobile_image_mounter": image_mounter,
}
