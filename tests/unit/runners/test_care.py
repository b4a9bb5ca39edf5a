"""Waits before a measurement, and what the rules make of its answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.runners import care as module
from pytest_edgedevice.runners.care import Care, cores_of
from pytest_edgedevice.validity import Rules
from tests.unit.checks.conftest import timing_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.values import Fact, Rule

HOT: dict[str, Fact] = {"thermal_status": "severe"}
COOL: dict[str, Fact] = {"thermal_status": "none"}


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only while somebody sleeps."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))


def asking(*told: dict[str, Fact]) -> Callable[[], dict[str, Fact]]:
    """Answers in order, the last one again and again."""
    left = list(told)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_device_that_is_well_is_not_waited_for() -> None:
    said: list[str] = []
    assert Care(tell=said.append).wait(asking(COOL), name="pixel", threads=1) == 0
    assert said == []


def test_without_a_rule_that_waits_the_device_is_not_even_asked() -> None:
    def ask() -> dict[str, Fact]:
        raise AssertionError("it was asked")

    assert Care(Rules(throttled="ignore")).wait(ask, name="pixel", threads=1) == 0


def test_a_throttled_device_is_waited_for_until_it_has_cooled() -> None:
    said: list[str] = []
    assert Care(tell=said.append).wait(asking(HOT, HOT, COOL), name="pixel", threads=1) == 10
    assert said == ["pixel waits, 0 of 120 s: thermal status 'severe': the device was throttled", ""]


def test_why_a_phone_is_waited_for_fits_into_a_hundred_columns() -> None:
    said: list[str] = []
    Care(tell=said.append).wait(asking(HOT, COOL), name="living-room", threads=1)
    assert len(f"edgedevice: {said[0]}") < 100  # the last column stays free


def test_a_long_wait_is_told_of_again() -> None:
    said: list[str] = []
    Care(Rules(cool_s=25), tell=said.append).wait(asking(HOT), name="pixel", threads=1)
    assert [line.partition(":")[0] for line in said] == [
        "pixel waits, 0 of 25 s",
        "pixel waits, 10 of 25 s",
        "pixel waits, 20 of 25 s",
        "",
    ]


def test_a_wait_ends_at_its_limit_and_is_not_repeated_in_vain() -> None:
    care = Care(Rules(cool_s=12))
    assert care.wait(asking(HOT), name="pixel", threads=1) == 12
    assert care.wait(asking(HOT), name="pixel", threads=1) == 0
    assert care.wait(asking(COOL), name="pixel", threads=1) == 0
    assert care.wait(asking(HOT), name="pixel", threads=1) == 12


def test_nobody_is_told_of_a_wait_that_may_take_no_time() -> None:
    said: list[str] = []
    assert Care(Rules(cool_s=0), tell=said.append).wait(asking(HOT), name="pixel", threads=1) == 0
    assert said == []


@pytest.mark.parametrize(("rule", "verdict"), [("inconclusive", "inconclusive"), ("wait", "pass"), ("ignore", "pass")])
def test_only_a_rule_that_says_so_takes_the_verdict_away(rule: Rule, verdict: str) -> None:
    timing = timing_of([1.0] * 100, verdict="pass", conditions={"before": COOL, "after": HOT})
    found = Care(Rules(throttled=rule)).judged(timing, threads=1, waited_s=7.0)
    assert (found.verdict, found.waited_s) == (verdict, 7.0)
    assert [one.moment for one in found.disturbances] == ["after"]
    assert bool(found.reason) == (verdict == "inconclusive")


def test_what_had_no_budget_gets_no_verdict() -> None:
    timing = timing_of([1.0] * 100, conditions={"after": HOT})
    assert Care(Rules(throttled="inconclusive")).judged(timing, threads=1, waited_s=0).verdict is None


@pytest.mark.parametrize(("told", "cores"), [(4, 4), (0, None), (-2, None), (True, None), ("4", None), (4.0, None)])
def test_a_number_of_cores_that_makes_no_sense_is_unknown(told: Fact, cores: int | None) -> None:
    assert cores_of({"cores": told}) == cores


def test_what_a_measurement_ended_with_is_not_asked_for_again_at_once() -> None:
    care, asked = Care(), [0]

    def ask() -> dict[str, Fact]:
        asked[0] += 1
        return COOL

    care.judged(timing_of([1.0], conditions={"before": COOL, "after": COOL}), threads=1, waited_s=0)
    care.wait(ask, name="pixel", threads=1)
    assert asked == [0]
    care.wait(ask, name="pixel", threads=1)
    assert asked == [1]
