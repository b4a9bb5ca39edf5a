"""Bencher's metric format (BMF): benchmark, measure, value with its bounds.

Source:
    https://bencher.dev/docs/reference/bencher-metric-format: names of benchmarks have at most
    1024 characters, those of measures 64.
"""

from __future__ import annotations

import json
import re
import statistics
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records import measurements, write_text
from pytest_edgedevice.reports.naming import subject_of, told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Measurement, Record

MOST_BENCHMARK, MOST_MEASURE = 1024, 64


def write_bencher(records: Sequence[Record], path: Path) -> None:
    """Write the measurements of records; of several of one kind the middle one.

    Raises:
        InfraError: The file cannot be written.
    """
    found: dict[str, dict[str, list[Measurement]]] = {}
    for record in records:
        for one in measurements(record):
            benchmark = found.setdefault(told(subject_of(record).title)[:MOST_BENCHMARK], {})
            benchmark.setdefault(_measure(one), []).append(one)
    content = {
        name: {measure: _metric(several) for measure, several in measures.items()} for name, measures in found.items()
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _measure(one: Measurement) -> str:
    """A slug, as Bencher makes one of a new measure's name: ``p95-ms``."""
    return re.sub(r"[^a-z0-9]+", "-", one.metric.lower()).strip("-")[:MOST_MEASURE].strip("-") or "metric"


def _metric(several: Sequence[Measurement]) -> dict[str, Any]:
    middle = statistics.median_low([one.value for one in several])
    one = next(one for one in several if one.value == middle)
    bounds = {"lower_value": one.lower, "upper_value": one.upper}
    return {"value": one.value, **{name: bound for name, bound in bounds.items() if bound is not None}}
