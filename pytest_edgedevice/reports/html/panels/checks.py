"""What was checked, in a line each; and checks that this report knows nothing of, as they are."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.gathering import short_test
from pytest_edgedevice.reports.html.metrics import budgets_of
from pytest_edgedevice.reports.html.parts import Block, Row, Table, Value, outcome_value, pairs
from pytest_edgedevice.reports.html.reading import leaves, mapping, number, objects, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

KNOWN = {"close", "latency", "size", "metric", "memory", "cpu_load", "energy", "load_time", "realtime", "profile"}
KNOWN |= {"faster", "accuracy", "variants", "stages", "device", "model", "usage", "worker", "skip", "test"}
MOST_LEAVES = 60


def checks(cell: Cell) -> Iterator[Block]:
    """All checks of the cell."""
    rows = [
        Row(
            [
                Value(record["check"] or wording.NOTHING, kind="name"),
                Value(short_test(record["test"])),
                Value(_seen(record)),
                Value(_asked(record)),
                outcome_value(record["shown"]),
            ]
        )
        for record in cell.records
    ]
    repeated = next((record["repeated"] for record in cell.records if record["repeated"]), "")
    note = f"Repeated, as the first attempt ended with: {repeated}" if repeated else ""
    yield Block("Checks", tables=[Table("", ("Check", "Test", "Seen", "Asked", "Outcome"), rows)], note=note)


def _seen(record: Record) -> str:
    worded = _SEEN.get(record["check"])
    if worded is not None:
        return worded(record["numbers"])
    told = record["numbers"]
    observed = wording.unit(text(told.get("unit")))(told.get("observed"))
    return observed or text(told.get("reason")) or text(record["message"].partition("\n")[0])


def _latency(told: dict[str, Any]) -> str:
    return f"p50 {wording.milliseconds(told.get('p50_ms'))}, p95 {wording.milliseconds(told.get('p95_ms'))}"


def _close(told: dict[str, Any]) -> str:
    outputs = objects(told.get("outputs"))
    wrong = sum(one.get("close") is False for one in outputs)
    close = "all close" if outputs and all(one.get("close") is True for one in outputs) else ""
    return ", ".join(filter(None, [wording.counted(len(outputs), "output"), f"{wrong} not close" if wrong else close]))


def _value(told: dict[str, Any]) -> str:
    name = text(told.get("name")) or text(told.get("metric"))
    return f"{name} {wording.plain(told.get('value'))} {text(told.get('unit'))}".strip()


def _realtime(told: dict[str, Any]) -> str:
    return f"{wording.plain(told.get('achieved_fps'))} fps, {wording.percent(told.get('dropped_share'))} dropped"


_SEEN: dict[str, Callable[[dict[str, Any]], str]] = {
    "latency": _latency,
    "close": _close,
    "metric": _value,
    "accuracy": _value,
    "realtime": _realtime,
    "size": lambda told: wording.size(told.get("size_bytes")),
    "faster": lambda told: f"{wording.times(told.get('ratio'))} the time",
    "profile": lambda told: (
        f"{wording.milliseconds(told.get('total_ms'))} in {len(objects(told.get('operators')))} types"
    ),
    "stages": lambda told: f"p95 {wording.milliseconds(mapping(told.get('p95_ms')).get('total')) or wording.NOTHING}",
    "variants": lambda told: f"best: {text(told.get('best')) or 'none'}",
}


def _asked(record: Record) -> str:
    told = record["numbers"]
    stages = [text(one.get("stage")) for one in objects(told.get("budgets"))]
    budgets = [
        f"{stage} p{quantile * 100:g} < {wording.milliseconds(limit)}".strip()
        for stage, (quantile, limit, _) in zip(stages, budgets_of(record), strict=False)
    ]
    singles = [
        f"{text(one.get('what'))} < {wording.milliseconds(one.get('budget_ms'))}"
        for one in objects(told.get("singles"))
    ]
    bounds = [
        f"{sign} {worded(told.get(name))}"
        for name, sign, worded in (
            ("at_least", "\N{GREATER-THAN OR EQUAL TO}", wording.plain),
            ("at_most", "\N{LESS-THAN OR EQUAL TO}", wording.plain),
            ("max_bytes", "\N{LESS-THAN OR EQUAL TO}", wording.size),
            ("limit", "\N{LESS-THAN OR EQUAL TO}", wording.unit(text(told.get("unit")))),
        )
        if number(told.get(name)) is not None
    ]
    return ", ".join([*budgets, *singles, *bounds])


def unknown(cell: Cell) -> Iterator[Block]:
    """Checks of newer versions and of other plugins: every value that they recorded."""
    for record in cell.records:
        if record["check"] not in KNOWN and record["numbers"]:
            told = list(itertools.islice(leaves(record["numbers"]), MOST_LEAVES))
            yield Block(record["check"] or "Numbers", tables=[pairs("", told)])
