"""Records leave pytest as JSON lines, as JUnit properties, by hook, and as the closing table."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

TEST = """
import numpy as np
ONES = {"a": np.ones((1, 4), "float32"), "b": np.ones((1, 4), "float32")}
def test_pass(edge_model, edge_check):
    model = edge_model("add_float32.tflite")
    edge_check.close(model.run(ONES), {"sum": np.full((1, 4), 2, "float32")})
    edge_check.size(model, max_mb=1)
    edge_check.latency(model, p50_ms=1000)
def test_fail(edge_check):
    edge_check.metric("top1", 0.5, at_least=0.9, unit="%")
"""


def test_every_check_becomes_a_record_whether_it_passed_or_not(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest("--edge-report", "json=out.jsonl").assert_outcomes(passed=1, failed=1)
    assert [(one["test"], one["check"], one["verdict"], one["outcome"]) for one in records()] == [
        ("test_it.py::test_pass", "close", "pass", "passed"),
        ("test_it.py::test_pass", "size", "pass", "passed"),
        ("test_it.py::test_pass", "latency", "pass", "passed"),
        ("test_it.py::test_fail", "metric", "fail", "failed"),
    ]


def test_records_name_the_device_of_a_test_without_a_model(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile("def test_a(edge_device, edge_check):\n    edge_check.metric('cores', 4)")
    pytester.runpytest("--edge-report", "json=out.jsonl")
    device = records()[0]["device"]
    assert device["name"] == "local"
    assert device["facts"]["local"] is True


def test_junit_has_one_property_a_check_that_reads_back(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest("--junitxml", "out.xml")
    found = [one for one in ET.parse("out.xml").iter("property") if one.get("name") == "edge.record"]
    values = [json.loads(one.get("value") or "") for one in found]
    assert [one["check"] for one in values] == ["close", "size", "latency", "metric"]


def test_the_record_hook_is_called_once_a_record(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_edgedevice_record(record):\n    print('seen', record['check'])")
    pytester.makepyfile(test_it=TEST)
    printed = pytester.runpytest("-s", "-k", "fail").stdout.str()
    assert printed.count("seen metric") == 1


def test_a_test_without_checks_makes_no_records(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_check): pass")
    result = pytester.runpytest("--edge-report", "json=deep/er/out.jsonl")
    result.stdout.fnmatch_lines(["edgedevice: 0 records in *deep/er/out.jsonl"])
    assert (pytester.path / "deep/er/out.jsonl").read_text() == ""
    assert "edge devices" not in result.stdout.str()


def test_a_report_that_cannot_be_written_is_said_and_not_green(pytester: pytest.Pytester) -> None:
    (pytester.path / "file").write_text("")
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('top1', 1)")
    result = pytester.runpytest("--edge-report", "json=file/out.jsonl")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["edgedevice: cannot write the report '*file/out.jsonl': *file is not a folder"])


def test_a_report_into_a_pipe_that_nobody_reads_ends_the_run_with_the_reason(pytester: pytest.Pytester) -> None:
    os.mkfifo(pytester.path / "pipe")
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('top1', 1)")
    result = pytester.runpytest_subprocess("--edge-report", "json=pipe", timeout=240)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["edgedevice: cannot write the report '*pipe': nobody reads from it"])


def test_a_report_named_in_the_ini_file_lies_beside_it(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedge_report = json=out.jsonl")
    inner = pytester.mkpydir("inner")
    (inner / "test_it.py").write_text("def test_a(edge_check):\n    edge_check.metric('top1', 1)")
    os.chdir(inner)
    pytester.runpytest()
    assert (pytester.path / "out.jsonl").read_text().count("\n") == 1


def test_a_run_that_never_started_leaves_an_old_report(pytester: pytest.Pytester) -> None:
    (pytester.path / "out.jsonl").write_text("old\n")
    pytester.makepyfile("def test_a(edge_device): pass")
    pytester.runpytest("--device", "pixel8", "--edge-report", "json=out.jsonl")
    assert (pytester.path / "out.jsonl").read_text() == "old\n"


def test_an_interrupted_run_writes_what_it_has(
    pytester: pytest.Pytester, records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(
        "def test_a(edge_check):\n    edge_check.metric('top1', 1)\ndef test_b():\n    raise KeyboardInterrupt"
    )
    pytester.runpytest_subprocess("--edge-report", "json=out.jsonl")
    assert [one["check"] for one in records()] == ["metric"]


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_table_fits_the_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    pytester.makepyfile(test_it=TEST)
    lines = pytester.runpytest("--tb=no").outlines
    start = next(number for number, line in enumerate(lines) if "= edge devices =" in line)
    assert max(map(len, lines[start : start + 4])) <= columns
    assert [line.split()[-1] for line in lines[start + 1 : start + 4]] == ["verdict", "passed", "failed"]


@pytest.mark.parametrize(("flag", "shown"), [("-q", True), ("-qq", False), ("--no-summary", False)])
def test_the_table_is_as_quiet_as_asked(pytester: pytest.Pytester, flag: str, shown: bool) -> None:
    pytester.makepyfile(test_it=TEST)
    assert ("= edge devices =" in pytester.runpytest(flag, "-k", "fail").stdout.str()) == shown


def test_every_colour_has_a_word(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST)
    result = pytester.runpytest("--color=yes", "--tb=no")
    printed = result.stdout.str()
    assert "\x1b[32mtest_pass" in printed
    assert "\x1b[31mtest_fail" in printed
    result.stdout.re_match_lines([r".*test_pass.*passed", r".*test_fail.*failed"])


def test_a_hostile_file_name_cannot_steer_the_terminal(pytester: pytest.Pytester) -> None:
    name = "a\x1b[31m\n\u202eb.tflite"
    model = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"
    (pytester.path / name).write_bytes(model.read_bytes())
    pytester.makepyfile(f"def test_a(edge_model, edge_check):\n    edge_check.size(edge_model({name!r}), max_mb=1)")
    result = pytester.runpytest()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["test_a  a?[[]31m??b.tflite *passed"])


@pytest.mark.parametrize("options", [[], ["--device", "local"]], ids=["by itself", "named"])
def test_the_devices_are_named_before_the_first_test(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makepyfile("def test_a(edge_device):\n    pass")
    result = pytester.runpytest(*options)
    named = [line for line in result.outlines if line.startswith("edge devices: ")]
    assert named == ["edge devices: local"]
    first = next(number for number, line in enumerate(result.outlines) if ".py ." in line)
    assert result.outlines.index(named[0]) < first


def test_a_run_without_device_tests_names_none(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a():\n    pass")
    lines = pytester.runpytest("--device", "local").outlines
    assert not [line for line in lines if line.startswith("edge devices")]


def test_a_quiet_run_lists_only_what_did_not_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST)
    lines = pytester.runpytest("-q").outlines
    start = next(number for number, line in enumerate(lines) if "= edge devices =" in line)
    assert lines[start + 1].startswith("test")
    assert lines[start + 2].startswith("test_fail")
    assert not any(line.startswith("test_pass") for line in lines)


def test_a_quiet_run_that_passes_has_no_table(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_check):\n    edge_check.metric('top1', 0.95, at_least=0.9)")
    assert not any("edge devices" in line for line in pytester.runpytest("-q").outlines)
