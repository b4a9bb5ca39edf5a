"""The same model on every device and delegate: how long it takes, and what a delegate is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.parts import Row, Table, Value, number_value, outcome_value
from pytest_edgedevice.reports.html.svg.bars import latency_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.reports.html.gathering import Cell

REFERENCES = ("cpu", "reference", "xnnpack", "cpu_only")
"""What a speed-up is against: the first of these that the device ran."""


def tables(cells: Sequence[Cell]) -> list[Table]:
    """One table for each model and variant that was timed."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        if cell.model and "p50" in cell.numbers:
            groups.setdefault((cell.model, cell.variant), []).append(cell)
    return [_table(key, group) for key, group in groups.items()]


def _table(key: tuple[str, str], cells: Sequence[Cell]) -> Table:
    most = max(cell.numbers.get(name, 0) for cell in cells for name in ("p50", "p95"))
    base: dict[str, Cell] = {}
    for cell in sorted(cells, key=lambda one: REFERENCES.index(one.proven) if one.proven in REFERENCES else 9):
        if cell.proven in REFERENCES:
            base.setdefault(cell.device, cell)
    rows = [Row(_values(cell, base.get(cell.device), most), cell) for cell in sorted(cells, key=_rank)]
    columns = ("Device", "Delegate", "p50 (thick) and p95 (thin)", "p50", "p95", "Speed-up", "Outcome")
    names = sorted({cell.proven for cell in base.values()})
    against = f"Speed-up is against {' or '.join(names)} on the same device." if names else ""
    return Table(" \N{MIDDLE DOT} ".join(filter(None, key)), columns, rows, note=against)


def _rank(cell: Cell) -> tuple[str, float]:
    return cell.device, cell.numbers["p50"]


def _values(cell: Cell, base: Cell | None, most: float) -> list[Value]:
    p50, p95 = cell.numbers["p50"], cell.numbers.get("p95")
    gain = base.numbers["p50"] / p50 if base is not None and p50 > 0 else None
    return [
        Value(cell.device or wording.NOTHING, kind="name", cell=cell),
        Value(cell.delegate or wording.NOTHING),
        Value("", sort=p50, kind="picture", bar=latency_bar(p50, p95, most)),
        number_value(wording.milliseconds(p50), p50),
        number_value(wording.milliseconds(p95), p95),
        number_value(wording.times(gain) or wording.NOTHING, gain),
        outcome_value(cell.outcome),
    ]
