"""The devices that the device file names, and whether any is set aside."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.engines import foreign_python
from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.iphones import Iphones
from pytest_edgedevice.cli.phones import Phones
from pytest_edgedevice.cli.state import Use, quarantined, unlisted
from pytest_edgedevice.inventory.known import recall
from pytest_edgedevice.transports.local import local_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory


def check_quarantines(inventory: Inventory) -> Iterator[Finding]:
    """Devices that failed again and again: tests that name one end with an error."""
    keys, phones = {"local": local_identity()}, _phones()
    for entry in inventory.devices.values():
        if entry.spec.kind == "ssh" and (known := recall(str(entry.spec))):
            keys[entry.name] = known.identity
        seen = phones.get(entry.spec.kind)
        if seen and (key := seen.key_of(entry.spec.address)):
            keys[entry.name] = key
    sick = {name: Use.of(key).quarantine for name, key in keys.items()}
    sick |= {one.name: one.use.quarantine for one in unlisted({*keys, *inventory.devices}, set(keys.values()))}
    active = {name: one for name, one in sick.items() if one is not None and one.active}
    for name, one in active.items():
        hint = f"mend it, then: edgedevice release {shlex.quote(name)}"
        yield Finding("quarantine", "wrong", f"{name} is {quarantined(one)}", hint)
    if not active:
        yield Finding("quarantine", "ok", "no device is set aside")


def check_named_devices(inventory: Inventory) -> Iterator[Finding]:
    """Boards and phones (looked at by name), and interpreters with their runtimes."""
    phones = _phones()
    for entry in inventory.devices.values():
        seen = phones.get(entry.spec.kind)
        if seen and (trouble := seen.trouble_with(entry.spec.address)):
            yield Finding(
                entry.name, "wrong", f"{entry.spec} is {trouble.partition(': ')[0]}", trouble.partition(": ")[2]
            )
        elif entry.spec.kind in {"ssh", *phones}:
            yield Finding(entry.name, "ok", f"{entry.spec} is not asked here", f"edgedevice doctor {entry.name}")
        elif entry.spec.kind == "replay":
            yield Finding(entry.name, "ok", f"{entry.spec} is a recording")
        elif entry.python:
            yield foreign_python(entry.name, entry.python)


def _phones() -> dict[str, Phones | Iphones]:
    """What is attached, by the kind of link."""
    return {"adb": Phones.now(), "ios": Iphones.now()}
