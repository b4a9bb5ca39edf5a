"""What adb says about devices that cannot be used, and the remedy for each. Pure text; opens nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceLostError, DeviceNotFoundError, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_SHOWN = 8
_STATES = "device|offline|unauthorized|authorizing|connecting|bootloader|recovery|rescue|sideload|host|detached|unknown"
_KEYS = "product|model|device|features|transport_id"
_LINE = re.compile(
    rf"(?P<serial>\S.*?)\s+(?P<state>{_STATES}|no permissions.*?)(?P<more>(?:\s+\S+)??(?:\s+(?:{_KEYS}):\S*)*)\s*"
)
_REMEDIES = {
    "unauthorized": "accept the USB debugging dialog on the phone, then run: edgedevice list",
    "authorizing": "unlock the phone and accept the USB debugging dialog",
    "connecting": "wait a moment and try again",
    "offline": "unplug it and plug it in again, or: adb reconnect offline; a phone that is starting needs a minute",
    "no permissions": "add a udev rule and the group plugdev: sudo apt install android-sdk-platform-tools-common",
    "bootloader": "start its system: fastboot reboot",
    "recovery": "start its system: adb reboot",
    "rescue": "start its system: adb reboot",
    "sideload": "start its system: adb reboot",
    "absent": "see what is attached: edgedevice list; is its cable in, and USB debugging on?",
}


@dataclass(frozen=True, slots=True)
class AdbDevice:
    """A device as the adb server lists it.

    Attributes:
        serial: What the server calls this link to it: a serial number, or ``host:port``.
        state: ``device`` when it can be used; else ``offline``, ``unauthorized``, ``no permissions`` ...
        properties: ``product``, ``model``, ``device``, ``transport_id``, ``usb``, as far as told.
        said: The state in the server's own words.
    """

    serial: str
    state: str
    properties: Mapping[str, str] = field(default_factory=dict)
    said: str = ""

    def __str__(self) -> str:
        model = self.properties.get("model", "").replace("_", " ")
        return f"{self.serial} {self.state}" + (f" ({model})" if model else "")


def parsed(listing: str) -> list[AdbDevice]:
    """Read the server's list; lines that are none are left out."""
    found = []
    for line in listing.splitlines():
        clean = "".join(char if char.isprintable() else " " for char in line[:1000]).strip()
        match = _LINE.fullmatch(clean)
        if match:
            said = match["state"]
            state = "no permissions" if said.startswith("no permissions") else said
            found.append(AdbDevice(match["serial"], state, _properties(match["more"]), said))
        elif len(words := clean.split()) >= 2:
            found.append(AdbDevice(words[0], words[1], {}, words[1]))
    return found


def _properties(text: str) -> dict[str, str]:
    pairs = (word.partition(":") for word in text.split())
    return {name: value for name, colon, value in pairs if colon and value}


def chosen(devices: Sequence[AdbDevice], serial: str, *, server: str) -> AdbDevice:
    """The device that is meant, and that can be used.

    Args:
        devices: What the server lists.
        serial: Which of them; empty for the only one.
        server: Where the server is, for messages.

    Raises:
        DeviceNotFoundError: There is no such device, or more than one.
        TransportError: It cannot be used; the hint says what to do.
    """
    if serial:
        named = [one for one in devices if one.serial == serial]
    else:
        named = [one for one in devices if one.state == "device"] or list(devices)
    if not named:
        what = f"no device {serial!r}" if serial else "no device"
        raise DeviceNotFoundError(f"{what} on {server}. adb sees: {listed(devices)}", hint=_REMEDIES["absent"])
    if len(named) > 1:
        raise DeviceNotFoundError(
            f"{len(named)} devices on {server}, and none was named. adb sees: {listed(devices)}",
            hint=f"name one, e.g. adb:{named[0].serial}",
        )
    if named[0].state != "device":
        raise unusable(named[0].serial, named[0].state, said=named[0].said)
    return named[0]


def listed(devices: Sequence[AdbDevice]) -> str:
    """Devices on one line."""
    shown = [str(one) for one in devices[:MOST_SHOWN]]
    more = [f"and {len(devices) - MOST_SHOWN} more"] if len(devices) > MOST_SHOWN else []
    return ", ".join([*shown, *more]) or "nothing"


def unusable(serial: str, state: str, *, said: str = "") -> TransportError:
    """The error for a device in a state in which it cannot be used."""
    text = said if said.startswith(state) else state
    hint = _REMEDIES.get(state, "see: adb devices -l")
    return TransportError(f"adb device {serial!r} cannot be used: it is {_worded(text)}", hint=hint)


def printable(text: str) -> str:
    """What a device or a server says, for a message: on one line, and nothing that a terminal would obey."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def refused(serial: str, reason: str, *, server: str) -> TransportError | DeviceNotFoundError:
    """The error for what the server says when it does not open a device or a service on it."""
    low = reason.lower()
    for state in ("unauthorized", "authorizing", "connecting", "offline", "no permissions"):
        if state in low or (state == "no permissions" and "insufficient permissions" in low):
            return unusable(serial, state)
    first = printable(reason.strip().partition("\n")[0][:1000])[:200] or "it gave no reason"
    if "not found" in low or "no devices" in low:
        return DeviceNotFoundError(f"no device {serial!r} on {server}: {first}", hint=_REMEDIES["absent"])
    return TransportError(f"adb device {serial!r} on {server} refused: {first}")


def lost(serial: str, state: str, *, what: str) -> DeviceLostError:
    """The error for a device that was there.

    Args:
        serial: Which.
        state: What the server says of it now; ``absent``, or empty when the server does not answer.
        what: How it was noticed, a clause.
    """
    if not state:
        return DeviceLostError(
            f"adb device {serial!r} is lost: {what}; the adb server does not answer",
            hint="somebody ended the adb server (adb kill-server?); it is started again with: adb start-server",
        )
    if state == "device" and what.startswith("no sign of life"):
        return DeviceLostError(
            f"adb device {serial!r} is lost: {what}, and adb has not noticed yet",
            hint="is it stuck, or asleep? wake it up, or restart it: adb reboot",
        )
    if state == "device":
        return DeviceLostError(
            f"adb device {serial!r} is lost: {what}; adb lists it again, or still: "
            "it was restarted or plugged in again, or it cut this connection alone",
            hint="try another cable or port; what its daemon says: adb logcat -d -s adbd",
        )
    gone = "adb does not list it any more" if state == "absent" else f"adb says that it is {_worded(state)}"
    hint = "is its cable in, and is it switched on?" if state == "absent" else _REMEDIES.get(state, "")
    return DeviceLostError(f"adb device {serial!r} is lost: {what}; {gone}", hint=hint)


def _worded(state: str) -> str:
    in_mode = state in {"bootloader", "recovery", "rescue", "sideload"}
    if state.startswith("no permissions"):
        return f"not ours to open: {state}"
    return f"in the mode {state!r}" if in_mode else state
