"""Which history, and which of its runs: ``last``, ``last~2``, or the beginning of an id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.history.journal import FOLDER, JOURNAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.history.index import PastRun

LAST = re.compile(r"last(?:~(\d{1,6}))?")
MOST_NAMED = 5


def find_folder(start: Path) -> Path:
    """The history of a project: in a folder or the nearest above it that has one."""
    for place in (start, *start.parents):
        if (place / FOLDER / JOURNAL).exists():
            return place / FOLDER
    return start / FOLDER


def choose(runs: Sequence[PastRun], name: str) -> PastRun:
    """One of the runs, the oldest of which is the first.

    Raises:
        UsageError: There is none of that name, or there are several.
    """
    if found := LAST.fullmatch(name):
        back = int(found[1] or 0)
        if back < len(runs):
            return runs[-1 - back]
        raise UsageError(f"there is no run {name!r}: the history has {len(runs)}")
    fitting = [run for run in runs if run.id.startswith(name)] if name else []
    if len(fitting) == 1:
        return fitting[0]
    named = ", ".join(run.id for run in (fitting or runs)[-MOST_NAMED:])
    what = "several runs begin with" if fitting else "no file and no run is called"
    raise UsageError(f"{what} {name!r}", hint=f"the newest {'of them' if fitting else 'runs'}: {named}")
