"""From a spec to an open device: find what fits, lease it, connect.

The one place where specs, the inventory, leases and transports meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.device import TIMEOUT_S, Device, check_seconds
from pytest_edgedevice.errors import DeviceNotFoundError, SpecError
from pytest_edgedevice.inventory import DeviceEntry, Inventory, load_inventory
from pytest_edgedevice.leases import Holder, Lease, Waiting, acquire
from pytest_edgedevice.spec import DeviceSpec
from pytest_edgedevice.transports.base import Transport
from pytest_edgedevice.transports.local import LocalTransport, local_facts, local_identity

if TYPE_CHECKING:
    from pytest_edgedevice.values import Fact

Factory = Callable[[], Transport]
EXTRAS = {"adb": "adbutils", "ios": "pymobiledevice3"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that could be opened.

    Attributes:
        name: For people.
        identity: Key of its lease.
        facts: What expressions are matched against.
        connect: Opens the link; only called by whoever holds the lease.
        engine: Default engine there; empty for the device's own choice.
    """

    name: str
    identity: str
    facts: Mapping[str, Fact]
    connect: Factory
    engine: str = ""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything that specs can name: the inventory, and devices that plugins contribute.

    Attributes:
        inventory: Devices of ``edgedevice.toml``.
        contributed: Name to a function that opens the link to it.
    """

    inventory: Inventory = field(default_factory=Inventory)
    contributed: Mapping[str, Factory] = field(default_factory=dict)

    def parse(self, text: str) -> DeviceSpec:
        """Understand a device spec with all names and facts that are known here."""
        if text in self.contributed:
            return DeviceSpec("named", name=text)
        return self.inventory.parse(text)

    def candidates(self, spec: DeviceSpec) -> list[Candidate]:
        """The devices that fit a spec, in the order in which they should be tried.

        Raises:
            DeviceNotFoundError: None does; the message says what there is.
        """
        if spec.kind == "expression":
            return self._matching(spec)
        if spec.kind != "named":
            return [_plain(spec)]
        if spec.name in self.contributed:
            transport = self.contributed[spec.name]()
            try:
                return [Candidate(spec.name, transport.identity(), transport.facts(), self.contributed[spec.name])]
            finally:
                transport.close()
        return [_entered(self.inventory.devices[spec.name])]

    def all(self) -> list[Candidate]:
        """Every device that this version can open."""
        named = [_entered(entry) for entry in self.inventory.devices.values() if entry.spec.kind == "local"]
        return [_plain(DeviceSpec("local")), *named]

    def _matching(self, spec: DeviceSpec) -> list[Candidate]:
        assert spec.expression is not None
        known = self.all()
        fitting = [one for one in known if spec.expression.matches(one.facts)]
        if fitting:
            return fitting
        used = sorted(spec.expression.facts_used)
        seen = "; ".join(f"{one.name} ({_shown(one.facts, used)})" for one in known)
        raise DeviceNotFoundError(f"no device matches {str(spec)!r}. There are: {seen}", hint="see: edgedevice list")


def _shown(facts: Mapping[str, Fact], names: Sequence[str]) -> str:
    return ", ".join(f"{name}={facts[name]}" if name in facts else f"no {name}" for name in names)


def _plain(spec: DeviceSpec) -> Candidate:
    if spec.kind != "local":
        raise _unsupported(spec)
    return Candidate("local", local_identity(), local_facts(), LocalTransport)


def _entered(entry: DeviceEntry) -> Candidate:
    if entry.spec.kind != "local":
        raise _unsupported(entry.spec)
    base = Path(entry.folder) if entry.folder else None
    python = entry.python or ""
    facts = {**local_facts(), **entry.known_facts()}
    return Candidate(
        entry.name,
        local_identity(),
        facts,
        lambda: LocalTransport(base=base, python=python),
        entry.engine or "",
    )


def _unsupported(spec: DeviceSpec) -> DeviceNotFoundError:
    """Say honestly that a kind cannot be driven yet, and what it will need."""
    from pytest_edgedevice import __version__

    hint = "use --device local, or a version whose README lists this kind"
    module = EXTRAS.get(spec.kind)
    if module and find_spec(module) is None:
        hint += f"; that one will need {module}: pip install 'pytest-edgedevice[{spec.kind}]'"
    return DeviceNotFoundError(
        f"{str(spec)!r} cannot be opened: version {__version__} drives local devices only", hint=hint
    )


def open_device(
    spec: str = "local",
    *,
    wait_s: float = 0.0,
    timeout_s: float = TIMEOUT_S,
    catalog: Catalog | None = None,
    holder: Holder | None = None,
    on_wait: Callable[[Waiting], None] | None = None,
) -> Device:
    """Lease a device exclusively and connect to it; use it in a ``with`` block.

    Args:
        spec: ``local``, a name from ``edgedevice.toml``, or an expression such as ``"linux and cores>=2"``.
        wait_s: How long to wait while somebody else holds it, seconds.
        timeout_s: Deadline for each exchange with the device, seconds.
        catalog: What names mean; by default the ``edgedevice.toml`` nearest to the current folder.
        holder: What others read of us while they wait; by default this process.
        on_wait: Called while waiting, with our place and the holder.

    Raises:
        SpecError, ConfigError: The spec or the device file cannot be understood.
        DeviceNotFoundError: No such device.
        DeviceBusyError: Somebody else holds it still; the message names the holder.
        TransportError: The device cannot be reached.
    """
    if not isinstance(spec, str):
        raise SpecError(f"a device spec is a text such as 'local', not {type(spec).__name__}")
    check_seconds("wait_s", wait_s, zero=True)
    check_seconds("timeout_s", timeout_s)
    catalog = catalog or Catalog(load_inventory(Path.cwd()))
    candidates = catalog.candidates(catalog.parse(spec))
    lease = acquire(
        [one.identity for one in candidates],
        holder=holder or Holder.here(),
        wait_s=wait_s,
        on_wait=on_wait,
        wanted=f"device {spec!r}",
    )
    return _connect(next(one for one in candidates if one.identity == lease.key), lease, timeout_s)


def _connect(candidate: Candidate, lease: Lease, timeout_s: float) -> Device:
    try:
        transport = candidate.connect()
        try:
            return Device(
                transport,
                name=candidate.name,
                facts=candidate.facts,
                lease=lease,
                engine=candidate.engine,
                timeout_s=timeout_s,
            )
        except BaseException:
            transport.close()
            raise
    except BaseException:
        lease.release()
        raise
