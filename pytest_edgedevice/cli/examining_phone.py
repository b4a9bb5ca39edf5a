"""``edgedevice doctor adb:SERIAL``: connect to a phone, look, try what runs models there, and leave nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.state import Use
from pytest_edgedevice.errors import DeviceBusyError, EdgeDeviceError
from pytest_edgedevice.inventory.known import remember
from pytest_edgedevice.leases import Holder
from pytest_edgedevice.leases.holder import to_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.spec import DeviceSpec
    from pytest_edgedevice.transports.adb.transport import AdbTransport
    from pytest_edgedevice.values import Fact

TIMEOUT_S = 60.0
SHOWN = ("model", "soc", "arch", "abi", "sdk", "release", "build", "gpu", "gpu_driver", "cores", "memory_mb")


def examine_phone(name: str, spec: DeviceSpec, entry: DeviceEntry | None) -> Iterator[Finding]:
    """Look at everything there; none of it raises.

    Args:
        name: What the user typed.
        spec: How it is reached.
        entry: Its table in the device file, if it has one.
    """
    from pytest_edgedevice.transports.adb.transport import AdbTransport

    base = (entry.folder or "") if entry else ""
    try:
        with AdbTransport(spec.address, base=base) as link:
            identity = link.identity()
            remember(f"adb:{link.serial}", identity)
            yield Finding("connection", "ok", f"{name} answers by adb and is {identity}")
            facts = link.facts()
            yield Finding("system", "ok", _shown(facts, SHOWN) or "it tells nothing of itself")
            yield _lock(facts)
            told = link.conditions()
            yield Finding("conditions", "ok", _shown(told, tuple(told)) or "it tells none")
            yield _runner(name, link, entry, Use.of(identity), identity)
    except EdgeDeviceError as error:
        yield Finding("connection", "wrong", "; ".join(error.message.splitlines()), error.hint)


def _lock(facts: Mapping[str, Fact]) -> Finding:
    if facts.get("device_lock") is True:
        return Finding("device lock", "ok", "it keeps a lock of its own, also against users of other hosts")
    text = "it has no tool for locks: users of other hosts are not kept out, those of this one are"
    return Finding("device lock", "missing", text)


def _runner(name: str, link: AdbTransport, entry: DeviceEntry | None, use: Use, identity: str) -> Finding:
    """Whether models can be run there; who holds it, from here or through another host, is not disturbed."""
    from pytest_edgedevice.opening.running import runner_of
    from pytest_edgedevice.runners.backend import Site

    if use.holders:
        return Finding("runner", "ok", f"not tried: {name} is {'; '.join(use.clauses)}")
    try:
        runner = runner_of(entry, "adb")()
        link.guard(to_record(Holder.here(test="edgedevice doctor"), key=identity), wait_s=0)
        runner.check(Site(link, name, TIMEOUT_S))
    except DeviceBusyError as error:
        held = error.message.partition(" is held by ")[2].partition("; waited ")[0]
        return Finding("runner", "ok", f"not tried: {name} is held by {held}")
    except EdgeDeviceError as error:
        return Finding("runner", "wrong", "; ".join(error.message.splitlines()), error.hint)
    return Finding("runner", "ok", f"the {runner.name} runner starts there")


def _shown(facts: Mapping[str, Fact], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={facts[name]}" for name in names if name in facts)
