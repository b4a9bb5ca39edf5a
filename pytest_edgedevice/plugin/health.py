"""What a test says of its device's health: errors are counted against it, work speaks for it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.device import AnotherDeviceError
from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.opening import counts
from pytest_edgedevice.plugin.catalog import catalog
from pytest_edgedevice.plugin.holding import drop_kept, holding_of, let_go, note_quarantine
from pytest_edgedevice.plugin.options import settings_of
from pytest_edgedevice.plugin.recording import DEVICE, FAULT, LOADED, OUTCOME, RECORDS, note_error

if TYPE_CHECKING:
    from pytest_edgedevice.interfaces import DeviceLike

COUNTED: pytest.StashKey[Any] = pytest.StashKey()
"""A fault that was counted when it happened."""
SICK: pytest.StashKey[Any] = pytest.StashKey()
"""The quarantine that the test's fault led to, if any."""


def count(item: pytest.Item, device: DeviceLike, fault: InfraError) -> None:
    """Count a fault against its device, once."""
    if item.stash.get(COUNTED, None) is fault:
        return
    item.stash[COUNTED] = fault
    holding = holding_of(item.config)
    holding.faulty = True
    if isinstance(fault, AnotherDeviceError) or not counts(fault, catalog(item.config).parse(holding.spec)):
        return  # what answered is another one, and the loss was counted; or nobody has opened the app
    with contextlib.suppress(InfraError):  # a count that cannot be written must not hide the fault
        item.stash[SICK] = device.note_fault(f"{fault.message.splitlines()[0]} (in {item.nodeid})")


def settle(item: pytest.Item, nextitem: pytest.Item | None, error: BaseException | None) -> None:
    """At the end of a test: say how its device did, and hand it back where that is due.

    Args:
        item: The test.
        nextitem: The one that follows; None at the end of the run.
        error: What its teardown raised.
    """
    holding = holding_of(item.config)
    device = item.stash.get(DEVICE, None) or (holding.device if "edge_device" in _fixtures(item) else None)
    if error is not None:
        note_error(item, error)
    fault = item.stash.get(FAULT, None)
    if device is not None:
        if isinstance(fault, InfraError):
            count(item, device, fault)
        elif _worked(item):
            item.stash[SICK] = None
            holding.faulty = False
            with contextlib.suppress(InfraError):
                device.note_health()
    sick, gone = item.stash.get(SICK, None), holding.gone
    forget(item)  # somebody may try the test again
    drop_kept(item.config)
    if device is not None and sick is not None and sick.active:
        note_quarantine(item, device.name, sick.count, sick.reason)
        let_go(item.config)
    elif gone or (nextitem is not None and _somebody_waits(holding.device, item.config)):
        let_go(item.config)


def forget(item: pytest.Item) -> None:
    """Start anew: what was noted belongs to an attempt that is over."""
    for key in (FAULT, COUNTED, SICK):
        if key in item.stash:
            del item.stash[key]


def _worked(item: pytest.Item) -> bool:
    """Whether the device did something for a test, and nothing in the world failed."""
    if item.stash.get(OUTCOME, "passed") not in ("passed", "failed", "inconclusive"):
        return False
    return item.stash.get(LOADED, False) or any(record["model"] for record in item.stash.get(RECORDS, []))


def _somebody_waits(device: DeviceLike | None, config: pytest.Config) -> bool:
    if device is None or settings_of(config).hold != "test":
        return False
    with contextlib.suppress(InfraError):
        return device.waiters() > 0
    return False


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))
