"""What the model costs its device; what was not measured says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.parts import Block, Row, Table, Value, outcome_value
from pytest_edgedevice.reports.html.reading import mapping, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

CHECKS = ("memory", "cpu_load", "energy", "load_time")
NAMES = {"memory": "Memory", "cpu_load": "CPU load", "energy": "Energy of an inference", "load_time": "Load"}
PROBLEMS = {"memory": "memory", "cpu_load": "cpu", "energy": "energy", "load_time": "load"}
NOT_ASKED = "no test asked"


def blocks(cell: Cell) -> Iterator[Block]:
    """One table of all, where the cell's model ran; a test without a model costs nothing."""
    if not cell.model:
        return
    latest = {record["check"]: record for record in cell.records if record["check"] in CHECKS}
    found = next((mapping(one["numbers"].get("resources")) for one in latest.values() if _has(one)), {})
    rows = [_row(check, latest.get(check), found, cell) for check in CHECKS]
    size = cell.numbers.get("size")
    rows.append(
        Row([Value("Model size", kind="name"), Value(wording.size(size) or _not(NOT_ASKED)), Value(""), Value("")])
    )
    counter, source = text(found.get("memory_counter")), text(found.get("energy_source"))
    note = "; ".join(filter(None, [counter and f"memory by {counter}", source and f"energy by {source}"]))
    yield Block("Resources", note=note, tables=[Table("", ("Resource", "Measured", "Limit", "Outcome"), rows)])


def _has(record: Record) -> bool:
    return bool(mapping(record["numbers"].get("resources")))


def _row(check: str, record: Record | None, found: dict[str, Any], cell: Cell) -> Row:
    name = Value(NAMES[check], kind="name")
    if record is None:
        seen, why = _otherwise(check, found, cell)
        return Row([name, Value(seen or _not(why), kind="" if seen else "muted"), Value(""), Value("")])
    told = record["numbers"]
    worded = wording.unit(text(told.get("unit")))
    observed = number(told.get("observed"))
    seen = worded(observed) if observed is not None else _not(text(told.get("reason")) or "the record does not say")
    return Row(
        [
            name,
            Value(seen, sort=observed, kind="seen"),
            Value(worded(told.get("limit"))),
            outcome_value(record["shown"]),
        ]
    )


def _otherwise(check: str, found: dict[str, Any], cell: Cell) -> tuple[str, str]:
    """What another check saw of it, or why nobody knows."""
    if check == "load_time":
        return wording.milliseconds(cell.numbers.get("load")), NOT_ASKED
    seen = {
        "cpu_load": wording.unit("%")(found.get("cpu_load_percent")),
        "energy": wording.unit("mJ")(found.get("energy_mj")),
        "memory": _added(found),
    }[check]
    return seen, text(mapping(found.get("problems")).get(PROBLEMS[check])) or NOT_ASKED


def _added(found: dict[str, Any]) -> str:
    peak, before = number(found.get("peak_bytes")), number(found.get("before_load_bytes"))
    return wording.size(peak - before) if peak is not None and before is not None else ""


def _not(why: str) -> str:
    return f"not measured: {why}"
