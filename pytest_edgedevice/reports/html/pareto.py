"""What each device offers between fast and right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.metrics import OWN, budgets_of
from pytest_edgedevice.reports.html.parts import Figure
from pytest_edgedevice.reports.html.svg.scatter import SHAPES, Point, scatter
from pytest_edgedevice.reports.html.wording import milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.reports.html.gathering import Cell
    from pytest_edgedevice.reports.html.metrics import Metric

MOST_DEVICES = 24
MOST_MEASURES = 2
MOST_BUDGETS = 3
MOST_POINTS = 400
QUANTILES = {0.5: "p50", 0.95: "p95", 0.99: "p99"}


def figures(cells: Sequence[Cell], metrics: Sequence[Metric], kinds: dict[str, int]) -> list[Figure]:
    """One picture for each device and measure of being right, where there is anything to see.

    Args:
        cells: All.
        metrics: Those that there are.
        kinds: Variant to the number of its colour and shape.
    """
    quantile = _quantile(cells)
    latency = QUANTILES[quantile]
    found = []
    for measure in _measures(metrics)[:MOST_MEASURES]:
        by_device: dict[str, list[Cell]] = {}
        for cell in cells:
            if cell.model and {latency, measure.name} <= cell.numbers.keys():
                by_device.setdefault(cell.device, []).append(cell)
        several = [(device, by_device[device]) for device in sorted(by_device) if len(by_device[device]) > 1]
        for device, group in several[:MOST_DEVICES]:
            found.append(_figure(device, group[:MOST_POINTS], measure, quantile=quantile, kinds=kinds))
    return found


def kinds_of(cells: Sequence[Cell]) -> dict[str, int]:
    """Variants with a number each; beyond as many as can be told apart they share the last one."""
    variants = dict.fromkeys(cell.variant for cell in cells if cell.model)
    return {variant: min(place, len(SHAPES) - 1) for place, variant in enumerate(variants)}


def _measures(metrics: Sequence[Metric]) -> list[Metric]:
    """Accuracy first, then what the tests call good when it is high, then the error."""
    named = {one.name: one for one in metrics}
    own = [one for one in metrics if one.name.startswith(OWN) and not one.low]
    return [one for one in (named.get("accuracy"), *own[:1], named.get("error")) if one is not None]


def _quantile(cells: Sequence[Cell]) -> float:
    """The quantile that most budgets are of; the p95 where there are none."""
    asked = Counter(quantile for cell in cells for one in cell.of("latency") for quantile, _, _ in budgets_of(one))
    return next((quantile for quantile, _ in asked.most_common() if quantile in QUANTILES), 0.95)


def _figure(device: str, cells: Sequence[Cell], measure: Metric, *, quantile: float, kinds: dict[str, int]) -> Figure:
    latency = QUANTILES[quantile]
    asked = Counter(limit for cell in cells for one in cell.of("latency") for what, limit, _ in budgets_of(one)
                    if what == quantile)  # fmt: skip
    budgets = [(f"budget {milliseconds(limit)}", limit) for limit, _ in asked.most_common(MOST_BUDGETS)]
    points = [_point(cell, latency, measure, kinds) for cell in cells]
    svg = scatter(
        points,
        budgets,
        low=measure.low,
        x_text=milliseconds,
        y_text=measure.worded,
        names=(f"latency {latency}", measure.label),
    )
    return Figure(device or "no device", svg)


def _point(cell: Cell, latency: str, measure: Metric, kinds: dict[str, int]) -> Point:
    x, y = cell.numbers[latency], cell.numbers[measure.name]
    title = f"{cell.what}, {cell.delegate}: {milliseconds(x)}, {measure.worded(y)}, {cell.outcome}"
    stem = cell.what.rpartition(".")[0] or cell.what
    label = f"{stem[:24]} {cell.delegate[:12]}"
    return Point(x, y, cell.place, cell.slug, kinds[cell.variant], cell.outcome != "passed", label, title)
