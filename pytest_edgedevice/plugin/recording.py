"""From evidence to records that travel with pytest's reports."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.plugin.blame import fault_in, is_infra

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.records import Record
    from pytest_edgedevice.values import Evidence

EVENTS = ("taken over from ", "lost and back")
"""How clauses of ``Device.recovered`` begin that say what happened; what was done about it follows."""
PROPERTY = "edge.record"
NOTE_PROPERTY = "edge.note"
RECORDS = pytest.StashKey[list["Record"]]()
DEVICE = pytest.StashKey["DeviceLike"]()
RECOVERED: pytest.StashKey[tuple[str, ...]] = pytest.StashKey()
"""What had to be cleaned up on the device before the test."""
REPEATED = pytest.StashKey[str]()
"""The error of the first attempt of a test that was repeated because its device was lost."""
FAULT: pytest.StashKey[Any] = pytest.StashKey()
"""The first fault of the device in the test."""
CONDITIONS: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
"""Conditions of the device before the test, where its link can tell."""
LOADED = pytest.StashKey[bool]()
"""Whether the test loaded a model."""
OUTCOME = pytest.StashKey[str]()
NOTES = pytest.StashKey[list[tuple[str, bool]]]()
"""Lines for the end of the run, and whether each is bad news."""


def note_device(item: pytest.Item, device: DeviceLike) -> None:
    """Remember which device a test runs on, for its records, and tell those who wait for it."""
    item.stash[DEVICE] = device
    item.stash[CONDITIONS] = _conditions_of(device)
    device.tell_waiters(item.nodeid)


def note_conditions_after(item: pytest.Item) -> None:
    """Ask for a device's conditions once more when its test has ended, and keep them in all of the test's records."""
    from pytest_edgedevice.records import with_conditions_after

    records, before = item.stash.get(RECORDS, []), item.stash.get(CONDITIONS, {})
    if not records or not before:
        return
    after = _conditions_of(item.stash[DEVICE])
    if after:
        item.stash[RECORDS] = [with_conditions_after(record, after) for record in records]


def _conditions_of(device: DeviceLike) -> dict[str, Any]:
    """What a device's link tells of its conditions; not every device can, and none has to while it is lost."""
    from pytest_edgedevice.errors import EdgeDeviceError

    with contextlib.suppress(AttributeError, EdgeDeviceError):
        return dict(device.conditions())  # type: ignore[attr-defined]
    return {}


def note_recovery(item: pytest.Item, device: DeviceLike, news: tuple[str, ...]) -> None:
    """Keep for the test's records, and for the end of the run, what had to be cleaned up before it."""
    if not news:
        return
    item.stash[RECOVERED] = (*item.stash.get(RECOVERED, ()), *news)
    starts = [0, *(number for number, text in enumerate(news) if number and text.startswith(EVENTS))]
    for start, end in itertools.pairwise([*starts, len(news)]):
        first, *done = news[start:end]
        add_note(item, f"{device.name} was {first}: {', '.join(done) or 'nothing was left there'}; healthy")


def add_note(item: pytest.Item, text: str, *, bad: bool = False) -> None:
    """Say something at the end of the run; it travels with the test's last report."""
    item.stash.setdefault(NOTES, []).append((text, bad))


def note_error(item: pytest.Item, error: BaseException) -> None:
    """Remember the first fault of the device in a test."""
    from pytest_edgedevice.errors import DEVICE_FAULTS

    fault = fault_in(error, DEVICE_FAULTS)
    if fault is not None and FAULT not in item.stash:
        item.stash[FAULT] = fault


def recorder(item: pytest.Item) -> Callable[[Evidence], None]:
    """A function that keeps a test's evidence as records."""
    return lambda evidence: keep(item, evidence)


def made_now(evidence: Evidence, **more: Any) -> Record:
    """A record of this version and moment; ``more`` is what else ``records.build`` takes."""
    from pytest_edgedevice import __version__
    from pytest_edgedevice.records import build

    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    return build(evidence, version=__version__, time=time, **more)


def keep(item: pytest.Item, evidence: Evidence, device_log: Mapping[str, str] | None = None) -> None:
    """Make a record of one piece of evidence, with what the device's own logs said of it."""
    device = item.stash.get(DEVICE, None)
    if device and not evidence.device:  # the test's own number, computed without naming a model
        evidence = dataclasses.replace(evidence, device=device.name)
    recovered: tuple[str, ...] = item.stash.get(RECOVERED, ())
    record = made_now(
        evidence,
        test=item.nodeid,
        facts=device.facts if device else {},
        recovered=recovered,
        repeated=item.stash.get(REPEATED, ""),
        conditions={"before": before} if device and (before := item.stash.get(CONDITIONS, {})) else {},
        device_log=device_log,
        worker=getattr(item.config, "workerinput", {}).get("workerid", ""),
    )
    item.stash.setdefault(RECORDS, []).append(record)


def keep_error(item: pytest.Item, error: Any) -> None:
    """Make a record of a test that an error of ours ended before a check could see anything."""
    from pytest_edgedevice.errors import ModelError
    from pytest_edgedevice.values import Evidence

    check = "device" if is_infra(error) else "model" if isinstance(error, ModelError) else "usage"
    keep(item, Evidence(check, "fail", str(error), {}), getattr(error, "details", None))
