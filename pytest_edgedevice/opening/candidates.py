"""Devices that could be opened: what is known of each before it is leased."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_edgedevice.interfaces import DeviceLike
from pytest_edgedevice.opening.running import runner_of
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.transports.base import Transport
from pytest_edgedevice.transports.local import LocalTransport, local_facts, local_identity

if TYPE_CHECKING:
    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.runners.backend import Runner
    from pytest_edgedevice.values import Fact

Factory = Callable[[], Transport | DeviceLike]


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


def here() -> Candidate:
    """This machine."""
    return Candidate("local", local_identity(), local_facts(), LocalTransport)


def entered(entry: DeviceEntry) -> Candidate:
    """This machine, by a table of the device file."""
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
