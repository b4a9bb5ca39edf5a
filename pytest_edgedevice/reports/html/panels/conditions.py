"""In what state the device was: heat, clocks, load, before and after each test and while it was measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html.parts import Block, Figure, Row, Table, Value
from pytest_edgedevice.reports.html.reading import mapping, number, objects, text
from pytest_edgedevice.reports.html.svg.series import moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

DRAWN = (("temperature_c", "Temperature", "\N{DEGREE SIGN}C", 1.0), ("clock_khz", "Clock", "MHz", 1e-3))
"""Key, title, unit and factor of conditions that are drawn where they were told more than once."""
MOST_MOMENTS = 60


def blocks(cell: Cell) -> Iterator[Block]:
    """Of the measurement, or where there is none of the test."""
    measured = [_of_measurement(record) for record in cell.of("latency", "stages", "realtime", "profile")]
    around = [mapping(record["device"].get("conditions")) for record in cell.records]
    told = next(filter(None, [*measured, *around]), None)
    if told is None:
        return
    names = sorted(told, key=_order)[:MOST_MOMENTS]
    series = {name: mapping(told[name]) for name in names}
    disturbed = [
        text(one.get("text"))
        for record in cell.of("latency", "stages", "profile")
        for one in objects(_disturbances(record))
    ]
    note = "; ".join(dict.fromkeys(filter(None, disturbed)))
    yield Block("Conditions", note=note, figures=_figures(series), tables=[_table(series)])


def _of_measurement(record: Record) -> dict[str, Any]:
    return mapping(record["numbers"].get("conditions"))


def _disturbances(record: Record) -> Any:
    return record["numbers"].get("disturbances")


def _order(moment: str) -> tuple[int, int, str]:
    """Before, during by number, after."""
    found = re.fullmatch(r"during (\d{1,9})", moment)
    return {"before": 0, "after": 2}.get(moment, 1), int(found[1]) if found else 0, moment


def _figures(series: dict[str, dict[str, Any]]) -> list[Figure]:
    found = []
    for key, title, unit, factor in DRAWN:
        values = [(text(moment), number(told.get(key))) for moment, told in series.items()]
        told = [(moment, value * factor) for moment, value in values if value is not None]
        if len(told) > 1:
            found.append(Figure(title, moments(told, unit=unit, label=f"{title} over time")))
    return found


def _table(series: dict[str, dict[str, Any]]) -> Table:
    """The first, the last and the one in the middle: all of a long series are in the picture."""
    names = list(series)
    shown = list(dict.fromkeys([names[0], names[len(names) // 2], names[-1]]))
    keys = list(dict.fromkeys(key for name in shown for key in series[name]))[:40]
    rows = [
        Row([Value(text(key).replace("_", " "), kind="name"), *(Value(text(series[name].get(key))) for name in shown)])
        for key in keys
    ]
    return Table("", ("Condition", *map(text, shown)), rows)
