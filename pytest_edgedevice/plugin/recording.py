"""From evidence to records that travel with pytest's reports."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.device import Device
    from pytest_edgedevice.records import Record
    from pytest_edgedevice.values import Evidence

PROPERTY = "edge.record"
RECORDS = pytest.StashKey[list["Record"]]()
DEVICE = pytest.StashKey["Device"]()


def note_device(item: pytest.Item, device: Device) -> None:
    """Remember which device a test runs on, for its records, and tell those who wait for it."""
    item.stash[DEVICE] = device
    device.tell_waiters(item.nodeid)


def recorder(item: pytest.Item) -> Callable[[Evidence], None]:
    """A function that keeps a test's evidence as records."""
    return lambda evidence: keep(item, evidence)


def keep(item: pytest.Item, evidence: Evidence) -> None:
    """Make a record of one piece of evidence."""
    from pytest_edgedevice import __version__
    from pytest_edgedevice.records import build

    device = item.stash.get(DEVICE, None)
    if device and not evidence.device:  # the test's own number, computed without naming a model
        evidence = dataclasses.replace(evidence, device=device.name)
    record = build(
        evidence,
        test=item.nodeid,
        facts=device.facts if device else {},
        version=__version__,
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        worker=getattr(item.config, "workerinput", {}).get("workerid", ""),
    )
    item.stash.setdefault(RECORDS, []).append(record)


def keep_error(item: pytest.Item, error: Any) -> None:
    """Make a record of a test that an error of ours ended before a check could see anything."""
    from pytest_edgedevice.errors import InfraError, ModelError
    from pytest_edgedevice.values import Evidence

    check = "device" if isinstance(error, InfraError) else "model" if isinstance(error, ModelError) else "usage"
    keep(item, Evidence(check, "fail", str(error), {}))
