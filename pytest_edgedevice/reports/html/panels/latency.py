"""How long the model takes: distribution, order, start, change against earlier runs, against another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.metrics import budgets_of
from pytest_edgedevice.reports.html.parts import Block, Figure, Row, Table, Value, number_value, outcome_value, pairs
from pytest_edgedevice.reports.html.reading import mapping, number, objects, series_ms, text
from pytest_edgedevice.reports.html.svg.series import histogram, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

OUTCOMES = {"pass": "passed", "fail": "failed", "warn": "inconclusive", "new": "passed"}


def blocks(cell: Cell) -> Iterator[Block]:
    """A block for each measurement, and each comparison of two models."""
    for record in cell.of("latency"):
        yield _latency(record)
    for record in cell.of("faster"):
        yield _faster(record)


def _latency(record: Record) -> Block:
    told = record["numbers"]
    tables = [_quantiles(record), _start(record)]
    if budgets := _budgets(record):
        tables.insert(0, budgets)
    if before := _baseline(record):
        tables.append(before)
    batch = number(told.get("batch")) or 1
    notes = [
        wording.counted(int(number(told.get("runs")) or 0), "run"),
        f"each a mean of {batch:g} inferences" if batch > 1 else "",
        f"after {wording.counted(int(number(told.get('warmup_runs')) or 0), 'warm-up run')}",
        "" if told.get("steady") is not False else "warm-up never settled",
        "on an emulator: these times say nothing of the device" if told.get("emulated") is True else "",
    ]
    note = ", ".join(filter(None, notes))
    return Block("Latency", note=note, figures=_figures(record), tables=[one for one in tables if one.rows])


def _figures(record: Record) -> list[Figure]:
    told = record["numbers"]
    values = series_ms(told.get("samples_ns"))
    if not values:
        return []
    judged_from = int(number(told.get("judged_from")) or 0)
    judged = values[judged_from:] if 0 < judged_from < len(values) else values
    quantiles = [(name, number(told.get(f"{name}_ms")), "quantile") for name in ("p50", "p95")]
    budgets = [(f"budget p{quantile * 100:g}", limit, "limit") for quantile, limit, _ in budgets_of(record)][:3]
    marks = [(name, value, kind) for name, value, kind in (*quantiles, *budgets) if value is not None]
    return [
        Figure("How often each latency was measured", histogram(judged, marks, label="distribution of latencies")),
        Figure(
            "Latency in the order of the runs",
            in_order(values, judged_from=judged_from, limits=budgets, label="latency of each run, in order"),
        ),
    ]


def _budgets(record: Record) -> Table | None:
    rows = []
    for one in objects(record["numbers"].get("budgets")):
        quantile = number(one.get("quantile"))
        name = f"p{quantile * 100:g}" if quantile is not None else wording.NOTHING
        bounds = [wording.milliseconds(one.get(side)) or wording.NOTHING for side in ("lower_ms", "upper_ms")]
        rows.append(_budget_row(name, one.get("budget_ms"), " to ".join(bounds), one))
    for one in objects(record["numbers"].get("singles")):
        seen = wording.milliseconds(one.get("observed_ms"))
        rows.append(_budget_row(text(one.get("what")), one.get("budget_ms"), seen, one))
    sure = number(record["numbers"].get("confidence"))
    interval = f"Seen ({wording.percent(sure)} interval)" if sure is not None else "Seen"
    return Table("Budgets", ("Of", "Budget", interval, "Outcome"), rows) if rows else None


def _budget_row(name: str, limit: object, seen: str, told: dict[str, object]) -> Row:
    outcome = OUTCOMES.get(text(told.get("verdict")), "inconclusive")
    why = text(told.get("reason"))
    return Row(
        [
            Value(name, kind="name"),
            number_value(wording.milliseconds(limit), number(limit)),
            Value(seen, kind="number"),
            Value(outcome, kind=f"outcome {outcome}", note=why),
        ]
    )


def _quantiles(record: Record) -> Table:
    told = record["numbers"]
    quantiles = [(f"p{name}", wording.milliseconds(told.get(f"p{name}_ms"))) for name in (50, 90, 95, 99)]
    drift = number(told.get("drift"))
    slower = f"{wording.percent(abs(drift))} {'slower' if drift > 0 else 'faster'} at the end" if drift else ""
    return pairs("Quantiles", [*quantiles, ("Drift", slower)])


def _start(record: Record) -> Table:
    told = record["numbers"]
    first = wording.milliseconds(told.get("first_ms"))
    if first and told.get("cold") is False:
        first += " (the model had run before)"
    warm = wording.milliseconds(told.get("p50_ms"))
    return pairs("Start", [("Load", wording.milliseconds(told.get("load_ms"))), ("First run", first), ("Warm", warm)])


def _baseline(record: Record) -> Table | None:
    before = mapping(record["numbers"].get("baseline"))
    median, usual = number(before.get("median_ms")), number(before.get("usual_ms"))
    if not before:
        return None
    change = f"{wording.percent(median / usual - 1)}" if median is not None and usual else ""
    return pairs(
        "Change against the baseline",
        [
            ("Median now", wording.milliseconds(median)),
            ("Usual median", wording.milliseconds(usual)),
            ("Change", f"+{change}" if change and not change.startswith("-") else change),
            ("Limit", wording.milliseconds(before.get("limit_ms"))),
            ("Earlier runs", wording.plain(before.get("runs"))),
            (
                "Says",
                text(before.get("reason"))
                or {"new": "the first run"}.get(text(before.get("verdict")), "no regression"),
            ),
        ],
    )


def _faster(record: Record) -> Block:
    told = record["numbers"]
    old = mapping(told.get("old"))
    bounds = [wording.times(told.get(side)) or wording.NOTHING for side in ("lower", "upper")]
    rows = [
        ("Compared with", f"{text(old.get('name'))} {text(old.get('proven'))}".strip()),
        ("Time of this one / time of that", wording.times(told.get("ratio"))),
        ("Interval", " to ".join(bounds)),
        ("Allowed", wording.times(told.get("at_most"))),
    ]
    values = [
        Row([Value(name, kind="name"), *(_block(value) for value in told.get(f"{name}_block_ms") or ())][:33])
        for name in ("new", "old")
        if isinstance(told.get(f"{name}_block_ms"), list)
    ]
    outcome = OUTCOMES.get(record["verdict"], "inconclusive")
    head = Table("", (), [*pairs("", rows).rows, Row([Value("Outcome", kind="name"), outcome_value(outcome)])])
    return Block("Against another model", tables=[head, Table("Median of each block", (), values)])


def _block(value: object) -> Value:
    return number_value(wording.milliseconds(value) or wording.NOTHING, number(value))
