"""``edgedevice list`` and ``edgedevice who``: devices, their facts and their holders."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice import __version__
from pytest_edgedevice.errors import DeviceNotFoundError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.leases import Holder, who
from pytest_edgedevice.spec import DeviceSpec, closest_first
from pytest_edgedevice.transports.local import local_facts, local_identity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import Fact

SCHEMA = 1
OPENABLE: Literal["local"] = "local"
"""The one kind of link that this version drives."""
SUMMARY = ("arch", "cores", "memory_mb", "model", "gpu", "npu")
"""Facts of every device that people compare; flags and the owner's own facts follow."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One device as ``edgedevice list`` shows it.

    Attributes:
        name: For ``--device``.
        spec: How it is reached.
        facts: What expressions are matched against.
        openable: Whether this version can drive its kind.
        holder: Who has it now; None when it is free, or when nobody could tell.
    """

    name: str
    spec: DeviceSpec
    facts: Mapping[str, Fact]
    openable: bool
    holder: Holder | None

    @property
    def state(self) -> str:
        """Free, held by whom, or why it cannot be used."""
        if not self.openable:
            return f"not usable: version {__version__} drives local devices only"
        return f"held by {self.holder}" if self.holder else "free"


def listed(config: Path | None) -> tuple[Path | None, list[Listed]]:
    """The device file, and every device: this machine first, then the file's in their order.

    Raises:
        ConfigError: The device file is wrong or missing.
        LeaseError: A lock cannot be read.
    """
    inventory = load_inventory(Path.cwd(), explicit=config)
    own = local_facts()
    holder = who(local_identity())
    found = [Listed("local", DeviceSpec(OPENABLE), own, openable=True, holder=holder)]
    for entry in inventory.devices.values():
        here = entry.spec.kind == OPENABLE
        facts = {**own, **entry.known_facts()} if here else entry.known_facts()
        found.append(Listed(entry.name, entry.spec, facts, openable=here, holder=holder if here else None))
    return inventory.path, found


def show_devices(config: Path | None, *, as_json: bool) -> None:
    """Print every device.

    Raises:
        EdgeDeviceError: See ``listed``.
    """
    path, devices = listed(config)
    if as_json:
        print(json.dumps({"schema": SCHEMA, "version": __version__, "file": _text(path), "devices": _json(devices)}))
        return
    names = [
        max(len(text) for text in column) for column in zip(*((d.name, str(d.spec)) for d in devices), strict=True)
    ]
    for device in devices:
        print(f"{device.name:{names[0]}}  {device.spec!s:{names[1]}}  {printable(device.state)}")
        print(f"{'':{names[0]}}  {printable(_summary(device.facts))}")
    print(f"\ndevice file: {printable(str(path))}" if path else "\nno edgedevice.toml in this folder or above it")


def show_holder(name: str, config: Path | None) -> None:
    """Print who holds one device.

    Raises:
        DeviceNotFoundError: There is no device of that name, or its kind cannot be driven.
        EdgeDeviceError: See ``listed``.
    """
    _, devices = listed(config)
    by_name = {device.name: device for device in devices}
    if name not in by_name:
        known = ", ".join(closest_first(name, by_name))
        raise DeviceNotFoundError(f"there is no device {name[:80]!r}", hint=f"devices, closest first: {known}")
    device = by_name[name]
    if not device.openable:
        raise DeviceNotFoundError(f"{name!r} is {device.state}", hint="see: edgedevice list")
    print(f"{name} is {printable(device.state)}")


def printable(text: str) -> str:
    """Facts and holder records were written by others: nothing in them may steer the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _summary(facts: Mapping[str, Fact]) -> str:
    flags = [name for name, value in facts.items() if value is True]
    first = [f"{name}={facts[name]}" for name in SUMMARY if name in facts]
    shown = {*flags, *SUMMARY, "name", "os"}
    return ", ".join([*flags, *first, *(f"{name}={value}" for name, value in facts.items() if name not in shown)])


def _json(devices: Sequence[Listed]) -> list[dict[str, Any]]:
    return [
        {
            "name": device.name,
            "spec": str(device.spec),
            "openable": device.openable,
            "state": device.state,
            "holder": dataclasses.asdict(device.holder) if device.holder else None,
            "facts": dict(device.facts),
        }
        for device in devices
    ]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
