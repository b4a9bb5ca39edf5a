"""A test that is tried again, as pytest-rerunfailures does, is judged by its last attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

# the part of pytest-rerunfailures that matters: one item, its whole protocol again, failures told as "rerun"
RETRIES = """
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    for attempt in (1, 2, 3):
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        again = attempt < 3 and any(report.failed for report in reports)
        for report in reports:
            if again and report.failed:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if not again:
            return True

def pytest_report_teststatus(report):
    if report.outcome == "rerun":
        return "rerun", "R", "RERUN"
"""
FLAKY = """
import pytest
values = iter([1, 1, VALUE])
def test_a(edge_check):
    edge_check.metric("first", 0)
    edge_check.metric("x", next(values), at_least=2)
def test_b(edge_check):
    edge_check.metric("y", 1)
"""


@pytest.fixture
def flaky(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs a test whose first two attempts fail, and whose third computes the value given."""

    def run(value: int, *arguments: str) -> pytest.RunResult:
        pytester.makeconftest(RETRIES)
        pytester.makepyfile(FLAKY.replace("VALUE", str(value)))
        return pytester.runpytest("--edge-report", "json=out.jsonl", *arguments)

    return run


@pytest.mark.parametrize(("value", "verdict"), [(2, "passed"), (1, "failed")])
def test_the_last_attempt_decides_the_row(flaky: Callable[..., pytest.RunResult], value: int, verdict: str) -> None:
    lines = flaky(value).outlines
    start = next(number for number, line in enumerate(lines) if "= edge devices =" in line)
    rows = [(line.split()[0], line.split()[-1]) for line in lines[start + 2 : start + 4]]
    assert rows == [("test_a", verdict), ("test_b", "passed")]


@pytest.mark.parametrize("arguments", [[], ["-n", "1", "-p", "xdist.plugin"]])
def test_records_of_an_earlier_attempt_do_not_pile_up(
    flaky: Callable[..., pytest.RunResult], records: Callable[[], list[dict[str, Any]]], arguments: list[str]
) -> None:
    flaky(2, *arguments)
    assert [(one["test"].rpartition("::")[2], one["verdict"], one["outcome"]) for one in records()] == [
        ("test_a", "pass", "passed"),
        ("test_a", "pass", "passed"),
        ("test_b", "pass", "passed"),
    ]


def test_junit_has_no_property_of_an_earlier_attempt_in_a_later_one(flaky: Callable[..., pytest.RunResult]) -> None:
    flaky(2, "--junitxml=out.xml")
    cases = [[one.get("name") for one in case.iter("property")] for case in ET.parse("out.xml").iter("testcase")]
    # two checks in each of three attempts, and the other test
    assert [names.count("edge.record") for names in cases] == [2, 2, 2, 1]
    # and what they say besides, once each: device, metric's value and verdict, of which the failed attempts have two
    assert [len(names) for names in cases] == [6, 6, 5, 3]


def test_a_device_test_that_is_skipped_when_tried_again_tested_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makeconftest(RETRIES)
    pytester.makepyfile(
        "import pytest\ntries = iter([1, 2])\ndef test_a(edge_device):\n"
        "    assert next(tries) == 2\n    pytest.skip('gone')"
    )
    result = pytester.runpytest()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["edgedevice: the only test that needs a device was skipped*"])
