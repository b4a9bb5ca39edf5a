"""``--edge-report html=PATH``: written by the controller at the end, and refused at the start where it could not be."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TEST = """
def test_pass(edge_model, edge_check):
    edge_check.size(edge_model("add_float32.tflite"), max_mb=1)
def test_fail(edge_check):
    edge_check.metric("top1", 0.5, at_least=0.9)
"""


def report(pytester: pytest.Pytester) -> str:
    return (pytester.path / "deep" / "report.html").read_text(encoding="utf-8")


def test_a_run_is_a_page(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=TEST)
    result = pytester.runpytest("--edge-report", "html=deep/report.html", "--edge-report", "json=edge.jsonl")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["edgedevice: 2 records in *deep/report.html", "edgedevice: 2 records in *edge.jsonl"])
    assert "1 of 2 cells passed" in report(pytester)
    assert "pytest test_it.py::test_fail" in report(pytester)


def test_workers_records_are_in_the_controllers_page(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makepyfile(test_it=TEST)
    pytester.runpytest(*workers, "--edge-report", "html=deep/report.html")
    assert "1 of 2 cells passed" in report(pytester)


def test_a_skipped_test_is_in_the_page_with_its_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import pytest\n@pytest.mark.edge_requires('android')\ndef test_phone(edge_device): pass\n"
        "def test_it(edge_device, edge_check): edge_check.metric('top1', 1)"
    )
    result = pytester.runpytest("--edge-report", "html=deep/report.html")
    result.assert_outcomes(passed=1, skipped=1)
    assert "local does not fit" in report(pytester)


def test_a_test_that_fails_by_an_assertion_of_its_own_is_in_the_page(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "def test_it(edge_device): assert 'cat' == 'dog'\n"
        "def test_checked(edge_check):\n    edge_check.metric('top1', 1)\n    assert 'sun' == 'moon'"
    )
    pytester.runpytest("--edge-report", "html=deep/report.html").assert_outcomes(failed=2)
    page = html.unescape(report(pytester))
    assert "0 of 2 cells passed" in page
    assert "assert 'cat' == 'dog'" in page
    assert "assert 'sun' == 'moon'" in page
    assert page.count('<article class="card') == 2


def test_a_run_without_checks_is_a_page_that_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_a(edge_check): pass")
    pytester.runpytest("--edge-report", "html=deep/report.html").assert_outcomes(passed=1)
    assert "Nothing was checked" in report(pytester)


def test_a_missing_extra_ends_the_run_before_it_begins(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytester.makepyfile(test_it="def test_a(edge_check): print('ran')")
    pytester.makeconftest("import sys\nsys.modules['jinja2'] = None")
    result = pytester.runpytest_subprocess("-p", "no:playwright", "-s", "--edge-report", "html=report.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--edge-report: the report 'html' needs Jinja2*pip install 'pytest-edgedevice?report?'*"]
    )
    result.stdout.no_fnmatch_line("*ran*")
