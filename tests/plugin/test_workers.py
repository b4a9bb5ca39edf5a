"""pytest-xdist: records reach the controller, siblings take turns, a crashed worker takes nothing with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("cold")
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


@dataclass(frozen=True)
class Run:
    """What one run of two workers gave, of which one crashed in its last test."""

    result: pytest.RunResult
    records: list[dict[str, Any]]
    seen: list[str]

    @property
    def metrics(self) -> list[dict[str, Any]]:
        return [one for one in self.records if one["check"] == "metric"]


@pytest.fixture
def crashed(
    pytester: pytest.Pytester,
    workers: list[str],
    records: Callable[[], list[dict[str, Any]]],
    once: Callable[[str, Callable[[], Any]], Run],
) -> Run:
    def run() -> Run:
        pytester.makeconftest(SEES)
        pytester.makepyfile(test_it=CHECKS + CRASH)
        result = pytester.runpytest("--edge-report", "json=out.jsonl", *workers)
        return Run(result, records(), (pytester.path / "seen.txt").read_text().split())

    return once("crashed", run)


def test_every_record_reaches_the_controller_and_the_table_is_printed_once(crashed: Run) -> None:
    crashed.result.assert_outcomes(passed=5, failed=2)
    assert {one["worker"] for one in crashed.metrics} >= {"gw0", "gw1"}
    assert [("= edge devices =" in line) for line in crashed.result.outlines].count(True) == 1
    crashed.result.stdout.fnmatch_lines(["edgedevice: 7 records in *out.jsonl"])


def test_a_worker_that_crashes_keeps_the_others_records(crashed: Run) -> None:
    assert crashed.result.ret == pytest.ExitCode.TESTS_FAILED
    assert sorted(one["numbers"]["value"] for one in crashed.metrics) == [number / 10 for number in range(6)]


def test_a_test_whose_worker_crashed_has_a_record_and_a_row(crashed: Run) -> None:
    (record,) = [one for one in crashed.records if one["check"] != "metric"]
    assert (record["check"], record["verdict"], record["outcome"]) == ("worker", "fail", "failed")
    assert "crashed while running" in record["message"]
    crashed.result.stdout.fnmatch_lines(["test_z_crash*failed"])


def test_the_record_hook_is_called_in_the_controller_only(crashed: Run) -> None:
    assert sorted(crashed.seen) == ["metric"] * 6 + ["worker"]


@pytest.mark.parametrize("dist", ["load", "loadscope", "worksteal"])
def test_workers_that_share_a_device_take_turns_beyond_the_wait_for_others(
    pytester: pytest.Pytester, workers: list[str], dist: str
) -> None:
    # two modules, so that loadscope gives each worker one; the device is held longer than --edge-wait allows others
    slow = DEVICE + "\n@pytest.fixture(scope='session', autouse=True)\ndef pause(edge_device):\n    time.sleep(1.5)\n"
    pytester.makepyfile(test_one=slow, test_two=slow)
    result = pytester.runpytest("--edge-wait", "1", "--dist", dist, *workers)
    result.assert_outcomes(passed=12)


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
