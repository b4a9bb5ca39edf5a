"""``edgedevice doctor``: does this host have what device tests need, and what is the remedy?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.checks import CHECKS, Finding, guarded
from pytest_edgedevice.cli.text import row
from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.inventory import Inventory, load_inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = 1
INDENT = 22


def doctor(config: Path | None, *, as_json: bool, board: str = "") -> bool:
    """Print what was found; whether anything is wrong.

    Args:
        config: The device file; None to search for it.
        as_json: Print one JSON object.
        board: Look at this board or phone, and not at this host.

    Raises:
        EdgeDeviceError: There is no board or phone of that name.
    """
    found = _of_board(board, config) if board else examine(config)
    if as_json:
        findings = list(found)
        wrong = sum(one.status == "wrong" for one in findings)
        content = [dataclasses.asdict(one) for one in findings]
        print(json.dumps({"schema": SCHEMA, "version": __version__, "wrong": wrong, "findings": content}))
        return bool(wrong)
    wrong = 0
    for one in found:
        wrong += one.status == "wrong"
        print(row(f"{one.status:7}  {one.about}", one.text, indent=INDENT), flush=True)
        if one.hint:
            print(row("", f"remedy: {one.hint}", indent=INDENT), flush=True)
    things = "1 thing is" if wrong == 1 else f"{wrong} things are"
    print(f"\n{things} wrong" if wrong else "\nnothing is wrong")
    return bool(wrong)


def examine(config: Path | None) -> Iterator[Finding]:
    """Look at everything, the device file first; none of it raises."""
    inventory = Inventory()
    try:
        inventory = load_inventory(Path.cwd(), explicit=config)
        yield Finding("device file", "ok", _described(inventory))
    except (EdgeDeviceError, OSError) as error:
        yield Finding("device file", "wrong", getattr(error, "message", str(error)), getattr(error, "hint", ""))
    for check in CHECKS:
        yield from guarded(check, inventory)


def _of_board(board: str, config: Path | None) -> Iterator[Finding]:
    from pytest_edgedevice.cli.boards.connecting import place_of
    from pytest_edgedevice.cli.boards.examining import examine_board
    from pytest_edgedevice.cli.examining_iphone import examine_iphone
    from pytest_edgedevice.cli.examining_phone import examine_phone

    inventory = load_inventory(Path.cwd(), explicit=config)
    spec = inventory.parse(board)
    entry = inventory.devices.get(spec.name) if spec.kind == "named" else None
    there = entry.spec if entry else spec
    if there.kind == "adb":
        return examine_phone(board, there, entry)
    if there.kind == "ios":
        return examine_iphone(board, there, entry)
    return examine_board(place_of(board, config))


def _described(inventory: Inventory) -> str:
    if inventory.path is None:
        return "no edgedevice.toml in this folder or above it, so there is one device: local"
    return f"{inventory.path} is valid and names {len(inventory.devices)}: {', '.join(inventory.devices) or 'none'}"
