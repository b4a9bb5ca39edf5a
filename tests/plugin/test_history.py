"""Every run of device tests is remembered, named in its records, and held against the runs before it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from pytest_edgedevice import records as records_room
from pytest_edgedevice.cli import main
from pytest_edgedevice.history.journal import JOURNAL, remember
from pytest_edgedevice.records import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = Path(records_room.__file__).with_name("schema-1.json")
TEST = """
def test_a(edge_check):
    edge_check.metric("top1", 0.9, at_least=0.5)
"""
LATENCY = """
import numpy as np

def test_a(edge_model, edge_check):
    model = edge_model("add_float32.tflite")
    model.run({"a": np.ones((1, 4), "float32"), "b": np.ones((1, 4), "float32")})
    edge_check.latency(model, p50_ms=1000)
"""


@pytest.mark.parametrize("ini", [False, True])
def test_an_option_with_a_path_elsewhere_does_not_move_the_history(
    pytester: pytest.Pytester, tmp_path: Path, ini: bool
) -> None:
    (tmp_path / "edgedevice.toml").write_text("")
    for name in ("tox.ini", "pytest.ini"):
        (pytester.path / name).unlink(missing_ok=True)
    if ini:
        pytester.makeini("[pytest]")
    pytester.makepyfile(TEST)
    pytester.runpytest("--edge-config", str(tmp_path / "edgedevice.toml"), str(pytester.path))
    assert (pytester.path / ".edgedevice" / JOURNAL).is_file()
    assert not (pytester.path.parent / ".edgedevice").exists()


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    return pytester.path / ".edgedevice"


def past(folder: Path) -> list[dict[str, Any]]:
    return read_lines(folder / JOURNAL)


def test_a_run_is_remembered_in_the_root_folder_without_being_asked(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_it=TEST)
    for _ in range(2):
        pytester.runpytest("--edge-report", "json=out.jsonl").assert_outcomes(passed=1)
    runs = [record["run"]["id"] for record in past(folder)]
    assert len(set(runs)) == 2
    assert read_lines(pytester.path / "out.jsonl")[0]["run"]["id"] == runs[-1]
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_run_says_what_it_was_asked_for_and_which_commit_it_tested(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SHA", "c0ffee")
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest("--device", "local", "--edge-delegate", "cpu")
    run = past(folder)[0]["run"]
    assert (run["commit"], run["devices"], run["delegates"]) == ("c0ffee", ["local"], ["cpu"])


def test_what_is_remembered_and_reported_fits_the_schema(
    pytester: pytest.Pytester, folder: Path, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(test_it=LATENCY)
    pytester.runpytest("--edge-report", "json=out.jsonl").assert_outcomes(passed=1)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for record in (*records(), *past(folder)):
        jsonschema.validate(record, schema)


def test_git_is_asked_where_no_ci_system_says_the_commit(
    pytester: pytest.Pytester, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT", "BUILD_SOURCEVERSION"):
        monkeypatch.delenv(name, raising=False)
    programs = pytester.mkdir("programs")
    monkeypatch.setenv("PATH", str(programs))
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest()
    (programs / "git").write_text("#!/bin/sh\necho 1234abcd\n")
    (programs / "git").chmod(0o755)
    pytester.runpytest()
    assert [record["run"]["commit"] for record in past(folder)] == ["", "1234abcd"]


@pytest.mark.parametrize("how", ["option", "ini"])
def test_the_history_may_lie_elsewhere_or_nowhere(pytester: pytest.Pytester, folder: Path, how: str) -> None:
    pytester.makepyfile(test_it=TEST)
    for place in ("off", "elsewhere"):
        if how == "ini":
            pytester.makeini(f"[pytest]\nedge_history = {place}")
        pytester.runpytest(*(["--edge-history", place] if how == "option" else []))
    assert not folder.exists()
    assert len(past(pytester.path / "elsewhere")) == 1


def test_runs_without_device_tests_leave_nothing(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile("def test_a(): pass")
    pytester.runpytest("--device", "local")
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest("--collect-only")
    assert not folder.exists()


def test_workers_are_one_run(pytester: pytest.Pytester, folder: Path, workers: list[str]) -> None:
    pytester.makepyfile(test_it=TEST, test_that=TEST)
    pytester.runpytest(*workers, "--junitxml", "out.xml").assert_outcomes(passed=2)
    assert len({record["run"]["id"] for record in past(folder)}) == 1
    cases = list(ET.parse("out.xml").iter("testcase"))
    told = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in cases]
    assert [(one["edge.metric.verdict"], one["edge.metric.top1"]) for one in told] == [("pass", "0.9")] * 2


def test_a_history_that_cannot_be_written_is_told_and_fails_only_a_named_one(
    pytester: pytest.Pytester, folder: Path
) -> None:
    pytester.makepyfile(test_it=TEST)
    (folder / JOURNAL).mkdir(parents=True)
    ran = pytester.runpytest()
    assert ran.ret == 0
    ran.stdout.fnmatch_lines(["edgedevice: cannot write '*history.jsonl': *"])
    assert pytester.runpytest("--edge-history", ".edgedevice").ret == pytest.ExitCode.TESTS_FAILED


def test_a_file_in_the_place_of_the_default_history_fails_no_run(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_it=TEST)
    folder.write_text("mine")
    ran = pytester.runpytest()
    assert ran.ret == 0
    ran.stdout.fnmatch_lines(["edgedevice: cannot write the history *"])


@pytest.mark.parametrize(
    ("ini", "arguments", "text"),
    [
        ("", ["--edge-history", "test_it.py"], "--edge-history: *test_it.py' is no folder"),
        ("", ["--edge-regression", "maybe"], "--edge-regression: 'maybe' is not one of warn, fail, off"),
        ("edge_history_runs = 0", [], "edge_history_runs in the ini file: '0' is not a whole number from 1 to 1000000"),
        ("edge_history_days = x", [], "edge_history_days in the ini file: 'x' is not a whole number*"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    pytester: pytest.Pytester, ini: str, arguments: list[str], text: str
) -> None:
    pytester.makepyfile(test_it=TEST)
    pytester.makeini(f"[pytest]\n{ini}")
    ran = pytester.runpytest(*arguments)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"ERROR: {text}"])


def test_as_many_runs_are_kept_as_the_ini_file_says(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_it=TEST)
    pytester.makeini("[pytest]\nedge_history_runs = 2")
    for _ in range(4):
        pytester.runpytest()
    assert len(past(folder)) == 2


def test_the_index_follows_where_a_latency_is_held_against_it(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(test_it=TEST, test_latency=LATENCY)
    pytester.runpytest("test_it.py").assert_outcomes(passed=1)
    assert not (folder / "history.sqlite").exists()
    pytester.runpytest("test_latency.py").assert_outcomes(passed=1)
    index = sqlite3.connect(folder / "history.sqlite")
    assert index.execute("SELECT value FROM points WHERE metric = 'top1'").fetchall() == [(0.9,)]
    index.close()


def faster_past(pytester: pytest.Pytester, folder: Path, records: Callable[[], list[dict[str, Any]]]) -> None:
    """Ten runs in which everything took a thousandth of what it takes."""
    pytester.makepyfile(test_it=LATENCY)
    pytester.runpytest("--edge-report", "json=out.jsonl", "--edge-history", "off").assert_outcomes(passed=1)
    (record,) = records()
    numbers = record["numbers"]
    fast = {**numbers, **{name: numbers[name] / 1000 for name in ("p50_ms", "p95_ms")}}
    for number in range(10):
        remember(folder, [{**record, "numbers": fast, "run": {**record["run"], "id": f"run{number}"}}])


def test_a_regression_warns_or_fails_or_is_not_looked_for(
    pytester: pytest.Pytester, folder: Path, records: Callable[[], list[dict[str, Any]]]
) -> None:
    faster_past(pytester, folder, records)
    journal = (folder / JOURNAL).read_bytes()
    cell = "add_float32.tflite, float32, local, default"
    for policy, code, told in (("off", 0, 0), ("warn", 0, 2), ("fail", 1, 2)):
        (folder / JOURNAL).write_bytes(journal)
        ran = pytester.runpytest("--edge-regression", policy)
        ran.assert_outcomes(passed=1)
        assert ran.ret == code
        assert len([line for line in ran.outlines if line.startswith(f"edgedevice: regression: {cell}: p")]) == told
    ran.stdout.fnmatch_lines(["edgedevice: regression: *: p50 * times the median * of the last 10 runs; their noise *"])


def test_ten_runs_later_the_command_line_tells_the_same(
    pytester: pytest.Pytester,
    folder: Path,
    records: Callable[[], list[dict[str, Any]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    faster_past(pytester, folder, records)
    pytester.runpytest()
    capsys.readouterr()
    assert main(["trend", "add_float32", "--metric", "p50", "--fail", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["trends"][0]["regressed"] is True
    assert main(["compare", "last~1", "last", "--fail"]) == 1
