"""iPhones and iPads as devices that could be opened: one for each piece of hardware.

Knows how pools are made of what usbmuxd lists and what the device file names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.opening.links import SLACK_S, asked, asked_together
from pytest_edgedevice.spec import DeviceSpec
from pytest_edgedevice.transports.usbmux import states
from pytest_edgedevice.transports.usbmux.address import shown
from pytest_edgedevice.transports.usbmux.sockets import is_served, usual_address
from pytest_edgedevice.transports.usbmux.udid import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.opening.candidates import Candidate
    from pytest_edgedevice.opening.failures import Failures

    Reach = Callable[[str, DeviceSpec, DeviceEntry | None], Candidate]

KIND = "ios"
WORDS = frozenset({"ios", "iphone"})
"""Facts that only iPhones have: for an expression that uses one it is told why there are none."""
CONNECT_S = 20.0


def reached(spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
    """A phone, connected to and asked what it is.

    Args:
        spec: How to reach it: its number, in any spelling.
        entry: Its table in the device file, if it has one.

    Raises:
        MissingExtraError: pymobiledevice3 is not installed.
        DeviceNotFoundError: usbmuxd lists no such phone; the message says what it lists.
        TransportError: It cannot be used, and why; or there is no usbmuxd.
    """
    from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport  # with asyncio, which takes its time

    return asked(spec, entry, lambda: UsbmuxTransport(spec.address, connect_timeout_s=CONNECT_S))


def pool(entries: Sequence[DeviceEntry], reach: Reach, *, start: bool = True) -> list[Candidate]:
    """Every phone that is attached and answers, with the name and the settings of its table if it has one.

    Args:
        entries: The device file's iPhones.
        reach: Makes a candidate, by its key, spec and table, or remembers the one that was made.
        start: Insist on a usbmuxd; otherwise there are no phones where none runs.

    Raises:
        MissingExtraError, TransportError, DeadlineError: See ``list_devices``.
    """
    if not start and not is_served():  # before pymobiledevice3 is imported, which takes longer than all else
        return []
    from pytest_edgedevice.transports.usbmux.transport import list_devices

    by_number = {plain(entry.spec.address): entry for entry in entries if entry.spec.address}

    def candidate(udid: str) -> Candidate:
        entry = by_number.get(plain(udid))
        spec = DeviceSpec("ios", address=udid)
        return reach(entry.name if entry else str(spec), entry.spec if entry else spec, entry)

    return asked_together([one.udid for one in list_devices()], candidate, timeout_s=CONNECT_S + SLACK_S)


def insisted(entries: Sequence[DeviceEntry], reach: Reach, failures: Failures) -> list[Candidate]:
    """Every iPhone that can be used.

    Args:
        entries: The device file's iPhones.
        reach: As for ``pool``.
        failures: Those of devices that could not be opened lately.

    Raises:
        DeviceNotFoundError: None is attached.
        MissingExtraError, TransportError, DeadlineError: As for ``pool``; or why none of those that are can be used.
    """
    if found := pool(entries, reach):
        return found
    failed = failures.of_kind(KIND, entries)
    raise failed[0] if failed else states.not_there("", [], where=shown(usual_address()))
