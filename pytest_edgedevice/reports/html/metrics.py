"""The numbers that cells are compared by: what they are called, their unit, and which direction is better."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.reading import mapping, number, objects, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

MOST_OWN_METRICS = 6
OWN = "metric "
"""How the names of the users' own metrics begin."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a cell may have.

    Attributes:
        name: For the page's own use.
        label: For people.
        unit: How the page words it: ``ms``, ``bytes``, ``percent``, ``times`` or ``plain``.
        low: Whether less is better.
        suffix: Unit of a plain number.
    """

    name: str
    label: str
    unit: str
    low: bool = True
    suffix: str = ""

    def worded(self, value: float | None) -> str:
        """A value with its unit; empty without one."""
        if value is None:
            return ""
        if self.unit == "plain":
            return wording.unit(self.suffix)(value)
        words: dict[str, Callable[[Any], str]] = {
            "ms": wording.milliseconds,
            "bytes": wording.size,
            "percent": wording.percent,
            "times": wording.times,
        }
        return words[self.unit](value)


METRICS = (
    Metric("p50", "p50", "ms"),
    Metric("p95", "p95", "ms"),
    Metric("p99", "p99", "ms"),
    Metric("budget", "Share of budget", "percent"),
    Metric("error", "Largest error", "plain"),
    Metric("accuracy", "Accuracy", "plain", low=False),
    Metric("size", "Model size", "bytes"),
    Metric("memory", "Memory", "plain", suffix="MB"),
    Metric("load", "Load", "ms"),
    Metric("first", "First run", "ms"),
    Metric("cpu", "CPU load", "plain", suffix="%"),
    Metric("energy", "Energy", "plain", suffix="mJ"),
    Metric("fps", "Frames a second", "plain", low=False),
    Metric("dropped", "Frames dropped", "percent"),
    Metric("ratio", "Time / compared model", "times"),
    Metric("baseline", "Change against baseline", "percent"),
)


def measure(cells: Sequence[Cell]) -> list[Metric]:
    """Fill in every cell's numbers; the metrics that any cell has, in the order in which they are shown."""
    for cell in cells:
        cell.numbers = {name: value for name, value in _numbers(cell).items() if value is not None}
    have = {name for cell in cells for name in cell.numbers}
    own = Counter(name for cell in cells for name in cell.numbers if name.startswith(OWN))
    users = [_own(name, cells) for name, _ in own.most_common(MOST_OWN_METRICS)]
    known = [_accuracy(cells) if one.name == "accuracy" else one for one in METRICS if one.name in have]
    return known + users


def usual(metrics: Sequence[Metric]) -> Metric | None:
    """The number that stands for a cell until somebody chooses another."""
    named = {one.name: one for one in metrics}
    return named.get("p95") or named.get("p50") or next(iter(metrics), None)


def _accuracy(cells: Iterable[Cell]) -> Metric:
    """By the name of the data sets' metric where all have the same; an error rate is good where it is low."""
    told = [record["numbers"] for cell in cells for record in cell.of("accuracy")]
    names = {text(one.get("metric")) for one in told}
    low = all(one.get("higher_is_better") is False for one in told)
    return Metric("accuracy", (len(names) == 1 and names.pop()) or "Accuracy", "plain", low=low)


def _own(name: str, cells: Iterable[Cell]) -> Metric:
    """A metric of the user's own: more is better, unless it has only an upper bound."""
    asked = [one["numbers"] for cell in cells for one in cell.of("metric") if OWN + _name(one) == name]
    low = any(number(one.get("at_most")) is not None for one in asked)
    high = any(number(one.get("at_least")) is not None for one in asked)
    return Metric(name, name.removeprefix(OWN), "plain", low=low and not high, suffix=text(asked[0].get("unit")))


def _name(record: Record) -> str:
    return text(record["numbers"].get("name")) or "metric"


def _numbers(cell: Cell) -> dict[str, float | None]:
    """Where several records have a number, the gravest one's counts, and of these the latest."""
    found: dict[str, float | None] = {"size": None}
    for record in reversed(cell.of(*_READERS)):
        found.update({name: value for name, value in _READERS[record["check"]](record).items() if value is not None})
    if found["size"] is None:
        sizes = [number(one["model"].get("size_bytes")) for one in cell.records]
        found["size"] = next((one for one in sizes if one is not None), None)
    return found


def _latency(record: Record) -> dict[str, float | None]:
    told = record["numbers"]
    before = mapping(told.get("baseline"))
    median, usual = number(before.get("median_ms")), number(before.get("usual_ms"))
    return {
        **{name: number(told.get(f"{name}_ms")) for name in ("p50", "p95", "p99", "load", "first")},
        "budget": max(filter(None, map(budget_share, budgets_of(record))), default=None),
        "baseline": median / usual - 1 if median is not None and usual else None,
    }


def budgets_of(record: Record) -> list[tuple[float, float, float | None]]:
    """Quantile, budget and what was seen, milliseconds."""
    told, found = record["numbers"], []
    for one in objects(told.get("budgets")):
        quantile, limit = number(one.get("quantile")), number(one.get("budget_ms"))
        if quantile is not None and limit is not None and limit > 0 and 0 < quantile < 1:
            seen = number(told.get(f"p{quantile * 100:g}_ms"))
            found.append((quantile, limit, number(one.get("upper_ms")) if seen is None else seen))
    return found


def budget_share(budget: tuple[float, float, float | None]) -> float | None:
    """How much of a budget is used."""
    _, limit, seen = budget
    return None if seen is None else seen / limit


def _close(record: Record) -> dict[str, float | None]:
    errors = [number(one.get("max_abs_error")) for one in objects(record["numbers"].get("outputs"))]
    return {"error": max((one for one in errors if one is not None), default=None)}


def _observed(name: str) -> Callable[[Record], dict[str, float | None]]:
    return lambda record: {name: number(record["numbers"].get("observed"))}


def _realtime(record: Record) -> dict[str, float | None]:
    told = record["numbers"]
    return {"fps": number(told.get("achieved_fps")), "dropped": number(told.get("dropped_share"))}


_READERS: dict[str, Callable[[Record], dict[str, float | None]]] = {
    "latency": _latency,
    "close": _close,
    "size": lambda record: {"size": number(record["numbers"].get("size_bytes"))},
    "memory": _observed("memory"),
    "cpu_load": _observed("cpu"),
    "energy": _observed("energy"),
    "load_time": _observed("load"),
    "realtime": _realtime,
    "faster": lambda record: {"ratio": number(record["numbers"].get("ratio"))},
    "accuracy": lambda record: {"accuracy": number(record["numbers"].get("value"))},
    "metric": lambda record: {OWN + _name(record): number(record["numbers"].get("value"))},
}
