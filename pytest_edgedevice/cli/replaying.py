"""``edgedevice replay``: the same comparison with the same words, from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.close_numbers import evidence_numbers
from pytest_edgedevice.checks.close_text import failure_text
from pytest_edgedevice.cli.text import printable, printable_lines
from pytest_edgedevice.replay import read_kept

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCHEMA = 1


def replay(path: Path, changes: Mapping[str, Any], *, as_json: bool = False) -> bool:
    """Print what the comparison finds; whether both sides are close.

    Args:
        path: File of ``--edge-keep``.
        changes: Arguments of ``edge_check.close`` in the place of those of the check.
        as_json: Print one JSON object instead of text.

    Raises:
        UsageError: The file cannot be read, or an argument cannot be used.
    """
    kept = read_kept(path)
    if ("atol" in changes) != ("rtol" in changes):  # one alone means that the other is 0, as in a test
        changes = {"atol": None, "rtol": None, **changes}
    result = kept.compare(**changes)
    text = failure_text(result)
    info = kept.run.model
    if as_json:
        about = {"model": info.name, "sha256": info.sha256, "device": kept.run.device}
        about |= {"delegate": kept.run.placement.shown, "kept": kept.cut}
        found = {"passed": result.passed, "message": text, "numbers": evidence_numbers(result)}
        print(json.dumps({"schema": SCHEMA, "test": kept.test, **about, **found}, allow_nan=False))
        return result.passed
    where = f" on {kept.run.device}" if kept.run.device else ""
    print(printable(f"{kept.test}: {info.name} ({info.sha256[:12]}){where}, delegate {kept.run.placement.shown}"))
    if kept.cut:
        print(printable(f"  kept: {kept.cut}"))
    elements = sum(part.closeness.elements for part in result.outputs.values())
    print(printable_lines(text) if text else f"close: {elements} elements in {len(result.outputs)} outputs")
    return result.passed
