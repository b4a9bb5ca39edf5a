"""Where the model ran: placement, operators, the device's facts, its own logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.records import plan_of
from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.failures import logs as logs_of
from pytest_edgedevice.reports.html.parts import Block, Row, Table, Value, number_value, pairs
from pytest_edgedevice.reports.html.reading import MOST_ITEMS, items, mapping, number, objects, text
from pytest_edgedevice.reports.html.svg.bars import share_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.reports.html.gathering import Cell


def placement(cell: Cell) -> Iterator[Block]:
    """Which operators ran where, and which took the time."""
    told: dict[str, object] = next((record["delegate"] for record in cell.records if record["delegate"]), {})
    tables = [one for one in (_placed(told), _left_over(told), *_operators(cell)) if one.rows]
    if tables:
        yield Block("Placement and operators", tables=tables)


def _placed(told: dict[str, object]) -> Table:
    if told.get("requested_only") is True:
        return _requested(told)
    nodes, taken = number(told.get("nodes")), number(told.get("delegated"))
    share = f"{taken:g} of {nodes:g}" if nodes is not None and taken is not None else ""
    return pairs(
        "Placement",
        [
            ("Asked for", text(told.get("requested"))),
            ("Proven", text(told.get("proven"))),
            ("Operators that it took", share),
            ("Pieces of the graph", wording.plain(told.get("partitions"))),
            ("Proof", text(told.get("evidence"))),
        ],
    )


def _requested(told: dict[str, object]) -> Table:
    return pairs(
        "Placement",
        [
            ("Asked for", text(told.get("requested"))),
            ("Proven", "nothing: the runtime takes a request and does not tell what it did"),
            ("Requested", text(told.get("proven"))),
            ("Planned operators", plan_of(told) or "the runtime told no plan"),
            ("What is known", text(told.get("evidence"))),
        ],
    )


def _left_over(told: dict[str, object]) -> Table:
    rows = [
        Row([Value(text(name), kind="name"), number_value(wording.plain(count), number(count))])
        for name, count in list(mapping(told.get("left_over")).items())[:MOST_ITEMS]
    ]
    return Table("Left to other kernels", ("Operator", "Count"), rows)


def _operators(cell: Cell) -> Iterator[Table]:
    for record in cell.of("profile")[:1]:
        rows = [
            Row(
                [
                    Value(text(one.get("name")), kind="name"),
                    Value(text(one.get("delegate"))),
                    number_value(wording.plain(one.get("count")), number(one.get("count"))),
                    number_value(wording.milliseconds(one.get("time_ms")), number(one.get("time_ms"))),
                    Value(
                        wording.percent(one.get("share")),
                        sort=number(one.get("share")),
                        kind="number",
                        bar=share_bar(number(one.get("share"))),
                    ),
                ]
            )
            for one in objects(record["numbers"].get("operators"))[:MOST_ITEMS]
        ]
        why = text(record["numbers"].get("reason"))
        total = wording.milliseconds(record["numbers"].get("total_ms"))
        note = f"not measured: {why}" if why else (total and f"{total} in all, while every operator is timed")
        yield Table("Slowest operators", ("Operator", "Ran on", "Count", "Time", "Share"), rows, note=note)


def facts(cell: Cell) -> Iterator[Block]:
    """The device, the engine, the model, and what had to be cleaned up before."""
    record = cell.records[0]
    told = [
        (text(name).replace("_", " "), text(value)) for name, value in mapping(record["device"].get("facts")).items()
    ]
    model = [
        ("Model", cell.model),
        ("SHA-256", cell.sha256),
        ("Engine", cell.engine),
        ("Threads", str(cell.threads or "")),
        ("Device", cell.device),
    ]
    cleaned = [text(one) for each in cell.records for one in items(each["device"].get("recovered"))]
    note = "Cleaned up before: " + ", ".join(dict.fromkeys(filter(None, cleaned))) if any(cleaned) else ""
    tables = [one for one in (pairs("Model and engine", model), pairs("Facts", told[:MOST_ITEMS])) if one.rows]
    if tables or note:
        yield Block("Device", note=note, tables=tables)


def logs(cell: Cell) -> Iterator[Block]:
    """What the device's own logs said of an error, each text once."""
    told = dict.fromkeys(log for record in cell.records for log in logs_of(record))
    for title, said in told:
        if said:
            yield Block(f"Log: {title}", text=said)
