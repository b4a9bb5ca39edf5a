"""What is known of each device now: its facts, who holds it, who waits for it, and what is wrong with it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.cli.iphones import Iphones
from pytest_edgedevice.cli.phones import Phones
from pytest_edgedevice.errors import DeviceNotFoundError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.inventory.known import recall
from pytest_edgedevice.leases import Holder, Quarantine, holders, quarantine_of, recorded, waiters
from pytest_edgedevice.leases.holder import duration
from pytest_edgedevice.spec import KINDS, DeviceSpec, closest_first, parse_spec
from pytest_edgedevice.transports.local import local_facts, local_identity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pytest_edgedevice.values import Fact

RECORDING = "a recording, which nobody holds"
ASKABLE = ("ssh:", "adb:", "ios:")
"""What a name begins with that nobody has to have heard of."""


@dataclass(frozen=True, slots=True)
class Use:
    """How a physical device is used at this moment.

    Attributes:
        holders: Who has it; several when they share it, none when it is free.
        waiting: How many wait for it.
        quarantine: Errors that are counted against it; None when there are none.
    """

    holders: tuple[Holder, ...] = ()
    waiting: int = 0
    quarantine: Quarantine | None = None

    @classmethod
    def of(cls, key: str) -> Use:
        """Look at one device, by the key of its lease.

        Raises:
            LeaseError: A lock cannot be read.
        """
        return cls(tuple(holders(key)), waiters(key), quarantine_of(key))

    @property
    def clauses(self) -> list[str]:
        """What to say of the device, each to follow the word "is"."""
        said = []
        if self.quarantine and self.quarantine.active:
            said.append(quarantined(self.quarantine))
        shared = "shared by" if len(self.holders) > 1 else "held by"
        said += [f"{shared} {holder}" for holder in self.holders]
        said = said or [f"free, on probation after {counted(self.quarantine)}" if self.quarantine else "free"]
        if self.waiting:
            said.append(f"waited for by {self.waiting} process{'es' if self.waiting > 1 else ''}")
        return said


@dataclass(frozen=True, slots=True)
class Listed:
    """One device as the commands show it.

    Attributes:
        name: For ``--device``.
        spec: How it is reached.
        facts: What expressions are matched against.
        key: Of its lease; empty when this version cannot drive its kind, or it was never reached from here.
        use: How it is used now.
        trouble: Why it cannot be used, to follow the word "is"; empty where nothing of the kind is known.
    """

    name: str
    spec: DeviceSpec
    facts: Mapping[str, Fact]
    key: str
    use: Use
    trouble: str = ""

    @property
    def clauses(self) -> list[str]:
        """What to say of it, each to follow the word "is"."""
        if self.trouble:
            return [self.trouble, *(self.use.clauses if self.use != Use() else [])]
        if self.spec.kind == "replay":
            return [RECORDING]
        if not self.key or (self.spec.kind == "ssh" and self.use == Use()):
            return ["not asked"]  # it would have to be connected to; users of other hosts are known to it alone
        return self.use.clauses

    def as_json(self) -> dict[str, Any]:
        """Plain values; times are seconds since the epoch."""
        held = [dataclasses.asdict(holder) for holder in self.use.holders]
        return {
            "name": self.name,
            "spec": str(self.spec),
            "openable": self.spec.kind in KINDS,
            "state": "; ".join(self.clauses),
            "holder": held[0] if held else None,
            "holders": held,
            "waiting": self.use.waiting,
            "quarantine": _quarantine_json(self.use.quarantine),
            "facts": dict(self.facts),
        }


def listed(config: Path | None) -> tuple[Path | None, list[Listed]]:
    """The device file, and every device: this machine first, the file's in their order, what else is held or sick.

    Raises:
        ConfigError: The device file is wrong or missing.
        LeaseError: A lock cannot be read.
    """
    inventory = load_inventory(Path.cwd(), explicit=config)
    own, key = local_facts(), local_identity()
    use = Use.of(key)
    found = [Listed("local", DeviceSpec("local"), own, key, use)]
    phones: dict[str, Phones | Iphones] = {"adb": Phones.now(), "ios": Iphones.now()}
    for entry in inventory.devices.values():
        if entry.spec.kind == "local":
            found.append(Listed(entry.name, entry.spec, {**own, **entry.known_facts()}, key, use))
        elif entry.spec.kind in phones:
            found.append(_phone(entry.name, entry.spec, entry.known_facts(), phones[entry.spec.kind]))
        else:
            found.append(_reached(entry.name, entry.spec, entry.known_facts()))
    for kind, seen in phones.items():
        named = {entry.spec.address for entry in inventory.devices.values() if entry.spec.kind == kind}
        others = [DeviceSpec("ios" if kind == "ios" else "adb", address=one) for one in seen.others(named)]
        found += [_phone(str(spec), spec, {}, seen) for spec in others]
    return inventory.path, [*found, *unlisted({one.name for one in found}, {one.key for one in found})]


def unlisted(names: Collection[str], keys: Collection[str]) -> Iterator[Listed]:
    """Devices that no device file names here, as a conftest contributes them or they are others', held or set aside.

    Args:
        names: Of other devices; one that is called the same is listed by its key.
        keys: Of the leases of the devices that are known already.

    Raises:
        LeaseError: A lock cannot be read.
    """
    taken = set(names)
    for key, claimed in recorded().items():
        use = Use() if key in keys else Use.of(key)
        if use.holders or (use.quarantine and (use.quarantine.active or use.quarantine.probation)):
            name = claimed if claimed and claimed not in taken else key
            taken.add(name)
            yield Listed(name, DeviceSpec("named", name=name), {}, key, use)


def _reached(name: str, spec: DeviceSpec, facts: Mapping[str, Fact]) -> Listed:
    """A board as this host knows it, by the leases that are taken here; it is not connected to."""
    known = recall(str(spec)) if spec.kind == "ssh" else None
    return (
        Listed(name, spec, facts, known.identity, Use.of(known.identity))
        if known
        else Listed(name, spec, facts, "", Use())
    )


def _phone(name: str, spec: DeviceSpec, facts: Mapping[str, Fact], phones: Phones | Iphones) -> Listed:
    """A phone as the adb server or usbmuxd lists it, and as this host knows it by the leases that are taken here."""
    key = phones.key_of(spec.address)
    told = {**phones.facts_of(spec.address), **facts}
    trouble = phones.trouble_with(spec.address)
    return Listed(name, spec, told, key, Use.of(key) if key else Use(), trouble=trouble)


def find(name: str, config: Path | None) -> Listed:
    """One device that can be driven, by its name.

    Raises:
        DeviceNotFoundError: There is no device of that name, or its kind cannot be driven.
        EdgeDeviceError: See ``listed``.
    """
    _, devices = listed(config)
    by_name = {device.name: device for device in devices}
    if name not in by_name and name.startswith(ASKABLE):
        spec = parse_spec(name)
        by_name[name] = by_name.get(str(spec)) or _unheard_of(name, spec)
    if name not in by_name:
        known = ", ".join(closest_first(name, by_name))
        raise DeviceNotFoundError(f"there is no device {name[:80]!r}", hint=f"devices, closest first: {known}")
    device = by_name[name]
    if device.spec.kind == "replay":
        return device
    if not device.key:
        raise DeviceNotFoundError(
            f"{name!r} was never reached from here, so nobody here holds it", hint=f"ask it: edgedevice doctor {name}"
        )
    return device


def _unheard_of(name: str, spec: DeviceSpec) -> Listed:
    """A device that is in no device file and not attached."""
    if spec.kind == "ssh":
        return _reached(name, spec, {"ssh": True})
    return _phone(name, spec, {}, Phones.now() if spec.kind == "adb" else Iphones.now())


def quarantined(quarantine: Quarantine) -> str:
    """Say for how long, since when, after how many errors, and why; to follow the word "is"."""
    now = time.time()
    left = duration(max(0.0, quarantine.until - now))
    return f"quarantined for {left} more after {counted(quarantine)}"


def counted(quarantine: Quarantine) -> str:
    """Say how many errors in a row, when the last one was, and what it said."""
    many = "1 error" if quarantine.count == 1 else f"{quarantine.count} errors in a row, the last"
    ago = duration(max(0.0, time.time() - quarantine.since))
    return f"{many} {ago} ago: {quarantine.reason or 'it gave no reason'}"


def _quarantine_json(quarantine: Quarantine | None) -> dict[str, Any] | None:
    if quarantine is None:
        return None
    return {
        "active": quarantine.active,
        "reason": quarantine.reason,
        "since": quarantine.since,
        "count": quarantine.count,
        "until": quarantine.until,
    }
