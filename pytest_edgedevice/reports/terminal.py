"""The closing table: one row a test and model, as wide as the terminal allows.

A pure function of records; colours and printing are the plugin's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.columns import display_width, fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records import Record

COLUMNS = (
    "test",
    "model",
    "variant",
    "device",
    "delegate",
    "p50",
    "p95",
    "budget",
    "error",
    "size",
    "verdict",
)
DISPENSABLE = ("size", "variant", "p50", "device", "error", "budget", "model", "delegate", "p95")
"""Left out in this order where the terminal is too narrow."""
GAP = "  "
LEAST_TEST_WIDTH = 28
SEVERITY = {"passed": 0, "skipped": 1, "inconclusive": 2, "failed": 3, "infra": 4}


@dataclass(slots=True)
class Row:
    """One line of the table: text by column, the outcome that colours it, and whether its test ran twice."""

    outcome: str
    cells: dict[str, str] = field(default_factory=dict)
    repeated: bool = False


def rows(records: Sequence[Record]) -> list[Row]:
    """Gather records of one test and model into one row each, in the order of the records.

    A record that speaks of no model, such as the test's own number or the loss of the
    device, joins the row before it if that is of the same test.
    """
    gathered: dict[tuple[Any, ...], Row] = {}
    latest: dict[str, Row] = {}
    for record in records:
        model, delegate, test = record.get("model") or {}, record.get("delegate") or {}, str(record["test"])
        key = (test, model.get("sha256"), delegate.get("requested"), record["device"].get("name"))
        row = latest.get(test) if not model else None
        row = row or gathered.setdefault(key, Row(_outcome(record), _identity(record)))
        row.outcome = max(row.outcome, _outcome(record), key=lambda outcome: SEVERITY.get(outcome, 0))
        row.cells.update(_numbers(record))
        row.repeated |= bool(record.get("repeated"))
        row.cells["verdict"] = row.outcome + (", repeated" if row.repeated else "")
        latest[test] = row
    return list(gathered.values())


def table(records: Sequence[Record], *, width: int) -> list[tuple[str, str]]:
    """Lines with the outcome that each belongs to; the first is the heading, with an empty outcome.

    Args:
        records: Records of schema 1.
        width: Columns that the terminal has.
    """
    body = rows(records)
    if not body:
        return []
    widths = {
        name: max(display_width(name), *(display_width(row.cells.get(name, "")) for row in body))
        for name in COLUMNS
        if any(row.cells.get(name) for row in body)
    }
    for name in DISPENSABLE:
        if _needed(widths) <= width:
            break
        widths.pop(name, None)
    widths["test"] = _test_width(widths, width)
    lines = [(_line({name: name for name in widths}, widths), "")]
    lines += [(_line(row.cells, widths), row.outcome) for row in body]
    return lines


def _outcome(record: Record) -> str:
    """The check's own verdict; ``infra`` where the world failed and no verdict can say so.

    In a test that was skipped, or failed as expected, no verdict counts: pytest is green there.
    """
    if record.get("outcome") == "skipped":
        return "skipped"
    if record["check"] == "device" or (record.get("outcome") == "infra" and record["verdict"] != "fail"):
        return "infra"
    return {"pass": "passed", "fail": "failed"}.get(record["verdict"], str(record["verdict"]))


def _identity(record: Record) -> dict[str, str]:
    model, delegate = record.get("model") or {}, record.get("delegate") or {}
    return {
        "test": _clean(_short(record["test"])),
        "model": _clean(model.get("name", "")),
        "variant": _clean(model.get("variant", "")),
        "device": _clean(record["device"].get("name", "")),
        "delegate": _delegate(delegate),
        "size": _bytes(model.get("size_bytes")),
    }


def _short(test: str) -> str:
    """The function's name and its parameters, which may hold colons themselves."""
    place, bracket, parameters = test.partition("[")
    return (place.rpartition("::")[2] or place) + bracket + parameters


def _delegate(delegate: Record) -> str:
    if not delegate:
        return ""
    proven, share = _clean(str(delegate.get("proven", ""))), ""
    if delegate.get("left_over"):
        share = f" {delegate.get('delegated')}/{delegate.get('nodes')}"
    return proven + share


def _numbers(record: Record) -> dict[str, str]:
    numbers = record["numbers"]
    cells: dict[str, str] = {}
    if record["check"] == "latency":
        cells = {"p50": _ms(numbers.get("p50_ms")), "p95": _ms(numbers.get("p95_ms"))}
        budgets = [one for one in numbers.get("budgets") or [] if isinstance(one, dict)]
        cells["budget"] = " ".join(_budget(one) for one in budgets)
    if record["check"] == "close":
        errors = [one.get("max_abs_error") for one in numbers.get("outputs") or [] if isinstance(one, dict)]
        known = [error for error in errors if isinstance(error, int | float)]
        cells["error"] = f"{max(known):.2g}" if known else ""
    if record["check"] == "size":
        cells["size"] = _bytes(numbers.get("size_bytes"))
    return cells


def _budget(budget: Record) -> str:
    quantile, limit = budget.get("quantile"), budget.get("budget_ms")
    if not isinstance(quantile, int | float) or not isinstance(limit, int | float):
        return ""
    return f"p{quantile * 100:g}<{limit:g} ms"


def _ms(value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:.3g} ms" if value >= 0.1 else f"{value * 1000:.3g} us"


def _bytes(size: Any) -> str:
    if not isinstance(size, int):
        return ""
    return f"{size / 1e6:.2f} MB" if size >= 1_000_000 else f"{size / 1e3:.1f} kB"


def _clean(value: Any) -> str:
    """Names come from files and devices: nothing in them may steer the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in str(value))[:120]


def _needed(widths: dict[str, int]) -> int:
    """Columns that the table takes with the test's name cut as far as it stays readable."""
    least = min(widths["test"], LEAST_TEST_WIDTH)
    return sum(widths.values()) - widths["test"] + least + len(GAP) * (len(widths) - 1)


def _test_width(widths: dict[str, int], width: int) -> int:
    """What is left for the test's name, which is at most as long as it needs."""
    spare = width - (_needed(widths) - min(widths["test"], LEAST_TEST_WIDTH))
    return max(min(widths["test"], spare), 1)


def _line(cells: dict[str, str], widths: dict[str, int]) -> str:
    return GAP.join(fit(cells.get(name, ""), columns) for name, columns in widths.items()).rstrip()
