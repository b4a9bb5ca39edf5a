"""One row a measurement, for tools that look for change points, and for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from pytest_edgedevice.records import measurements, write_text
from pytest_edgedevice.reports.naming import commit_of, subject_of, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record

COLUMNS = ("time", "commit", "model", "variant", "device", "delegate", "metric", "value", "unit", "proven", "threads",
           "verdict", "test")  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula when a cell begins with it; names come from elsewhere."""


def write_csv(records: Sequence[Record], path: Path) -> None:
    """Write the measurements of records, the oldest first, as RFC 4180 has it.

    Raises:
        InfraError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for record in sorted(records, key=lambda one: str(one.get("time", ""))):
        rows.writerows(_rows(record))
    write_text(path, text.getvalue())


def _rows(record: Record) -> Iterator[tuple[str | int | float, ...]]:
    about = subject_of(record)
    for one in measurements(record):
        yield (
            *map(_cell, (str(record.get("time", "")), commit_of(record), about.model, about.variant, about.device)),
            *(_cell(about.delegate), _cell(one.metric), repr(one.value), _cell(one.unit), _cell(about.proven)),
            *(about.threads, _cell(record["verdict"]), _cell(about.test)),
        )


def _cell(text: str) -> str:
    text = told(text)
    return f"'{text}" if text.startswith(FORMULA) else text
