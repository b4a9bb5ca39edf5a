"""Accuracy over a data set, by slice, with the worst samples; and variants that were compared by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html import variants, wording
from pytest_edgedevice.reports.html.parts import Block, Row, Table, Value, number_value, outcome_value, pairs
from pytest_edgedevice.reports.html.reading import MOST_ITEMS, number, objects, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

OUTCOMES = {"pass": "passed", "fail": "failed"}


def blocks(cell: Cell) -> Iterator[Block]:
    """A block for each data set and each comparison of variants."""
    for record in cell.of("accuracy"):
        yield _block(record)
    for record in cell.of("variants"):
        table = variants.compared(record)
        if table is not None:
            yield Block("Variants", tables=[table])


def _block(record: Record) -> Block:
    told = record["numbers"]
    title = " on ".join(filter(None, [text(told.get("metric")) or "Accuracy", text(told.get("dataset"))]))
    seconds = number(told.get("seconds"))
    head = pairs(
        "",
        [
            ("Value", wording.plain(told.get("value"))),
            ("Interval", _interval(told)),
            ("At least", wording.plain(told.get("at_least"))),
            ("Samples", wording.plain(told.get("samples"))),
            ("Time", f"{wording.significant(seconds)} s" if seconds is not None else ""),
        ],
    )
    tables = [head, _slices(told), _worst(told)]
    return Block(f"Accuracy: {title}", tables=[one for one in tables if one.rows])


def _interval(told: dict[str, Any]) -> str:
    bounds = [wording.plain(told.get(side)) for side in ("lower", "upper")]
    sure = wording.percent(told.get("confidence"))
    return f"{' to '.join(bounds)}{f' at {sure}' if sure else ''}" if all(bounds) else ""


def _slices(told: dict[str, Any]) -> Table:
    rows = []
    for one in objects(told.get("slices"))[:MOST_ITEMS]:
        outcome = OUTCOMES.get(text(one.get("verdict")), text(one.get("verdict")) and "inconclusive")
        rows.append(
            Row(
                [
                    Value(text(one.get("tag")), kind="name"),
                    number_value(wording.plain(one.get("samples")), number(one.get("samples"))),
                    number_value(wording.plain(one.get("value")), number(one.get("value"))),
                    Value(_interval(one)),
                    number_value(wording.plain(one.get("at_least")), number(one.get("at_least"))),
                    outcome_value(outcome) if outcome else Value(wording.NOTHING),
                ]
            )
        )
    return Table("Slices", ("Tag", "Samples", "Value", "Interval", "At least", "Outcome"), rows)


def _worst(told: dict[str, Any]) -> Table:
    rows = [
        Row(
            [
                Value(text(one.get("id")), kind="name"),
                number_value(wording.plain(one.get("score")), number(one.get("score"))),
            ]
        )
        for one in objects(told.get("worst"))[:MOST_ITEMS]
    ]
    return Table("Worst samples", ("Sample", "Score"), rows)
