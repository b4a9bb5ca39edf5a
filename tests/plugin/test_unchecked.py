"""Tests that no check speaks for are in the records all the same, so that every report shows them from then on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import pytest_edgedevice
from pytest_edgedevice.cli import main
from pytest_edgedevice.records import read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = Path(pytest_edgedevice.__file__).parent / "records" / "schema-1.json"
TESTS = """
import pytest

@pytest.mark.edge_requires("android")
def test_unfit(edge_device): pass

@pytest.mark.skip(reason="no \\x1b[31mtime")
def test_left_out(edge_device): pass

@pytest.mark.xfail(reason="known")
def test_expected(edge_device): assert 1 == 2

@pytest.fixture
def broken(): raise OSError("no such camera")

def test_setup(edge_device, broken): pass

def test_alone(edge_device): assert "cat" == "dog"

def test_checked(edge_device, edge_check):
    edge_check.metric("top1", 1)
    assert "sun" == "moon"

def test_failed_check(edge_device, edge_check): edge_check.metric("top1", 0.5, at_least=0.9)

def test_quiet(edge_device): pass

def test_group(edge_device):
    from pytest_edgedevice.errors import InfraError
    raise ExceptionGroup("two", [InfraError("the hall is dark"), InfraError("so is the cellar")])

def test_host(edge_check): pass
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run of all of these, and its reports."""
    folder = tmp_path_factory.mktemp("unchecked")
    (folder / "test_unspoken.py").write_text(TESTS)
    reports = [f"--edge-report={name}=live.{name}" for name in ("json", "html", "junit", "csv", "github", "bencher")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:playwright", f"--rootdir={folder}", *reports, "."])
    sys.modules.pop("test_unspoken", None)
    return folder


def told(run: Path, test: str) -> Sequence[dict[str, Any]]:
    return [one for one in read_lines(run / "live.json") if one["test"].endswith(f"::{test}")]


@pytest.mark.parametrize(
    ("test", "checks", "outcome", "message"),
    [
        ("test_unfit", ["skip"], "skipped", "local does not fit 'android'"),
        ("test_left_out", ["skip"], "skipped", "no ?[31mtime"),
        ("test_expected", ["skip"], "skipped", "failed as expected: known"),
        ("test_setup", ["test"], "failed", "OSError: no such camera"),
        ("test_alone", ["test"], "failed", "assert 'cat' == 'dog'"),
        ("test_checked", ["metric", "test"], "failed", "assert 'sun' == 'moon'"),
        ("test_failed_check", ["metric"], "failed", "top1"),
        ("test_quiet", ["test"], "passed", ""),
        ("test_group", ["device"], "infra", "two (2 sub-exceptions)"),
    ],
)
def test_what_a_test_leaves(run: Path, test: str, checks: list[str], outcome: str, message: str) -> None:
    found = told(run, test)
    assert [one["check"] for one in found] == checks
    assert {one["outcome"] for one in found} == {outcome}
    assert message in found[-1]["message"]


def test_a_test_that_needs_no_device_and_checks_nothing_leaves_nothing(run: Path) -> None:
    assert not told(run, "test_host")


def test_a_test_that_had_its_device_names_it(run: Path) -> None:
    assert {told(run, test)[0]["device"]["name"] for test in ("test_alone", "test_quiet", "test_group")} == {"local"}


def test_they_fit_the_schema(run: Path) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    for record in read_lines(run / "live.json"):
        validator.validate(record)


@pytest.mark.parametrize("name", ["html", "junit", "csv", "github", "bencher"])
def test_a_report_of_the_records_is_the_report_of_the_run(run: Path, name: str, tmp_path: Path) -> None:
    again = tmp_path / "again"
    assert main(["merge", str(run / "live.json"), "--report", f"{name}={again}"]) == 0
    assert again.read_bytes() == (run / f"live.{name}").read_bytes()


def test_the_page_counts_what_passed_failed_and_was_skipped(run: Path) -> None:
    assert "1 of 6 cells passed, 3 skipped" in (run / "live.html").read_text()


def test_junit_has_every_test_with_its_reason(run: Path) -> None:
    text = (run / "live.junit").read_text()
    assert text.count("<testcase") == 9
    assert text.count('<skipped message="') == 3
    assert "<skipped message=\"local does not fit 'android'" in text


def test_the_job_summary_counts_them_and_lists_what_ran(run: Path) -> None:
    text = (run / "live.github").read_text()
    assert "4 failed, ⏭️ 3 skipped, ✅ 1 passed" in text
    assert "test&#95;alone" in text
    assert "test&#95;quiet" not in text


def test_the_table_lists_failures_and_leaves_out_what_says_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(["test_alone  *failed", "test_checked  *failed"])
    result.stdout.no_fnmatch_line("test_quiet *")
    result.stdout.no_fnmatch_line("test_unfit *")


def test_the_history_has_checks_only(run: Path) -> None:
    kept = read_lines(run / ".edgedevice" / "history.jsonl")
    assert {one["check"] for one in kept} == {"metric", "device"}
