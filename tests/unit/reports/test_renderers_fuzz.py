"""Whatever a line of JSON can hold that is a record by its shape: every export takes it, and writes what it is for."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_edgedevice.history.cells import cells_of
from pytest_edgedevice.history.comparing import compare_runs
from pytest_edgedevice.history.index import History
from pytest_edgedevice.history.journal import JOURNAL, remember
from pytest_edgedevice.records import merge
from pytest_edgedevice.records.shape import record_of
from pytest_edgedevice.reports.renderers import parse_report
from tests.made_records import made

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = ["latency", "close", "size", "memory", "realtime", "faster", "metric", "accuracy", "odd"]
KEYS = st.sampled_from(
    ["p50_ms", "p95_ms", "budgets", "quantile", "lower_ms", "outputs", "max_abs_error", "samples_ns", "judged_from",
     "batch", "value", "name", "unit", "at_least", "observed", "size_bytes", "ratio", "achieved_fps", "cold", "runs"]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
TEXTS = st.text(max_size=12)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    record = made(draw(st.sampled_from(CHECKS)), {}, test=draw(TEXTS), model=draw(TEXTS), device=draw(TEXTS))
    record["numbers"] = draw(st.dictionaries(KEYS, VALUES, max_size=6))
    record["device"]["facts"] = draw(st.dictionaries(st.sampled_from(["host", "model", "arch"]), VALUES, max_size=2))
    record["run"] = draw(st.dictionaries(st.sampled_from(["id", "commit", "devices"]), VALUES, max_size=3))
    record["verdict"], record["message"] = draw(TEXTS), draw(TEXTS)
    record["outcome"], record["time"] = draw(st.none() | TEXTS), draw(TEXTS)
    found: dict[str, Any] = record_of(json.dumps(record))
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(records(), max_size=3))
def test_every_export_takes_every_record(found: list[dict[str, Any]], tmp_path: Path) -> None:
    for name in ("json", "csv", "junit", "bencher", "pytest-benchmark"):
        parse_report(f"{name}={name}", tmp_path).write(found)
    ET.parse(tmp_path / "junit")
    for name in ("bencher", "pytest-benchmark"):
        json.loads((tmp_path / name).read_text(), parse_constant=pytest.fail)
    with (tmp_path / "csv").open(newline="", encoding="utf-8") as file:
        assert {len(row) for row in csv.reader(file)} == {13}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(records(), max_size=3))
def test_the_history_takes_every_record(found: list[dict[str, Any]], tmp_path: Path) -> None:
    merged = merge([("a", found), ("b", found)])
    compare_runs(found, merged.records, lambda *_: [])
    cells_of(found)
    (tmp_path / JOURNAL).unlink(missing_ok=True)
    remember(tmp_path, found)
    with History(tmp_path) as history:
        history.points()
        assert sum(run.records for run in history.runs()) <= len(found)
