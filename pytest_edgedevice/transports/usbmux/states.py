"""What can be wrong with a phone, in words for people, and the remedy for each. Texts; opens nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceLostError, DeviceNotFoundError, PortRefusedError, TransportError
from pytest_edgedevice.transports.usbmux.address import REMEDY, VARIABLE, start_hint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.errors import EdgeDeviceError

MOST_SHOWN = 8
MOST_SAID = 200


def clean(text: object, most: int = MOST_SAID) -> str:
    """What a phone or its daemon says, for a message: on one line, and nothing that a terminal would obey."""
    shown = "".join(char if char.isprintable() else " " for char in str(text)[: 4 * most])
    return " ".join(shown.split())[:most]


def listed(phones: Sequence[str]) -> str:
    """Phones on one line."""
    more = [f"and {len(phones) - MOST_SHOWN} more"] if len(phones) > MOST_SHOWN else []
    return ", ".join([*phones[:MOST_SHOWN], *more]) or "nothing"


def no_usbmuxd(where: str, error: OSError) -> TransportError:
    """Nobody listens where usbmuxd should."""
    hint = f"{VARIABLE} says that it is there: {REMEDY}" if os.environ.get(VARIABLE) else start_hint()
    if isinstance(error, ConnectionRefusedError | FileNotFoundError):
        return TransportError(f"usbmuxd at {where} does not run, and iPhones are reached through it", hint=hint)
    return TransportError(f"usbmuxd at {where} cannot be reached: {error.strerror or error}", hint=hint)


def senseless(where: str, why: object) -> TransportError:
    """Somebody listens there whose answers make no sense."""
    return TransportError(
        f"usbmuxd at {where} gives no answer that makes sense: {clean(why)}",
        hint="restart it: sudo systemctl restart usbmuxd; is it usbmuxd that listens there?",
    )


def not_there(udid: str, phones: Sequence[str], *, where: str) -> DeviceNotFoundError:
    """The phone that was named is not attached, or none is."""
    what = f"no iPhone {clean(udid)!r} is attached" if udid else "no iPhone is attached"
    return DeviceNotFoundError(
        f"{what}. usbmuxd at {where} sees: {listed(phones)}",
        hint="plug it in, unlock it and tap Trust; a cable that only charges will not do",
    )


def several(phones: Sequence[str], *, where: str) -> DeviceNotFoundError:
    """One had to be named."""
    return DeviceNotFoundError(
        f"{len(phones)} iPhones are attached and none was named. usbmuxd at {where} sees: {listed(phones)}",
        hint=f"name one: ios:{phones[0].partition(' ')[0]}",
    )


def unplugged(udid: str) -> DeviceLostError:
    """It was there."""
    return DeviceLostError(
        f"iPhone {udid} was unplugged, or has restarted: usbmuxd has no connection to it any more",
        hint="plug it in again and unlock it; is the cable sound?",
    )


def usbmuxd_ended(udid: str, error: EdgeDeviceError) -> DeviceLostError:
    """Every connection went with it; the phone itself may be well."""
    return DeviceLostError(f"the connection to iPhone {udid} ended: {error.message}", hint=error.hint)


def port_refused(udid: str, port: int, *, paired: bool = True) -> PortRefusedError:
    """Result 3 of ``Connect``; ``paired`` is whether the phone knows this host, as far as that was asked."""
    stranger = "" if paired else ", or refuses this host, which it is not paired with"
    return PortRefusedError(
        f"nothing listens on port {port} of iPhone {udid}: the app is closed or suspended, or the phone is locked"
        f"{stranger}",
        hint="unlock the phone, open the app and leave it in the foreground",
    )


def not_paired(udid: str) -> TransportError:
    """It does not know this host, or does not know it any more."""
    return TransportError(
        f"iPhone {udid} is not paired with this host",
        hint=f"unlock it, run: edgedevice setup ios:{udid}, and tap Trust on the phone",
    )


def pairing_pending(udid: str) -> TransportError:
    """The dialog is open."""
    return TransportError(
        f"iPhone {udid} waits for somebody to answer its question whether it may trust this host",
        hint="tap Trust on the phone and type its passcode, then try again",
    )


def pairing_refused(udid: str) -> TransportError:
    """Somebody tapped the other button."""
    return TransportError(
        f"iPhone {udid} was told not to trust this host",
        hint=f"unplug it and plug it in again, run: edgedevice setup ios:{udid}, and tap Trust",
    )


def locked(udid: str) -> TransportError:
    """It waits for its passcode."""
    return TransportError(f"iPhone {udid} is locked", hint="unlock it, and let it stay awake: Auto-Lock: Never")


def developer_mode_off(udid: str) -> TransportError:
    """Programs are started by others only where its owner has allowed it."""
    return TransportError(
        f"the developer mode of iPhone {udid} is off, so that no program of this host can start an app there",
        hint="turn it on: Settings, Privacy & Security, Developer Mode; or open the app by hand, without 'start'",
    )


def hung_up(udid: str, while_asked: str) -> TransportError:
    """It is attached, and ended the conversation."""
    return TransportError(
        f"iPhone {udid} hung up while it was asked for {while_asked}",
        hint="unlock it and try again; if it stays so, restart the phone",
    )


def odd(udid: str, while_asked: str, why: object) -> TransportError:
    """It said something that we have no words for."""
    return TransportError(f"iPhone {udid} was asked for {while_asked} and answered: {clean(why) or 'nothing'}")
