"""Trends as files for Apache Otava, which looks for change points: a table a series, and a configuration of all.

Otava reads one column a metric, and every row must have a value, so that each series gets
a file of its own. Its configuration is YAML, of which JSON is a part.

Source:
    https://otava.apache.org/docs/csv: type, file, time_column, metrics with direction, attributes.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.history.trends import Trend

CONFIG = "otava.yaml"
DIRECTIONS = {"higher": 1, "lower": -1, "": 1}
MOST_NAME_CHARS = 100


def write_series(trends: Sequence[Trend], commits: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Write a table for each trend, and the configuration.

    Args:
        trends: At least one.
        commits: What each run tested, by its id.
        folder: Is made where it is not there; files of an earlier export are replaced.

    Returns:
        Otava's name of each series, and its table.

    Raises:
        InfraError: A file cannot be written.
    """
    found: dict[str, Path] = {}
    tests: dict[str, Any] = {}
    for trend in trends:
        name = _free_name(trend, found)
        found[name] = path = folder / f"{name}.csv"
        write_text(path, _table(trend, commits))
        tests[name] = {
            "type": "csv",
            "file": str(path),
            "time_column": "time",
            "attributes": ["commit", "run"],
            "metrics": {trend.metric: {"direction": DIRECTIONS[trend.better]}},
        }
    write_text(folder / CONFIG, json.dumps({"tests": tests}, indent=2) + "\n")
    return found


def _table(trend: Trend, commits: Mapping[str, str]) -> str:
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("time", "commit", "run", trend.metric))
    rows.writerows((past.time, commits.get(past.run, ""), past.run, repr(past.value)) for past in trend.past)
    return text.getvalue()


def _free_name(trend: Trend, taken: Mapping[str, Path]) -> str:
    """Of harmless signs, as it is the name of a file too, and what is typed to have the series looked at."""
    words = f"{trend.cell} {trend.metric}".lower()
    stem = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:MOST_NAME_CHARS].strip("-") or "series"
    number = 1
    while (name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return name
