"""Devices that could be opened: what is known of each before it is leased."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_edgedevice.errors import DeviceNotFoundError
from pytest_edgedevice.interfaces import DeviceLike
from pytest_edgedevice.opening.running import runner_of
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.transports.base import Transport
from pytest_edgedevice.transports.local import LocalTransport, local_facts, local_identity

if TYPE_CHECKING:
    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.runners.backend import Runner
    from pytest_edgedevice.spec import DeviceSpec
    from pytest_edgedevice.values import Fact

Factory = Callable[[], Transport | DeviceLike]
EXTRAS = {"adb": "adbutils", "ios": "pymobiledevice3"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device that could be opened.

    Attributes:
        name: For people.
        identity: Key of its lease.
        facts: What expressions are matched against.
        connect: Opens the link; only called by whoever holds the lease.
        runner: Makes what runs models there; by default the Python agent with the first engine that it has.
        elsewhere: Opens the device itself, where another host leases it; None for what is leased here.
    """

    name: str
    identity: str
    facts: Mapping[str, Fact]
    connect: Callable[[], Transport]
    runner: Callable[[], Runner] = AgentRunner
    elsewhere: Callable[[], DeviceLike] | None = None

    @property
    def shareable(self) -> bool:
        """Whether it may be shared; only what leases itself here can see all its users."""
        return self.facts.get("local") is True


def plain(spec: DeviceSpec) -> Candidate:
    """What a bare kind means.

    Raises:
        DeviceNotFoundError: This version cannot drive it.
    """
    if spec.kind != "local":
        raise _unsupported(spec)
    return Candidate("local", local_identity(), local_facts(), LocalTransport)


def entered(entry: DeviceEntry) -> Candidate:
    """A device of the device file.

    Raises:
        DeviceNotFoundError: This version cannot drive its kind.
    """
    if entry.spec.kind != "local":
        raise _unsupported(entry.spec)
    base = Path(entry.folder) if entry.folder else None
    python = entry.python or ""
    facts = {**local_facts(), **entry.known_facts()}
    return Candidate(
        entry.name,
        local_identity(),
        facts,
        lambda: LocalTransport(base=base, python=python, cache_bytes=entry.cache_mb * 1_000_000),
        runner_of(entry, "local"),
    )


def contributed(name: str, opened: Transport | DeviceLike, factory: Factory) -> Candidate:
    """A device that a plugin contributes; what was opened is asked what it is, and closed.

    Raises:
        InfraError: It does not answer.
    """
    with opened:
        if isinstance(opened, Transport):
            connect = cast("Callable[[], Transport]", factory)  # what opened a link once opens one again
            return Candidate(name, opened.identity(), {**opened.facts(), "name": name}, connect)
        device = cast("Callable[[], DeviceLike]", factory)
        return Candidate(name, opened.identity, {**opened.facts, "name": name}, _no_link, elsewhere=device)


def _no_link() -> Transport:
    raise AssertionError("a device that another host leases has no link of ours")


def shown(facts: Mapping[str, Fact], names: Sequence[str]) -> str:
    """Some facts, for a message."""
    return ", ".join(f"{name}={facts[name]}" if name in facts else f"no {name}" for name in names)


def _unsupported(spec: DeviceSpec) -> DeviceNotFoundError:
    """Say honestly that a kind cannot be driven yet, and what it will need."""
    from pytest_edgedevice import __version__

    hint = "use --device local, or a version whose README lists this kind"
    module = EXTRAS.get(spec.kind)
    if module and find_spec(module) is None:
        hint += f"; that one will need {module}: pip install 'pytest-edgedevice[{spec.kind}]'"
    drives = "this machine, boards over SSH and phones over adb"
    return DeviceNotFoundError(f"{str(spec)!r} cannot be opened: version {__version__} drives {drives}", hint=hint)
