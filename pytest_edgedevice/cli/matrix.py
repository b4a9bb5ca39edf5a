"""``edgedevice matrix``: which CI job runs on which runner with which device and delegate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.device import DELEGATES
from pytest_edgedevice.errors import ConfigError, UsageError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.spec import closest_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.inventory.entries import DeviceEntry

SCHEMA = 1
MOST_JOBS = 256
"""GitHub's limit of one matrix."""


def show_matrix(config: Path | None, *, devices: Sequence[str], delegates: Sequence[str], as_json: bool) -> None:
    """Print the jobs.

    Args:
        config: Device file; None searches for it.
        devices: Names of devices; empty ones are passed over, and none at all is every device that has labels.
        delegates: Delegates instead of the file's; empty ones are passed over.
        as_json: Print our own object instead of GitHub's.

    Raises:
        UsageError: No device has labels, a name is unknown, or there are more jobs than GitHub takes.
    """
    inventory = load_inventory(Path.cwd(), explicit=config)
    entries = _chosen(inventory.devices, [name for name in devices if name])
    asked = tuple(dict.fromkeys(name for name in delegates if name))
    jobs = [job for entry in entries for job in _jobs(entry, asked)]
    if len(jobs) > MOST_JOBS:
        raise UsageError(f"that makes {len(jobs)} jobs; {MOST_JOBS} are the most", hint="choose with --device")
    print(json.dumps({"schema": SCHEMA, "jobs": jobs} if as_json else {"include": jobs}))


def _chosen(known: Mapping[str, DeviceEntry], names: Sequence[str]) -> list[DeviceEntry]:
    for name in names:
        if name not in known:
            nearest = ", ".join(closest_first(name, tuple(known))) or "none"
            raise UsageError(f"no device is called {name!r}", hint=f"devices of the file, closest first: {nearest}")
    chosen = [known[name] for name in dict.fromkeys(names)] or [one for one in known.values() if one.labels]
    for entry in chosen:
        if not entry.labels:
            raise ConfigError(
                f"the device {entry.name!r} has no labels, so no runner is known for it",
                hint=f'add to [devices.{entry.name}]: labels = ["self-hosted", "{entry.name}"]',
            )
    if not chosen:
        hint = 'add to its table the labels of its runner: labels = ["self-hosted", "kitchen"]'
        raise ConfigError("no device of the device file has labels" if known else "there is no device file", hint=hint)
    return chosen


def _jobs(entry: DeviceEntry, asked: Sequence[str]) -> list[dict[str, Any]]:
    """A job a delegate; one with an empty delegate where the tests' markers name them."""
    delegates = asked or entry.delegates or ("",)
    for delegate in delegates:
        library = delegate.removeprefix("external:")
        if delegate and delegate not in DELEGATES and (library == delegate or not library):
            known = ", ".join(closest_first(delegate, DELEGATES))
            raise ConfigError(
                f"the device {entry.name!r}: {delegate!r} is no delegate",
                hint=f"delegates, closest first: {known}, external:PATH",
            )
    return [
        {
            "name": f"{entry.name} {delegate}".strip(),
            "device": entry.name,
            "delegate": delegate,
            "labels": list(entry.labels),
        }
        for delegate in delegates
    ]
