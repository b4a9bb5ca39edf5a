"""The same measurement over many runs, and whether the newest one is a regression."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.history.cells import Cell
from pytest_edgedevice.history.comparing import LAST_RUNS, is_worse
from pytest_edgedevice.history.regression import robustly_usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.history.regression import Usual
    from pytest_edgedevice.records.measurements import Better


@dataclass(frozen=True, slots=True)
class Past:
    """A cell's value in one run.

    Attributes:
        run: Its id.
        time: When it was measured, ISO 8601 in UTC.
        value: The middle one, where a run measured several.
        verdict: Of the check.
        engine: Runtime and version.
    """

    run: str
    time: str
    value: float
    verdict: str
    engine: str


@dataclass(frozen=True, slots=True)
class Trend:
    """One metric of one cell on one machine, the oldest run first.

    Attributes:
        cell: What was measured.
        machine: What tells two devices of one name apart.
        metric: Its name.
        unit: Of the values.
        better: Which direction is better.
        past: At least one.
    """

    cell: Cell
    machine: str
    metric: str
    unit: str
    better: Better
    past: tuple[Past, ...]

    @property
    def usual(self) -> Usual | None:
        """What the runs before the newest show; None where there is none."""
        return usual_of([one.value for one in self.past[:-1]])

    @property
    def regressed(self) -> bool:
        """Whether the newest run is worse than those before it, beyond their noise, which has to be known."""
        return regressed(self.past[-1].value, self.usual, self.better)


def usual_of(earlier: Sequence[float]) -> Usual | None:
    """What is usual by the last ``LAST_RUNS`` of earlier values."""
    return robustly_usual(earlier[-LAST_RUNS:]) if earlier else None


def regressed(value: float, usual: Usual | None, better: Better) -> bool:
    """The rule: worse than the median of the last runs, by more than their MAD allows; from ten runs on."""
    return usual is not None and usual.known and usual.is_beyond(value) and is_worse(value, usual.value, better)


def trends_of(points: Iterable[tuple[str, dict[str, Any]]]) -> list[Trend]:
    """Gather the index's points by what they are of.

    Args:
        points: Id of the run and columns, the oldest run first; see ``History.points``.
    """
    groups: dict[tuple[Cell, str, str], dict[str, list[dict[str, Any]]]] = {}
    for run, one in points:
        cell = Cell(one["model"], one["variant"], one["device"], one["delegate"], one["threads"])
        groups.setdefault((cell, one["machine"], one["metric"]), {}).setdefault(run, []).append(one)
    return [_trend(*key, runs) for key, runs in groups.items()]


def _trend(cell: Cell, machine: str, metric: str, runs: dict[str, list[dict[str, Any]]]) -> Trend:
    past = tuple(
        Past(run, last["time"], statistics.median(one["value"] for one in several), last["verdict"], last["engine"])
        for run, several in runs.items()
        for last in several[-1:]
    )
    newest = list(runs.values())[-1][-1]
    return Trend(cell, machine, metric, newest["unit"], newest["better"], past)
