"""``edgedevice list`` and ``edgedevice who``: devices, their facts and their holders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.state import find, listed
from pytest_edgedevice.cli.text import printable, row

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.values import Fact

SCHEMA = 1
SUMMARY = ("arch", "cores", "memory_mb", "model", "gpu", "npu")
"""Facts of every device that people compare; flags and the owner's own facts follow."""
UNLISTED = "in no device file here: contributed by a conftest or a plugin, or used by others"


def show_devices(config: Path | None, *, as_json: bool) -> None:
    """Print every device.

    Raises:
        EdgeDeviceError: See ``listed``.
    """
    path, devices = listed(config)
    if as_json:
        content = [device.as_json() for device in devices]
        file = str(path) if path else None
        print(json.dumps({"schema": SCHEMA, "version": __version__, "file": file, "devices": content}))
        return
    names = max(len(device.name) for device in devices)
    specs = max(len(str(device.spec)) for device in devices)
    for device in devices:
        first, *others = device.clauses
        print(row(f"{device.name:{names}}  {device.spec}", first, indent=names + specs + 4))
        for clause in others:
            print(row("", clause, indent=names + specs + 4))
        print(row("", _summary(device.facts) or UNLISTED, indent=names + 2))
    print(f"\ndevice file: {printable(str(path))}" if path else "\nno edgedevice.toml in this folder or above it")


def show_holder(name: str, config: Path | None, *, as_json: bool) -> None:
    """Print who holds one device, who waits for it, and what is wrong with it.

    Raises:
        DeviceNotFoundError: There is no device of that name, or its kind cannot be driven.
        EdgeDeviceError: See ``listed``.
    """
    device = find(name, config)
    if as_json:
        print(json.dumps({"schema": SCHEMA, "version": __version__, "device": device.as_json()}))
        return
    for clause in device.clauses:
        print(f"{name} is {printable(clause)}")


def _summary(facts: Mapping[str, Fact]) -> str:
    flags = [name for name, value in facts.items() if value is True]
    first = [f"{name}={facts[name]}" for name in SUMMARY if name in facts]
    shown = {*flags, *SUMMARY, "name", "os"}
    return ", ".join([*flags, *first, *(f"{name}={value}" for name, value in facts.items() if name not in shown)])
