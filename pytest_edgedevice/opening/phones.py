"""Phones, and whatever else runs an adb daemon, as devices that could be opened: one for each piece of hardware.

Knows how pools are made of what the adb server lists and what the device file names; the states of
devices and the server itself are the transport's.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceNotFoundError, EdgeDeviceError
from pytest_edgedevice.opening.links import SLACK_S, asked, asked_together
from pytest_edgedevice.spec import DeviceSpec
from pytest_edgedevice.transports.adb.attached import attached, on_network, remedy
from pytest_edgedevice.transports.adb.states import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.opening.candidates import Candidate
    from pytest_edgedevice.opening.failures import Failures

    Reach = Callable[[str, DeviceSpec, DeviceEntry | None], Candidate]

WORDS = frozenset({"adb", "android", "sdk"})
"""Facts that only phones have: an expression that uses one is worth starting an adb server for."""
CONNECT_S = 30.0
"""Deadline for all of the connecting to one phone, seconds."""
MOST_REMEDIES = 3
MOST_TOLD = 8


def reached(spec: DeviceSpec, entry: DeviceEntry | None = None) -> Candidate:
    """A phone, connected to and asked what it is.

    Args:
        spec: How to reach it: a serial number, or ``host:port``, to which the adb server connects if it has not yet.
        entry: Its table in the device file, if it has one.

    Raises:
        MissingExtraError: adbutils is not installed.
        DeviceNotFoundError: The adb server lists no such phone; the message says what it lists.
        TransportError: It is in a state in which it cannot be used, and the remedy; or there is no adb server.
    """
    from pytest_edgedevice.transports.adb.transport import AdbTransport

    base = (entry.folder or "") if entry else ""
    return asked(spec, entry, lambda: AdbTransport(spec.address, base=base, connect_timeout_s=CONNECT_S))


def pool(entries: Sequence[DeviceEntry], reach: Reach, *, start: bool = True) -> list[Candidate]:
    """Every phone that can be used now: those that are attached, and those that the device file names by ``host:port``.

    One that is reached over two links is one candidate: with the name and the settings of its
    table in the device file if it has one, over USB if it is plugged in.

    Args:
        entries: The device file's phones.
        reach: Makes a candidate, by its key, spec and table, or remembers the one that was made.
        start: Start the adb server if need be; otherwise there are no phones then.

    Raises:
        MissingExtraError, TransportError, DeadlineError: See ``attached``.
    """
    seen = attached(start=start)
    by_address = {entry.spec.address: entry for entry in entries}
    usable = [one.serial for one in seen if one.state == "device"]
    listed_now = {one.serial for one in seen}
    away = [address for address in by_address if on_network(address) and address not in listed_now]
    addresses = sorted([*usable, *(away if start or seen else ())], key=on_network)

    def candidate(address: str) -> Candidate:
        entry, spec = by_address.get(address), DeviceSpec("adb", address=address)
        return reach(entry.name if entry else str(spec), spec, entry)

    found = asked_together(addresses, candidate, timeout_s=CONNECT_S + SLACK_S)
    return _merged(found, {entry.name for entry in entries if not entry.folder})


def insisted(entries: Sequence[DeviceEntry], reach: Reach, failures: Failures) -> list[Candidate]:
    """Every phone that can be used, or the one that ``ANDROID_SERIAL`` names.

    Args:
        entries: The device file's phones.
        reach: As for ``pool``.
        failures: Those of devices that could not be opened lately.

    Raises:
        DeviceNotFoundError: There is none; the message says what is attached in which state.
        MissingExtraError, TransportError: There is no adbutils, or no adb server.
    """
    if serial := os.environ.get("ANDROID_SERIAL"):  # whoever sets it wants adb to see no other one
        entry = next((one for one in entries if one.spec.address == serial), None)
        spec = DeviceSpec("adb", address=serial)
        return [reach(entry.name if entry else str(spec), spec, entry)]
    if found := pool(entries, reach):
        return found
    raise none_usable([error.message for error in failures.of_kind("adb", entries)])


def _merged(candidates: Sequence[Candidate], movable: set[str]) -> list[Candidate]:
    """One for each piece of hardware.

    Args:
        candidates: Those over USB first.
        movable: Names of the device file whose phone may be opened over another link than its own.
    """
    by_hardware: dict[str, list[Candidate]] = {}
    for one in candidates:
        by_hardware.setdefault(one.identity, []).append(one)
    merged = []
    for links in by_hardware.values():
        best = links[0]
        named = next((one for one in links if ":" not in one.name), best)  # the device file's names have none
        if named is not best and named.name in movable:
            link = {"link": best.facts["link"]} if "link" in best.facts else {}
            named = dataclasses.replace(named, connect=best.connect, facts={**named.facts, **link})
        merged.append(named)
    return merged


def passed_over() -> list[str]:
    """What is attached and cannot be used, a clause each with the remedy; nothing where nobody can be asked."""
    try:
        devices = attached(start=False)
    except EdgeDeviceError:
        return []
    idle = [one for one in devices if one.state != "device"][:MOST_TOLD]
    return [f"adb:{one.serial} is {one.state} and was passed over: {remedy(one)}" for one in idle]


def none_usable(failed: Sequence[str]) -> DeviceNotFoundError:
    """The error where no phone can be used: what the adb server lists instead, and the remedies.

    Args:
        failed: What was tried and failed, a clause each.
    """
    devices = attached(start=False)
    text = f"no phone is attached that can be used. adb sees: {listed(devices)}"
    text += "".join(f"; {clause}" for clause in failed)
    remedies = [f"{one.serial}: {hint}" for one in devices if (hint := remedy(one))]
    return DeviceNotFoundError(
        text,
        hint="; ".join(remedies[:MOST_REMEDIES])
        or "plug one in and turn on USB debugging (developer options), then run: edgedevice doctor",
    )
