"""``edgedevice merge``: files of records in, one file, a table and reports out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.records import read_lines, write_lines
from tests.made_records import latency

if TYPE_CHECKING:
    from pathlib import Path

LATE = "2026-01-01T01:00:00.000+00:00"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two shards, the second of which repeats a test of the first."""
    slow = latency(9.0, verdict="fail", outcome="failed", message="too slow")
    write_lines(tmp_path / "a.jsonl", [slow, latency(test="test_it.py::test_b")])
    write_lines(tmp_path / "b.jsonl", [latency(run="run2", time=LATE)])
    return ["a.jsonl", "b.jsonl"]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["merge", *arguments])
    return code, *capsys.readouterr()


def test_shards_and_attempts_become_one_file_and_a_table(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, *files, "--output", "all.jsonl")
    assert (code, err) == (0, "")
    assert [one["test"] for one in read_lines(tmp_path / "all.jsonl")] == ["test_it.py::test_a", "test_it.py::test_b"]
    assert "passed, repeated" in out
    assert out.endswith("2 records of 2 tests kept; 1 gave way to a later attempt\nwritten: all.jsonl\n")


def test_reports_are_written_from_all_of_it(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = told(capsys, *files, "--report", "csv=out/a.csv", "--report", "junit=out/a.xml")
    assert code == 0
    assert (tmp_path / "out" / "a.csv").read_text().count("\n") == 5
    assert 'name="test_b"' in (tmp_path / "out" / "a.xml").read_text()


def test_what_cannot_be_read_is_told_by_file_and_line_and_the_rest_is_kept(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "b.jsonl").open("a") as file:
        file.write('{"schema": 2}\n{"schema": 1, "tes')
    code, out, err = told(capsys, *files, "missing.jsonl")
    assert code == 1
    assert "2 records of 2 tests kept; 1 gave way to a later attempt; 3 could not be read" in out
    first, second, third = err.splitlines()
    assert first.startswith("edgedevice: b.jsonl:2: not a record of schema 1, but 2; a newer pytest-edgedevice")
    assert second.startswith("edgedevice: b.jsonl:3: not JSON")
    assert third.startswith("edgedevice: cannot read records from 'missing.jsonl'")


def test_a_file_of_garbage_is_told_in_a_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.jsonl").write_text("garbage\x1b[31m\n" * 500)
    _, _, err = told(capsys, "a.jsonl")
    assert len(err.splitlines()) == 21
    assert err.splitlines()[-1] == "edgedevice: and 480 more of the kind"
    assert "\x1b" not in err


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "missing.jsonl", "--output", "all.jsonl")
    assert (code, out) == (1, "")
    assert "cannot read records from 'missing.jsonl'" in err
    assert not (tmp_path / "all.jsonl").exists()


def test_records_that_conflict_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_lines(tmp_path / "a.jsonl", [latency(2.0)])
    write_lines(tmp_path / "b.jsonl", [latency(3.0)])
    code, out, err = told(capsys, "a.jsonl", "b.jsonl")
    assert code == 1
    assert "1 test with records that conflict" in out
    assert "a.jsonl and b.jsonl have records of the same run or moment that differ" in err


def test_the_same_file_twice_says_so(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capsys, "a.jsonl", "a.jsonl")
    assert "2 records of 2 tests kept; 2 were there twice" in out


def test_one_json_object_is_printed_for_programs(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = told(capsys, *files, "--json", "--output", str(tmp_path / "all.jsonl"))
    found: dict[str, Any] = json.loads(out)
    assert code == 0
    assert found == {
        "schema": 1, "records": 2, "same": 0, "replaced": 1, "conflicts": [], "faults": [],
        "written": [str(tmp_path / "all.jsonl")],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--report", "pdf=a"], "is not FORMAT=PATH with a known format"),
        (["--output", "a.jsonl/below"], "cannot write the report"),
    ],
)
def test_what_cannot_be_written_is_said(
    files: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], text: str
) -> None:
    code, _, err = told(capsys, *files, *arguments)
    assert code == 1
    assert text in err
