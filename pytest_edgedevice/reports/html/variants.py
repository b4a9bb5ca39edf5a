"""What a conversion costs and gains: variants of one model side by side, on one device and delegate."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.gathering import short_test
from pytest_edgedevice.reports.html.metrics import OWN
from pytest_edgedevice.reports.html.parts import Row, Table, Value, number_value, outcome_value
from pytest_edgedevice.reports.html.reading import items, mapping, number, objects, text
from pytest_edgedevice.reports.html.svg.bars import share_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell
    from pytest_edgedevice.reports.html.metrics import Metric

ORDER = ("float32", "float16", "dynamic_int8", "weight_int8", "int16", "int8")
"""From the reference on; others follow by name."""
_WORDS = re.compile(
    r"(?i)(?<![a-z0-9])(float(32|16)?|fp?(32|16)|bf16|dynamic|weights?|only|u?int(8|16)|quant(ized)?|full|range|[wai](8|16))(?![a-z0-9])"
)
_MISSING = Value(wording.NOTHING, kind="number muted")


def family(model: str) -> str:
    """A model's name without its ending and the words that tell conversions apart."""
    stem, dot, ending = model.rpartition(".")
    kept = _WORDS.sub("", stem.replace("_", " _") if dot else model)
    return re.sub(r"[\W_]+", " ", kept).strip().lower() or (stem if dot else ending)


def tables(cells: Sequence[Cell], metrics: Sequence[Metric]) -> list[Table]:
    """What tests compared themselves, and one table for each model, device and delegate with more than one variant."""
    groups: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        if cell.model:
            groups.setdefault((family(cell.model), cell.device, cell.delegate), []).append(cell)
    made = [table for cell in cells for record in cell.of("variants") if (table := compared(record)) is not None]
    several = {key: group for key, group in groups.items() if len({cell.variant for cell in group}) > 1}
    return made + [_table(key, sorted(group, key=_rank), metrics) for key, group in several.items()]


def _rank(cell: Cell) -> tuple[int, str, str]:
    return (ORDER.index(cell.variant) if cell.variant in ORDER else len(ORDER), cell.variant, cell.model)


def _table(key: tuple[str, str, str], cells: Sequence[Cell], metrics: Sequence[Metric]) -> Table:
    known = {name for cell in cells for name in cell.numbers}
    right = [one for one in metrics if one.name in known and (one.name == "accuracy" or _is_gain(one))]
    shown = [one for one in metrics if one.name in known and one.name in ("size", "p50", "p95", "error")]
    shown.sort(key=lambda one: ("size", "p50", "p95", "error").index(one.name))
    most = {one.name: max(cell.numbers.get(one.name, 0) for cell in cells) for one in shown}
    columns = ["Variant and model", *(one.label for one in shown)]
    if "p50" in known:
        columns.insert(1 + [one.name for one in shown].index("p50") + 1, "Speed-up")
    columns += [label for one in right for label in (one.label, "Loss")] + ["Outcome"]
    rows = [Row(_values(cell, cells[0], shown, right, most), cell) for cell in cells]
    reference = f"Speed-up and loss are against {cells[0].variant or cells[0].what}, the first row."
    return Table(" \N{MIDDLE DOT} ".join(filter(None, key)), columns, rows, note=reference)


def _is_gain(metric: Metric) -> bool:
    return metric.name.startswith(OWN) and not metric.low


def _values(
    cell: Cell, first: Cell, shown: Sequence[Metric], right: Sequence[Metric], most: dict[str, float]
) -> list[Value]:
    values = [Value(cell.variant or wording.NOTHING, kind="name", cell=cell, note=cell.model)]
    for one in shown:
        value = cell.numbers.get(one.name)
        if value is None:
            values.append(_MISSING)
        else:
            bar = share_bar(value / most[one.name]) if one.name != "p95" and most[one.name] > 0 else ""
            values.append(Value(one.worded(value), sort=value, kind="number", bar=bar))
        if one.name == "p50":
            values.append(_ratio(first.numbers.get("p50"), value))
    for one in right:
        values += _loss(one, first.numbers.get(one.name), cell.numbers.get(one.name))
    return [*values, outcome_value(cell.outcome)]


def _ratio(before: float | None, after: float | None) -> Value:
    if before is None or not after:
        return _MISSING
    return number_value(wording.times(before / after), before / after)


def _loss(metric: Metric, before: float | None, after: float | None) -> list[Value]:
    if after is None:
        return [_MISSING, _MISSING]
    loss = _MISSING if before is None else number_value(wording.plain(before - after), before - after)
    return [number_value(metric.worded(after), after), loss]


def compared(record: Record) -> Table | None:
    """The table that a check of variants made itself."""
    told = objects(record["numbers"].get("rows"))
    if not told:
        return None
    best = text(record["numbers"].get("best"))
    columns = ["Variant", "File", "Size", "p50", "p95", "Speed-up", "Accuracy", "Loss", "Largest error", "Admissible"]
    limits = ", ".join(
        f"{text(name)} {text(value)}" for name, value in mapping(record["numbers"].get("limits")).items()
    )
    note = ". ".join(filter(None, [limits and f"Limits: {limits}", best and f"Best: {best}"]))
    title = " \N{MIDDLE DOT} ".join(
        filter(None, ["Compared by a test", short_test(record["test"]), text(record["device"].get("name"))])
    )
    return Table(title, columns, [Row(_compared(one, best)) for one in told], note=note)


def _compared(one: dict[str, Any], best: str) -> list[Value]:
    name = text(one.get("variant"))
    marks = ["best"] * (bool(name) and name == best) + ["Pareto front"] * (one.get("pareto") is True)
    why = "; ".join(filter(None, map(text, items(one.get("reasons")))))
    bounds = [number(one.get(side)) for side in ("lower", "upper")]
    interval = f"[{wording.plain(bounds[0])}, {wording.plain(bounds[1])}]" if None not in bounds else ""
    words = (
        ("size_bytes", wording.size),
        ("p50_ms", wording.milliseconds),
        ("p95_ms", wording.milliseconds),
        ("speed_up", wording.times),
        ("accuracy", wording.plain),
        ("loss", wording.plain),
        ("max_abs_error", wording.plain),
    )
    values = [Value(name, kind="name", note=", ".join(marks)), Value(text(one.get("file")))]
    for key, worded in words:
        value = number(one.get(key))
        note = interval if key == "accuracy" else ""
        values.append(_MISSING if value is None else Value(worded(value), sort=value, kind="number", note=note))
    fits = one.get("admissible")
    return [*values, Value(text(fits) if isinstance(fits, bool) else wording.NOTHING, note=why)]
