"""What the library for iPhones is waited for, and what it raises in our own words.

It is known by the names of its errors here, and imported elsewhere.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_edgedevice.errors import DeadlineError, EdgeDeviceError
from pytest_edgedevice.transports.usbmux import states
from pytest_edgedevice.transports.usbmux.address import shown
from pytest_edgedevice.transports.usbmux.loop import finished

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pytest_edgedevice.transports.usbmux.address import Address
    from pytest_edgedevice.transports.usbmux.attached import Attached

T = TypeVar("T")

LOCKDOWN = 62078
"""lockdownd's port on every phone."""
_MEANINGS: tuple[tuple[frozenset[str], Callable[[str], EdgeDeviceError]], ...] = (
    (frozenset({"BadDevError"}), states.unplugged),
    (frozenset({"PasswordRequiredError", "PasscodeRequiredError"}), states.locked),
    (frozenset({"PairingDialogResponsePendingError"}), states.pairing_pending),
    (frozenset({"UserDeniedPairingError"}), states.pairing_refused),
    (frozenset({"NotPairedError", "InvalidHostIDError"}), states.not_paired),
)
"""Those that speak for themselves, the library's names to our words for a phone."""


def asked_of(
    make: Callable[[], Coroutine[Any, Any, T]],
    address: Address,
    phone: Attached | None,
    asked_for: str,
    deadline: float,
    *,
    port: int = LOCKDOWN,
) -> T:
    """What a coroutine of the library comes back with.

    Args:
        make: Makes it.
        address: usbmuxd's.
        phone: Who is asked; None for usbmuxd itself.
        asked_for: What for, for messages.
        deadline: By when, on the monotonic clock.
        port: To which port of the phone.

    Raises:
        EdgeDeviceError: Whatever the library raised, in our words.
    """
    left_s = max(deadline - time.monotonic(), 0.0)
    who = f"iPhone {phone.udid}" if phone else f"usbmuxd at {shown(address)}"
    try:
        return finished(make, timeout_s=left_s)
    except DeadlineError:
        raise DeadlineError(f"{who} was asked for {asked_for} and did not answer within {left_s:.3g} s") from None
    except EdgeDeviceError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the library or a hostile answer makes of it stops here
        udid = phone.udid if phone else ""
        raise _worded(error, where=shown(address), udid=udid, asked_for=asked_for, port=port) from None


def _worded(error: Exception, *, where: str, udid: str, asked_for: str, port: int) -> EdgeDeviceError:
    """The error to tell.

    Args:
        error: The library's, or one that a hostile answer made it raise.
        where: usbmuxd's place.
        udid: The phone that was asked; empty where usbmuxd was.
        asked_for: What it was asked for.
        port: To which the connection went.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    said = f"{type(error).__name__} {error}".partition("Please report")[0]  # to its authors, who are not meant here
    if not udid:
        return states.senseless(where, said)
    for kinds, meaning in _MEANINGS:
        if not kinds.isdisjoint(names):
            return meaning(udid)
    if "ConnectionFailedError" in names:
        return states.port_refused(udid, port)
    if "ConnectionTerminatedError" in names or isinstance(error, ConnectionError):
        return states.hung_up(udid, asked_for)
    if "MuxException" in names:
        return states.senseless(where, said)
    return states.odd(udid, asked_for, said)
