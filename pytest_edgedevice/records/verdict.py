"""The verdict of a run for a release job: may something ship, and which variant. See ``verdict-1.json`` for the schema.

Pure: from records and what pytest says of the run to plain JSON types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records.record import Record

SCHEMA = 1
MARK = "edge_verdict"
"""The key that holds the schema's number, and tells the file from any other."""


def verdict_of(records: Sequence[Record], *, exit_status: int, tested: bool, version: str, time: str) -> dict[str, Any]:
    """The document.

    Args:
        records: Of the whole run.
        exit_status: What pytest ends with; 0 where every test passed.
        tested: Whether a test that needs a device ran at all.
        version: Of this package.
        time: When the run ended, ISO 8601 in UTC.
    """
    outcomes = {str(record.get("outcome")) for record in records}
    undecided = "inconclusive" in outcomes  # also where policy has such a test end as xfailed
    if undecided and (not exit_status or outcomes <= {"passed", "skipped", "inconclusive"}):
        verdict = "inconclusive"
    else:
        verdict = "fail" if exit_status else "pass" if tested else "inconclusive"
    return {
        MARK: SCHEMA,
        "version": version,
        "time": time,
        "verdict": verdict,
        "exit_status": exit_status,
        "failed": sorted({_test(record) for record in records if record.get("outcome") not in ("passed", "skipped")}),
        "comparisons": [_comparison(record) for record in records if record["check"] == "variants"],
    }


def _comparison(record: Record) -> dict[str, Any]:
    numbers = record["numbers"]
    rows = [row for row in numbers.get("rows") or [] if isinstance(row, dict)]
    best = next((row for row in rows if row.get("best") is True), None)
    taken = ("variant", "file", "sha256", "size_bytes", "p50_ms", "p95_ms", "accuracy", "lower", "upper")
    return {
        "test": _test(record),
        "device": record["device"].get("name", ""),
        "verdict": record["verdict"],
        "outcome": record.get("outcome"),
        "message": record["message"],
        "dataset": numbers.get("dataset"),
        "metric": numbers.get("metric"),
        "limits": numbers.get("limits") or {},
        "best": None if best is None else {key: best.get(key) for key in taken},
        "pareto": [row.get("variant") for row in rows if row.get("pareto") is True],
        "rows": rows,
    }


def _test(record: Record) -> str:
    return str(record["test"])
