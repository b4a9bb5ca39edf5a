"""Conditions of a device and its rules, from the device file to the record, on a device that says what it is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.runners import care

if TYPE_CHECKING:
    from collections.abc import Callable

    Records = Callable[[], list[dict[str, Any]]]

# each answer of said.jsonl once, the last one from then on
CONFTEST = """
import json
from pathlib import Path
from pytest_edgedevice.transports.local import LocalTransport, local_facts

SAID = [json.loads(line) for line in Path(__file__).with_name("said.jsonl").read_text().splitlines()]

class Rack(LocalTransport):
    def identity(self): return "rack7"
    def facts(self): return {**local_facts(), "cores": 2}
    def conditions(self): return {"load_1min": 0.0, "cpu_pressure_10s": 0.0, **(SAID.pop(0) if SAID[1:] else SAID[0])}

def pytest_edgedevice_devices(config):
    return {"rack7": Rack}
"""
KEPT = "def test_a(edge_model, edge_check): edge_check.latency(edge_model('add_float32.tflite'), p50_ms=10_000)\n"
MISSED = KEPT.replace("p50_ms=10_000", "p50_ms=10_000, load_ms=1e-6")
CALM: dict[str, Any] = {"thermal_status": "none"}
HOT = {"thermal_status": "severe"}


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Runs a test on a device that says these things, with these rules in its file."""
    monkeypatch.setattr(care, "LOOK_EVERY_S", 0.01)

    def run(test: str, rules: str, *said: dict[str, Any]) -> pytest.RunResult:
        (pytester.path / "said.jsonl").write_text("\n".join(json.dumps(one) for one in said))
        (pytester.path / "edgedevice.toml").write_text(f"[validity]\n{rules}\n")
        pytester.makeconftest(CONFTEST)
        pytester.makepyfile(test)
        return pytester.runpytest("--device", "rack7", "--edge-report", "json=out.jsonl")

    return run


def test_a_busy_machine_is_named_and_changes_no_verdict(run: Callable[..., pytest.RunResult], records: Records) -> None:
    result = run(MISSED, "", {"load_1min": 3.9})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*load 3.9 on 2 cores before the run: the machine was busy*"])
    numbers = records()[0]["numbers"]
    assert [one["verdict"] for one in numbers["budgets"]] == ["pass"]
    assert [(one["condition"], one["moment"]) for one in numbers["disturbances"]] == [
        ("busy", "before"),
        ("busy", "after"),
    ]


def test_under_the_rule_inconclusive_a_busy_machine_shows_nothing(
    run: Callable[..., pytest.RunResult], records: Records
) -> None:
    result = run(KEPT, 'busy = "inconclusive"', {"load_1min": 3.9})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*cannot show p50 < 10000 ms*", "*load 3.9 on 2 cores before the run*"])
    assert (records()[0]["verdict"], records()[0]["outcome"]) == ("inconclusive", "inconclusive")


def test_a_throttled_device_is_waited_for_and_that_is_told_and_recorded(
    run: Callable[..., pytest.RunResult], records: Records
) -> None:
    result = run(KEPT, "", *[HOT] * 20, CALM)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["edgedevice: rack7 waits, 0 of * s: thermal status 'severe'*"])
    numbers = records()[0]["numbers"]
    assert numbers["waited_s"] > 0
    assert numbers["disturbances"] == []
    assert numbers["conditions"]["before"]["thermal_status"] == "none"


def test_a_device_that_does_not_cool_is_measured_all_the_same(
    run: Callable[..., pytest.RunResult], records: Records
) -> None:
    run(KEPT, "cool_s = 0.05", HOT).assert_outcomes(passed=1)
    numbers = records()[0]["numbers"]
    assert numbers["waited_s"] > 0
    assert {one["rule"] for one in numbers["disturbances"]} == {"wait"}


def test_what_the_rules_ignore_is_not_waited_for(run: Callable[..., pytest.RunResult], records: Records) -> None:
    run(KEPT, 'throttled = "ignore"', HOT).assert_outcomes(passed=1)
    assert records()[0]["numbers"]["waited_s"] == 0


def test_a_wrong_rule_is_refused_before_any_test(run: Callable[..., pytest.RunResult]) -> None:
    result = run(KEPT, 'busy = "maybe"', CALM)
    assert "busy is 'maybe', which is no rule" in result.stdout.str() + result.stderr.str()
    assert result.ret != 0
