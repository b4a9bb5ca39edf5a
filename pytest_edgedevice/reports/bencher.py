"""Bencher's metric format (BMF): benchmark, measure, value with its bounds.

Source:
    https://bencher.dev/docs/reference/bencher-metric-format: names of benchmarks have at most
    1024 characters, those of measures 64.
"""

from __future__ import annotations

import json
import re
import statistics
import zlib
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records import measurements, write_text
from pytest_edgedevice.reports.naming import subject_of, told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Measurement, Record

MOST_MEASURE = 64
_UNSAID = re.compile(r"[^A-Za-z0-9 _.\[\]-]")
"""Signs of a metric's name that its slug loses, and that are more than what separates words."""


def write_bencher(records: Sequence[Record], path: Path) -> None:
    """Write the measurements of records; of several of one kind the middle one.

    Raises:
        InfraError: The file cannot be written.
    """
    found: dict[str, dict[str, list[Measurement]]] = {}
    for record in records:
        for one in measurements(record):
            benchmark = found.setdefault(told(subject_of(record).title), {})
            benchmark.setdefault(_measure(one.metric), []).append(one)
    content = {
        name: {measure: _metric(several) for measure, several in measures.items()} for name, measures in found.items()
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _measure(metric: str) -> str:
    """A slug, as Bencher makes one of a new measure's name: ``p95-ms``.

    Where it says less than the name, a checksum of that follows: two metrics must never be one measure.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", metric.lower()).strip("-")
    if len(slug) <= MOST_MEASURE and slug and not _UNSAID.search(metric):
        return slug
    checksum = f"{zlib.crc32(metric.encode('utf-8', 'replace')):08x}"
    return f"{slug[: MOST_MEASURE - 1 - len(checksum)].strip('-') or 'metric'}-{checksum}"


def _metric(several: Sequence[Measurement]) -> dict[str, Any]:
    middle = statistics.median_low([one.value for one in several])
    one = next(one for one in several if one.value == middle)
    bounds = {"lower_value": one.lower, "upper_value": one.upper}
    return {"value": one.value, **{name: bound for name, bound in bounds.items() if bound is not None}}
