"""The table of renderers: what ``--edge-report`` and ``edgedevice merge --report`` can write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.records import write_lines
from pytest_edgedevice.reports.figures import sparkline, value_text
from pytest_edgedevice.reports.renderers import parse_report
from tests.made_records import close, latency

if TYPE_CHECKING:
    from pathlib import Path

OWN = ("json", "junit", "csv", "pytest-benchmark", "bencher")
"""The page and the job's summary have tests of their own."""
RECORDS = [latency(samples_ns=[1_000_000, 2_000_000]), close()]


@pytest.mark.parametrize("name", OWN)
def test_every_renderer_writes_its_file_whole_or_says_why_not(name: str, tmp_path: Path) -> None:
    parse_report(f"{name}=deep/er/out", tmp_path).write(RECORDS)
    assert [one.name for one in (tmp_path / "deep" / "er").iterdir()] == ["out"]
    with pytest.raises(InfraError, match="cannot write the report"):
        parse_report(f"{name}=deep/er/out/below", tmp_path).write(RECORDS)


@pytest.mark.parametrize("name", OWN)
def test_every_renderer_takes_no_records_at_all(name: str, tmp_path: Path) -> None:
    parse_report(f"{name}=out", tmp_path).write([])
    assert (tmp_path / "out").exists()


def test_records_are_not_changed_by_any_renderer(tmp_path: Path) -> None:
    before = json.dumps(RECORDS)
    for name in OWN:
        parse_report(f"{name}=out", tmp_path).write(RECORDS)
    assert json.dumps(RECORDS) == before


@pytest.mark.parametrize("text", ["", "json", "json=", "=a", "pdf=a", "a=json"])
def test_a_report_that_is_none_is_told_what_there_is(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not FORMAT=PATH with a known format; there is: json=PATH, .*csv=PATH"):
        parse_report(text, tmp_path)


def test_a_folder_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a folder; name a file, e.g. csv=\./edge.csv"):
        parse_report("csv=.", tmp_path)


def test_a_full_disk_leaves_the_report_that_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "out", [])
    (tmp_path / "out").write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InfraError, match="No space left on device"):
        parse_report("csv=out", tmp_path).write(RECORDS)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("out", "old")]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", ""),
        (0.0, "ms", "0 ms"),
        (0.0123, "ms", "12.3 us"),
        (12.345, "ms", "12.3 ms"),
        (640.0, "B", "0.6 kB"),
        (2.5e6, "B", "2.50 MB"),
        (0.95, "", "0.95"),
        (40.0, "%", "40 %"),
    ],
)
def test_values_are_short_and_have_their_unit(value: float | None, unit: str, text: str) -> None:
    assert value_text(value, unit) == text


@pytest.mark.parametrize(("values", "bars"), [([], ""), ([3.0], "▄"), ([1, 2, 3], "▁▄█"), ([0, 0], "▄▄")])
def test_a_series_is_a_line_of_bars(values: list[float], bars: str) -> None:
    assert sparkline(values) == bars
