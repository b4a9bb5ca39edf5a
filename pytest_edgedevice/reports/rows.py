"""Records of one test and model gathered into one row: what every table shows, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records import UNCHECKED
from pytest_edgedevice.reports.cells import SEVERITY, attempt_of, cells_of, identity_of, outcome_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records import Record

Attempt = tuple[str, str, str]
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
    "memory",
    "also",
    "size",
    "verdict",
)
"""In the order of every table."""


@dataclass(slots=True)
class Row:
    """One line of the table.

    Attributes:
        outcome: The gravest of its records', which colours it.
        cells: Text by column.
        repeated: Whether its test ran twice.
        checked: Whether there was any check; else its test was skipped, or passed without one.
        records: What it was made of.
    """

    outcome: str
    cells: dict[str, str] = field(default_factory=dict)
    repeated: bool = False
    checked: bool = False
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Take what one more record of the same test and model says."""
        self.records.append(record)
        self.outcome = max(self.outcome, outcome_of(record), key=lambda outcome: SEVERITY.get(outcome, 0))
        self.repeated |= bool(record.get("repeated"))
        self.checked |= record["check"] not in UNCHECKED or self.outcome not in ("passed", "skipped")
        found = cells_of(record)
        if "also" in found and "also" in self.cells:
            found["also"] = f"{self.cells['also']}, {found['also']}"
        self.cells.update(found)

    def finish(self, *, failed: bool) -> None:
        """Write the verdict; ``failed`` where the test failed and none of its checks did."""
        self.outcome = max(self.outcome, "failed", key=SEVERITY.__getitem__) if failed else self.outcome
        self.cells["verdict"] = self.outcome + (", repeated" if self.repeated else "")


def rows(records: Sequence[Record]) -> list[Row]:
    """Gather records of one test and model into one row each, in the order of the records.

    A record that speaks of no model, such as the test's own number or the loss of the
    device, joins the row before it if that is of the same attempt. Where a test failed by an
    ``assert`` of its own, all its rows did, and the record that says so needs none of its own.
    """
    gathered: dict[tuple[Any, ...], Row] = {}
    latest: dict[Attempt, Row] = {}
    of_attempts: dict[Attempt, dict[Any, Row]] = {}
    failed = {attempt_of(record) for record in records if record.get("outcome") == "failed"}
    by_itself = {attempt_of(record) for record in records if record["check"] == "test" and record["verdict"] == "fail"}
    for record in records:
        model, delegate, attempt = record.get("model") or {}, record.get("delegate") or {}, attempt_of(record)
        key = (attempt[0], model.get("sha256"), delegate.get("requested"), record["device"].get("name"))
        row = latest.get(attempt) if not model else None
        if row is not None and record["check"] == "test":
            continue
        if row is None:
            row = gathered.setdefault(key, Row(outcome_of(record), identity_of(record)))
            of_attempts.setdefault(attempt, {})[key] = row
        row.add(record)
        latest[attempt] = row
    for attempt, several in of_attempts.items():
        unsaid = attempt in failed and all(row.outcome == "passed" for row in several.values())  # in older records
        for row in several.values():
            row.finish(failed=unsaid or attempt in by_itself)
    return list(gathered.values())
