"""``edgedevice doctor ios:UDID``: connect to an iPhone, look, try whether its app answers, and leave nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding, Status
from pytest_edgedevice.cli.state import Use
from pytest_edgedevice.errors import EdgeDeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_edgedevice.inventory import DeviceEntry
    from pytest_edgedevice.spec import DeviceSpec
    from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport
    from pytest_edgedevice.values import Fact

TIMEOUT_S = 30.0
SHOWN = ("model", "release", "build", "arch", "soc", "gpu", "npu", "storage_mb")


def examine_iphone(name: str, spec: DeviceSpec, entry: DeviceEntry | None) -> Iterator[Finding]:
    """Look at everything there; none of it raises.

    Args:
        name: What the user typed.
        spec: How it is reached.
        entry: Its table in the device file, if it has one.
    """
    from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport

    try:
        with UsbmuxTransport(spec.address) as link:
            facts = link.facts()
            yield Finding("connection", "ok", f"{name} is attached over {facts['link']} and is {link.identity()}")
            yield Finding("system", "ok", _shown(facts, SHOWN) or "it tells nothing of itself")
            yield from _readiness(link, needed=bool(entry and entry.running.app.start))
            told = link.conditions()
            yield Finding("conditions", "ok", _shown(told, tuple(told)) or "it tells none")
            yield _app(name, link, entry, Use.of(link.identity()))
    except EdgeDeviceError as error:
        yield _wrong("connection", error)


def _readiness(link: UsbmuxTransport, *, needed: bool) -> Iterator[Finding]:
    """What stands in the way of starting the app; nothing is wrong with it where it is opened by hand."""
    from pytest_edgedevice.transports.usbmux import states

    status: Status = "wrong" if needed else "missing"
    ready = link.readiness(timeout_s=TIMEOUT_S)
    if not ready.paired:
        error = states.not_paired(link.udid)
        yield Finding("pairing", "wrong", error.message, error.hint)
        return
    yield Finding("pairing", "ok", "it is paired with this host")
    if ready.locked:
        error = states.locked(link.udid)
        yield Finding("lock", "wrong", error.message, error.hint)
    else:
        yield Finding("lock", "ok", "it is unlocked")
    if ready.developer_mode is False:
        error = states.developer_mode_off(link.udid)
        yield Finding("developer mode", status, error.message, error.hint)
    else:
        yield Finding("developer mode", "ok", "it is on" if ready.developer_mode else "it tells of none")


def _app(name: str, link: UsbmuxTransport, entry: DeviceEntry | None, use: Use) -> Finding:
    """Whether models can be run there; who holds it is not disturbed."""
    from pytest_edgedevice.opening.running import runner_of
    from pytest_edgedevice.runners.backend import Site

    if use.holders:
        return Finding("app", "ok", f"not tried: {name} is {'; '.join(use.clauses)}")
    try:
        runner_of(entry, "ios")().check(Site(link, name, TIMEOUT_S))
    except EdgeDeviceError as error:
        return _wrong("app", error)
    return Finding("app", "ok", "it answers and speaks our protocol; whether it keeps to it: edgedevice conformance")


def _wrong(about: str, error: EdgeDeviceError) -> Finding:
    return Finding(about, "wrong", "; ".join(error.message.splitlines()), error.hint)


def _shown(facts: Mapping[str, Fact], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name}={facts[name]}" for name in names if name in facts)
