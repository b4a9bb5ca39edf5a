"""How the model kept up with a stream of frames, and what each stage of a sample takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.parts import Block, Figure, Row, Table, Value, number_value, pairs
from pytest_edgedevice.reports.html.reading import mapping, number, objects, series_ms, text
from pytest_edgedevice.reports.html.svg.series import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell


OUTCOMES = {"pass": "passed", "fail": "failed"}
STAGES = {
    "before": "Pre-processing",
    "inference": "Inference",
    "after": "Post-processing",
    "total": "All stages together",
}


def blocks(cell: Cell) -> Iterator[Block]:
    """A block for each stream, and each measurement of stages."""
    for record in cell.of("realtime"):
        yield _block(record)
    for record in cell.of("stages"):
        yield _stages(record)


def _block(record: Record) -> Block:
    told = record["numbers"]
    quantile = number(told.get("age_quantile"))
    name = f"Age p{quantile * 100:g}" if quantile is not None else "Age"
    allowed = [wording.percent(told.get("max_drop")), wording.milliseconds(told.get("max_age_ms"))]
    rows = [
        ("Frames a second", f"{wording.plain(told.get('achieved_fps'))} of {wording.plain(told.get('fps'))} offered"),
        ("Frames", f"{wording.plain(told.get('processed'))} of {wording.plain(told.get('offered'))} processed"),
        ("Dropped", _within(wording.percent(told.get("dropped_share")), allowed[0])),
        (name, _within(wording.milliseconds(told.get("age_ms")), allowed[1])),
        ("Age p50", wording.milliseconds(told.get("age_p50_ms"))),
        ("Oldest", wording.milliseconds(told.get("age_max_ms"))),
        ("Jitter", wording.milliseconds(told.get("jitter_ms"))),
        ("Device began late (p95)", wording.milliseconds(told.get("wake_p95_ms"))),
        ("CPU load", wording.unit("%")(told.get("cpu_load_percent"))),
        ("Says", text(told.get("reason"))),
    ]
    ages = series_ms(told.get("age_samples_ns"))
    limit = number(told.get("max_age_ms"))
    marks = [("allowed", limit, "limit")] if limit is not None else []
    drawn = in_order(ages, judged_from=0, limits=marks, label="age of each result, in order") if ages else ""
    return Block(
        "Stream", tables=[pairs("", rows)], figures=[Figure("Age of each result, in order", drawn)] if drawn else ()
    )


def _stages(record: Record) -> Block:
    told = record["numbers"]
    medians, tails = mapping(told.get("p50_ms")), mapping(told.get("p95_ms"))
    budgets = {text(one.get("stage")): one for one in objects(told.get("budgets"))}
    rows = []
    for stage in list(dict.fromkeys([*medians, *tails]))[:20]:
        asked = budgets.get(text(stage), {})
        outcome = OUTCOMES.get(text(asked.get("verdict")), "inconclusive") if asked else ""
        rows.append(
            Row(
                [
                    Value(STAGES.get(stage, text(stage)), kind="name"),
                    number_value(wording.milliseconds(medians.get(stage)), number(medians.get(stage))),
                    number_value(wording.milliseconds(tails.get(stage)), number(tails.get(stage))),
                    number_value(wording.milliseconds(asked.get("budget_ms")), number(asked.get("budget_ms"))),
                    Value(outcome, kind=f"outcome {outcome}", note=text(asked.get("reason"))) if outcome else Value(""),
                ]
            )
        )
    return Block("Stages", tables=[Table("", ("Stage", "p50", "p95", "Budget", "Outcome"), rows)])


def _within(seen: str, allowed: str) -> str:
    return f"{seen} ({allowed} allowed)" if seen and allowed else seen
