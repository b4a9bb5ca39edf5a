"""A latency check names what disturbed its measurement, where that may explain the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.checks.verdict import CheckFailed
from pytest_edgedevice.values import Disturbance

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.checks import EdgeCheck
    from pytest_edgedevice.values import Evidence

BUSY = Disturbance("busy", "before", "ignore", "load 3.9 on 2 cores before the run: the machine was busy")
AGAIN = Disturbance("busy", "after", "ignore", "load 4.2 on 2 cores after the run: the machine was busy")
HOT = Disturbance(
    "hot", "before", "inconclusive", "the processor at 99 C before the run, over 80 C: the device was hot"
)
NEAR = [10.0 + number / 100 for number in range(300)]


def text_of(check: EdgeCheck, model: Any, **budgets: Any) -> str:
    with pytest.raises(CheckFailed) as raised:
        check.latency(model, **budgets)
    return str(raised.value)


def test_a_busy_machine_is_named_where_a_budget_was_nearly_kept(
    check: EdgeCheck, make_model: Callable[..., Any], recorded: list[Evidence]
) -> None:
    text = text_of(check, make_model(NEAR, disturbances=(BUSY, AGAIN)), p50_ms=9)
    assert "load 3.9 on 2 cores before the run: the machine was busy" in text
    assert "load 4.2" not in text
    assert len(text.splitlines()) <= 4
    told = recorded[0].numbers["disturbances"]
    assert [(one["condition"], one["moment"]) for one in told] == [("busy", "before"), ("busy", "after")]


def test_a_busy_machine_is_named_where_nothing_could_be_shown(check: EdgeCheck, make_model: Callable[..., Any]) -> None:
    text = text_of(check, make_model([10.0] * 20 + [12.0] * 20, disturbances=(BUSY,)), p95_ms=11)
    assert text.startswith("cannot show p95 < 11 ms")
    assert BUSY.text in text


def test_a_busy_machine_is_no_excuse_for_thrice_the_budget(check: EdgeCheck, make_model: Callable[..., Any]) -> None:
    assert "busy" not in text_of(check, make_model(NEAR, disturbances=(BUSY,)), p50_ms=3)


def test_a_budget_that_is_kept_on_a_busy_machine_is_kept(
    check: EdgeCheck, make_model: Callable[..., Any], recorded: list[Evidence]
) -> None:
    check.latency(make_model(NEAR, disturbances=(BUSY,)), p50_ms=20)
    assert recorded[0].message == ""


def test_a_wait_in_vain_is_told(check: EdgeCheck, make_model: Callable[..., Any], recorded: list[Evidence]) -> None:
    model = make_model(NEAR, disturbances=(BUSY,), waited_s=119.6)
    assert "it was waited for 120 s to pass" in text_of(check, model, p50_ms=9)
    assert recorded[0].numbers["waited_s"] == 119.6


def test_under_a_rule_that_gives_no_verdict_no_budget_has_one(
    check: EdgeCheck, make_model: Callable[..., Any], recorded: list[Evidence]
) -> None:
    model = make_model(NEAR, disturbances=(HOT,), judged=False)
    text = text_of(check, model, p50_ms=20, p95_ms=20, load_ms=50)
    assert {one["verdict"] for one in recorded[0].numbers["budgets"]} == {"inconclusive"}
    assert recorded[0].numbers["singles"][0]["verdict"] == "inconclusive"
    assert "the device was hot" in text
    assert len(model.asked) == 1  # a second series on a hot device shows no more than the first


def test_a_single_observation_that_was_too_long_has_its_cause_too(
    check: EdgeCheck, make_model: Callable[..., Any]
) -> None:
    assert BUSY.text in text_of(check, make_model(NEAR, disturbances=(BUSY,)), load_ms=2)
