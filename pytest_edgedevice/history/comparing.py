"""Two runs against each other: what changed, by how much, and whether that is more than noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.history.cells import GRAVITY, Content, cells_of
from pytest_edgedevice.history.regression import ALLOWED, ALLOWED_UNKNOWN, robustly_usual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_edgedevice.history.cells import Cell
    from pytest_edgedevice.records import Record
    from pytest_edgedevice.records.measurements import Better

    Earlier = Callable[[Cell, str, str], Sequence[float]]
    """From cell, machine and metric to the values of earlier runs, the oldest first."""

EXACT = ("size_bytes", "max_abs_error")
"""Metrics without noise of their own: the same model on the same engine gives the same again."""
LAST_RUNS = 20
"""Earlier runs that a new one is held against."""
TWO_RUNS = 2**0.5
"""Two single runs are so much further apart than one is from what is usual."""


@dataclass(frozen=True, slots=True)
class Change:
    """One metric of a cell in both runs.

    Attributes:
        metric: Its name.
        unit: Of the values.
        before, after: None where a run does not have it.
        share: ``after / before - 1``; None where one is missing or ``before`` is 0.
        allowed: The share that is noise.
        runs: Earlier runs that say so; 0 where none do, and it is assumed.
        beyond: Whether the change is more than noise.
        worse: Whether it is more than noise, and for the worse.
    """

    metric: str
    unit: str
    before: float | None
    after: float | None
    share: float | None
    allowed: float
    runs: int
    beyond: bool
    worse: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """One cell in both runs.

    Attributes:
        cell: What it is.
        before, after: The gravest outcome in each run; None where a run does not have the cell.
        proven: The delegates that ran, before and after.
        changes: Of every metric that either run has.
    """

    cell: Cell
    before: str | None
    after: str | None
    proven: tuple[str, str]
    changes: tuple[Change, ...]

    @property
    def worse_outcome(self) -> bool:
        """Whether what passed does not pass any more; to be skipped is no judgement."""
        known = self.before is not None and self.after not in (None, "passed", "skipped")
        return known and GRAVITY.index(str(self.after)) > GRAVITY.index(str(self.before))

    @property
    def regressed(self) -> bool:
        """Whether the cell became worse in any respect."""
        return self.worse_outcome or any(change.worse for change in self.changes)

    def change(self, metric: str) -> Change | None:
        """The change of a metric, where either run has it."""
        return next((one for one in self.changes if one.metric == metric), None)


def compare_runs(before: Iterable[Record], after: Iterable[Record], earlier: Earlier) -> list[Compared]:
    """Compare two runs cell by cell, in the order of the older one.

    A test that no check speaks for in either run is there only if both have it and it ended
    otherwise: it has no numbers, and the history does not keep it.

    Args:
        before: Records of the older run.
        after: Records of the newer run.
        earlier: What was measured before, for the noise.
    """
    old, new = cells_of(before), cells_of(after)
    every = {cell: (old.get(cell), new.get(cell)) for cell in dict.fromkeys([*old, *new])}
    return [_compared(cell, *both, earlier) for cell, both in every.items() if _tells(*both)]


def _tells(old: Content | None, new: Content | None) -> bool:
    if any(one is not None and one.checked for one in (old, new)):
        return True
    return old is not None and new is not None and old.outcome != new.outcome


def _compared(cell: Cell, old: Content | None, new: Content | None, earlier: Earlier) -> Compared:
    metrics = dict.fromkeys([*(old.found if old else ()), *(new.found if new else ())])
    changes = tuple(_change(cell, metric, old or Content(), new or Content(), earlier) for metric in metrics)
    proven = (", ".join(old.proven) if old else "", ", ".join(new.proven) if new else "")
    return Compared(cell, old.outcome if old else None, new.outcome if new else None, proven, changes)


def _change(cell: Cell, metric: str, old: Content, new: Content, earlier: Earlier) -> Change:
    before, after = old.value(metric), new.value(metric)
    has = new if metric in new.found else old
    unit = has.unit(metric)
    if before is None or after is None:
        return Change(metric, unit, before, after, None, 0.0, 0, beyond=False, worse=False)
    allowed, runs = _noise(metric, () if metric in EXACT else earlier(cell, has.machine, metric))
    share = after / before - 1 if before else None
    beyond = not _within(before, after, allowed)
    worse = beyond and is_worse(after, before, has.better(metric))
    return Change(metric, unit, before, after, share, allowed, runs, beyond, worse)


def _noise(metric: str, earlier: Sequence[float]) -> tuple[float, int]:
    if metric in EXACT:
        return ALLOWED, 0
    if not earlier:
        return ALLOWED_UNKNOWN, 0
    found = robustly_usual(earlier[-LAST_RUNS:])
    return ((1 + found.allowed) ** TWO_RUNS - 1 if found.known else ALLOWED_UNKNOWN), found.runs if found.known else 0


def _within(before: float, after: float, allowed: float) -> bool:
    """Whether two values are as close as noise; those of opposite sign are not."""
    low, high = sorted((abs(before), abs(after)))
    return before == after or (before * after > 0 and high <= low * (1 + allowed))


def is_worse(value: float, than: float, better: Better) -> bool:
    """Whether a value is on the worse side of another one; never where nobody said which side that is."""
    return (better == "lower" and value > than) or (better == "higher" and value < than)
