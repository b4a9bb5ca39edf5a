"""``edgedevice compare``: two runs, a row for each cell, and what is more than noise."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.text import complain, printable
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.history.choosing import choose, find_folder
from pytest_edgedevice.history.comparing import compare_runs
from pytest_edgedevice.history.index import History
from pytest_edgedevice.records import read_what_is_there
from pytest_edgedevice.reports.columns import display_width, fit
from pytest_edgedevice.reports.figures import value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.history.cells import Cell
    from pytest_edgedevice.history.comparing import Change, Compared
    from pytest_edgedevice.records import Record

SCHEMA = 1
COLUMNS = {"p50": "p50_ms", "p95": "p95_ms", "error": "max_abs_error", "size": "size_bytes"}
GAP = "  "
MOST_SHARE = 10.0
"""From ten times on percent are no help."""


def compare(before: str, after: str, *, folder: Path | None, as_json: bool) -> bool:
    """Print the comparison; whether something was compared and nothing became worse.

    Args:
        before: The older run: a file, or what ``choose`` understands.
        after: The newer run.
        folder: Of the history; by default this project's.
        as_json: Print one JSON object instead of text.

    Raises:
        EdgeDeviceError: A run is not there, or cannot be read.
    """
    with contextlib.ExitStack() as open_ones:
        past = _Past(folder, open_ones)
        old, new = past.records(before), past.records(after)
        found = compare_runs(old, new, past.earlier)
    both = [one for one in found if one.before is not None and one.after is not None]
    if as_json:
        rows = [{**asdict(one), "regressed": one.regressed} for one in found]
        print(json.dumps({"schema": SCHEMA, "before": before, "after": after, "cells": rows}, allow_nan=False))
    else:
        for line in [*_table(found), *_notes(found), _summary(found, len(both))]:
            print(line)
    return bool(both) and not any(one.regressed for one in found)


class _Past:
    """The runs that were named, and the history, which is opened only where something needs it."""

    def __init__(self, folder: Path | None, open_ones: contextlib.ExitStack) -> None:
        self._folder = folder or find_folder(Path.cwd())
        self._named = folder is not None
        self._open_ones = open_ones
        self._history: History | None = None
        self._newer = ""

    def records(self, name: str) -> Sequence[Record]:
        """Records of a file or of a run."""
        if Path(name).is_file():
            lines = read_what_is_there(Path(name))
            complain(lines.faults)
            if not lines.records:
                raise UsageError(f"{name!r} holds no records", hint="write them with: pytest --edge-report json=PATH")
            return lines.records
        run = choose(self._opened().runs(), name)
        self._newer = run.id  # of the two the last one that is asked for
        return self._opened().records_of(run)

    def earlier(self, cell: Cell, machine: str, metric: str) -> list[float]:
        """What runs before the newer one measured; nothing where there is no history."""
        try:
            history = self._opened()
        except UsageError:
            if self._named:
                raise
            return []
        values = history.values(cell, machine, metric)
        runs = itertools.takewhile(lambda run: run != self._newer, values)
        return [values[run] for run in runs]

    def _opened(self) -> History:
        if self._history is None:
            self._history = self._open_ones.enter_context(History(self._folder))
        return self._history


def _table(found: Sequence[Compared]) -> list[str]:
    heading = ["model, variant, device, delegate", *COLUMNS, "verdict"]
    rows = [heading, *(_row(one) for one in found)]
    widths = [max(display_width(row[number]) for row in rows) for number in range(len(heading))]
    room = shutil.get_terminal_size().columns - sum(widths[1:]) - len(GAP) * (len(widths) - 1)
    if sys.stdout is not None and sys.stdout.isatty():
        widths[0] = max(min(widths[0], room), 20)
    return [GAP.join(fit(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(one: Compared) -> list[str]:
    found = [one.change(metric) for metric in COLUMNS.values()]
    gone = one.after is None  # its verdict says so
    cells = [value_text(change.before, change.unit) if gone and change else _moved(change) for change in found]
    return [printable(str(one.cell)), *cells, _verdict(one)]


def _moved(change: Change | None) -> str:
    """The newer value, the change in percent with its sign, and ``!`` where that is more than noise."""
    if change is None:
        return ""
    if change.after is None:
        return f"{value_text(change.before, change.unit)} -> none"
    text = value_text(change.after, change.unit)
    if change.before is None or change.before == change.after:
        return text
    small = change.share is not None and abs(change.share) < MOST_SHARE
    moved = f"{change.share:+.1%}" if small else f"from {value_text(change.before, change.unit)}"
    return f"{text} {moved}{'!' if change.beyond else ''}"


def _verdict(one: Compared) -> str:
    if one.before is None:
        return f"new: {one.after}"
    if one.after is None:
        return f"gone, was {one.before}"
    return f"{one.before} -> {one.after}" if one.before != one.after else str(one.after)


def _notes(found: Sequence[Compared]) -> list[str]:
    """What the columns have no room for: other numbers beyond their noise, and another delegate that ran."""
    lines = []
    for one in found:
        others = [change for change in one.changes if change.metric not in COLUMNS.values() and change.beyond]
        notes = [f"{printable(change.metric)} {_both(change)}" for change in others]
        if all(one.proven) and one.proven[0] != one.proven[1]:
            notes.append(printable(f"ran on {one.proven[1]}, before on {one.proven[0]}"))
        lines += [f"  {printable(str(one.cell))}: {', '.join(notes)}"] if notes else []
    return ["", *lines] if lines else []


def _both(change: Change) -> str:
    before, after = (value_text(value, change.unit) for value in (change.before, change.after))
    return f"{before} -> {after}" + (" worse" if change.worse else "")


def _summary(found: Sequence[Compared], both: int) -> str:
    if not both:
        return "\nnothing to compare: the runs have no model, device and delegate in common"
    worse = [one for one in found if one.regressed]
    noise = [change.runs for one in found for change in one.changes if change.runs]
    known = f"noise by up to {max(noise)} earlier runs" if noise else "noise not known (ten runs tell), 10 % assumed"
    said = f"{len(worse)} of {both} became worse" if worse else f"none of {both} became worse"
    return f"\n{said}; ! is more than noise; {known}"
