"""pytest-xdist: records reach the controller, siblings take turns, a crashed worker takes nothing with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKS = """
import pytest
@pytest.mark.parametrize("number", range(6))
def test_a(edge_check, number):
    edge_check.metric("top1", number / 10, at_least=0.1)
"""
DEVICE = """
import time, pytest
@pytest.mark.parametrize("number", range(6))
def test_a(edge_device, edge_check, number):
    edge_check.metric("number", number)
"""


def test_every_record_reaches_the_controller_and_the_table_is_printed_once(
    pytester: pytest.Pytester, workers: list[str], records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(CHECKS)
    result = pytester.runpytest_subprocess("--edge-report", "json=out.jsonl", *workers)
    result.assert_outcomes(passed=5, failed=1)
    assert sorted(one["numbers"]["value"] for one in records()) == [number / 10 for number in range(6)]
    assert {one["worker"] for one in records()} == {"gw0", "gw1"}
    assert [("= edge devices =" in line) for line in result.outlines].count(True) == 1
    result.stdout.fnmatch_lines(["edgedevice: 6 records in *out.jsonl"])


@pytest.mark.parametrize("dist", ["load", "loadscope", "worksteal"])
def test_workers_that_share_a_device_take_turns_beyond_the_wait_for_others(
    pytester: pytest.Pytester, workers: list[str], dist: str
) -> None:
    # two modules, so that loadscope gives each worker one; the device is held longer than --edge-wait allows others
    slow = DEVICE + "\n@pytest.fixture(scope='session', autouse=True)\ndef pause(edge_device):\n    time.sleep(1.5)\n"
    pytester.makepyfile(test_one=slow, test_two=slow)
    result = pytester.runpytest_subprocess("--edge-wait", "1", "--dist", dist, *workers, timeout=240)
    result.assert_outcomes(passed=12)


def test_a_worker_that_crashes_keeps_the_others_records(
    pytester: pytest.Pytester, workers: list[str], records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile(CHECKS + "def test_z_crash(edge_check):\n    import os\n    os._exit(7)\n")
    result = pytester.runpytest_subprocess("--edge-report", "json=out.jsonl", *workers, timeout=240)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    checks = [one for one in records() if one["check"] == "metric"]
    assert sorted(one["numbers"]["value"] for one in checks) == [number / 10 for number in range(6)]


def test_a_test_whose_worker_crashed_has_a_record_and_a_row(
    pytester: pytest.Pytester, workers: list[str], records: Callable[[], list[dict[str, Any]]]
) -> None:
    pytester.makepyfile("def test_crash(edge_check):\n    import os\n    os._exit(7)\n")
    result = pytester.runpytest_subprocess("--edge-report", "json=out.jsonl", *workers, timeout=240)
    (record,) = records()
    assert (record["check"], record["verdict"], record["outcome"]) == ("worker", "fail", "failed")
    assert "crashed while running" in record["message"]
    result.stdout.fnmatch_lines(["test_crash*failed"])


def test_the_worlds_fault_in_a_worker_is_an_error(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makepyfile(
        "from pytest_edgedevice.errors import InfraError\ndef test_a(edge_check):\n    raise InfraError('gone')"
    )
    pytester.runpytest_subprocess(*workers).assert_outcomes(errors=1)


def test_in_ci_workers_that_tested_nothing_are_not_green(
    pytester: pytest.Pytester, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\n@pytest.mark.skip\ndef test_a(edge_device): pass")
    result = pytester.runpytest_subprocess(*workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["edgedevice: the only test that needs a device was skipped*"])


def test_the_record_hook_is_called_in_the_controller_only(pytester: pytest.Pytester, workers: list[str]) -> None:
    pytester.makeconftest(
        "def pytest_edgedevice_record(config, record):\n"
        "    assert not hasattr(config, 'workerinput')\n"
        "    with open('seen.txt', 'a') as file:\n        file.write(record['check'] + '\\n')\n"
    )
    pytester.makepyfile(CHECKS)
    pytester.runpytest_subprocess(*workers)
    assert (pytester.path / "seen.txt").read_text() == "metric\n" * 6
