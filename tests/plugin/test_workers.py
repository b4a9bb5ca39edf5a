"""pytest-xdist: records reach the controller, siblings take turns, a crashed worker takes nothing with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def measured_where_started(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For coverage: workers that are forked cannot be measured."""
    if "cold" not in request.fixturenames:
        monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


CHECKS = """
import pytest
@pytest.mark.parametrize("number", range(6))
def test_a(edge_check, number):
    edge_check.metric("top1", number / 10, at_least=0.1)
"""
CRASH = """
def test_z_crash(edge_check):
    import os
    os._exit(7)
"""
SEES = """
def pytest_edgedevice_record(config, record):
    assert not hasattr(config, 'workerinput')
    with open('seen.txt', 'a') as file:
        file.write(record['check'] + '\\n')
"""
DEVICE = """
import time, pytest
@pytest.mark.parametrize("number", range(6))
def test_a(edge_device, edge_check, number):
    edge_check.metric("number", number)
"""


@pytest.mark.usefixtures("cold")
def test_a_worker_that_crashes_takes_no_record_with_it_and_leaves_one(
    pytester: pytest.Pytester, workers: list[str], records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makeconftest(SEES)
    pytester.makepyfile(test_it=CHECKS + CRASH)
    result = pytester.runpytest("--edge-report", "json=out.jsonl", *workers)
    result.assert_outcomes(passed=5, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    metrics = [one for one in records() if one["check"] == "metric"]
    assert {one["worker"] for one in metrics} >= {"gw0", "gw1"}
    assert sorted(one["numbers"]["value"] for one in metrics) == [number / 10 for number in range(6)]
    (record,) = [one for one in records() if one["check"] != "metric"]
    assert (record["check"], record["verdict"], record["outcome"]) == ("worker", "fail", "failed")
    assert "crashed while running" in record["message"]
    # the table is printed, and the hook called, in the controller only
    assert [("= edge devices =" in line) for line in result.outlines].count(True) == 1
    result.stdout.fnmatch_lines(["test_z_crash*failed"])
    result.stdout.fnmatch_lines(["edgedevice: 7 records in *out.jsonl"])
    assert sorted((pytester.path / "seen.txt").read_text().split()) == ["metric"] * 6 + ["worker"]


def assert_they_take_turns(pytester: pytest.Pytester, *arguments: str) -> None:
    """Two modules, so that loadscope gives each worker one; the device is held longer than others are waited for."""
    slow = DEVICE + "\n@pytest.fixture(scope='session', autouse=True)\ndef pause(edge_device):\n    time.sleep(1.5)\n"
    pytester.makepyfile(test_one=slow, test_two=slow)
    pytester.runpytest("--edge-wait", "1", *arguments).assert_outcomes(passed=12)


@pytest.mark.usefixtures("cold")
def test_workers_that_share_a_device_take_turns_beyond_the_wait_for_others(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    assert_they_take_turns(pytester, "--dist", "load", *workers)


@pytest.mark.parametrize("dist", ["loadscope", "worksteal"])
def test_they_take_turns_however_tests_are_given_to_them(
    pytester: pytest.Pytester, workers: list[str], dist: str
) -> None:
    assert_they_take_turns(pytester, "--dist", dist, *workers)


def test_the_worlds_fault_in_a_worker_is_an_error(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makepyfile(
        "from pytest_edgedevice.errors import InfraError\ndef test_a(edge_check):\n    raise InfraError('gone')"
    )
    pytester.runpytest(*workers).assert_outcomes(errors=1)


def test_in_ci_workers_that_tested_nothing_are_not_green(
    pytester: pytest.Pytester, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\n@pytest.mark.skip\ndef test_a(edge_device): pass")
    result = pytester.runpytest(*workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["edgedevice: the only test that needs a device was skipped*"])
