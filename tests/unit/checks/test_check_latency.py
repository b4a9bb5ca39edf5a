"""``edge_check.latency``: policy, texts and evidence."""

from __future__ import annotations

import contextlib
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.checks import CheckFailed, EdgeCheck, InconclusiveWarning
from pytest_edgedevice.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.values import Evidence

    Make = Callable[..., Any]


SERIES = [float(value) for pair in zip(range(100, 50, -1), range(1, 51), strict=True) for value in pair]  # 1 to 100 ms


def test_a_met_budget_passes_and_keeps_the_raw_series(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    timing = check.latency(make_model(SERIES), p95_ms=100)
    (evidence,) = recorded
    assert (evidence.check, evidence.verdict, evidence.message) == ("latency", "pass", "")
    assert tuple(evidence.numbers["samples_ns"]) == timing.samples_ns
    assert evidence.numbers["budgets"] == [
        {
            "quantile": 0.95,
            "budget_ms": 100,
            "verdict": "pass",
            "lower_ms": 91.0,
            "upper_ms": 99.0,
            "reason": "",
        }
    ]
    json.dumps(evidence.numbers, allow_nan=False)


def test_an_exceeded_budget_fails_with_the_interval(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.latency(make_model(SERIES), p95_ms=50)
    assert str(caught.value).splitlines() == [
        "p95 is not < 50 ms: 95 % interval [91, 99], n=100",
        "  'face.tflite' on 'local' by xnnpack, 1 thread: p50 50, p90 90, p95 95, p99 99 ms",
    ]
    assert [one.verdict for one in recorded] == ["fail"]


def test_what_cannot_be_shown_fails_by_default(check: EdgeCheck, recorded: list[Evidence], make_model: Make) -> None:
    with pytest.raises(CheckFailed, match=r"cannot show p95 < 95 ms: 95 % interval \[91, 99\], n=100"):
        check.latency(make_model(SERIES), p95_ms=95)
    assert [one.verdict for one in recorded] == ["inconclusive"]


def test_times_of_an_emulated_device_are_no_verdict(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    model = make_model(SERIES, conditions={"before": {"emulated": True}})
    with pytest.raises(CheckFailed, match="the device is emulated, so its times say nothing; allow_emulated=True"):
        check.latency(model, p95_ms=1000)
    assert [(one.verdict, one.numbers["emulated"]) for one in recorded] == [("inconclusive", True)]


def test_an_emulated_device_is_not_measured_for_long(make_model: Make) -> None:
    model = make_model(SERIES, conditions={"before": {"emulated": True}})
    model.emulated = True
    with pytest.raises(CheckFailed, match="the device is emulated"):
        EdgeCheck(lambda _: None).latency(model, p95_ms=1000)
    assert [(asked["budget_ms"], asked["max_s"]) for asked in model.asked] == [(None, 1)]


@pytest.mark.parametrize(("budget_ms", "verdict"), [(1000, "pass"), (1, "fail")])
def test_a_test_may_judge_an_emulated_device_all_the_same(
    recorded: list[Evidence], make_model: Make, budget_ms: float, verdict: str
) -> None:
    model = make_model(SERIES, conditions={"after": {"emulated": True}})
    with contextlib.suppress(CheckFailed):
        EdgeCheck(recorded.append).latency(model, p95_ms=budget_ms, allow_emulated=True)
    assert [one.verdict for one in recorded] == [verdict]


def test_what_cannot_be_shown_warns_where_the_policy_says_so(recorded: list[Evidence], make_model: Make) -> None:
    check = EdgeCheck(recorded.append, on_inconclusive="warn")
    with pytest.warns(InconclusiveWarning, match="cannot show p95") as caught:
        check.latency(make_model(SERIES), p95_ms=95)
    assert caught[0].filename == __file__
    assert [one.verdict for one in recorded] == ["inconclusive"]


def test_a_failure_fails_also_where_the_policy_is_to_warn(recorded: list[Evidence], make_model: Make) -> None:
    with pytest.raises(CheckFailed):
        EdgeCheck(recorded.append, on_inconclusive="warn").latency(make_model(SERIES), p95_ms=50)


def test_an_unknown_policy_is_misuse(recorded: list[Evidence]) -> None:
    policy: Any = "sometimes"
    with pytest.raises(UsageError, match="on_inconclusive"):
        EdgeCheck(recorded.append, on_inconclusive=policy)


def test_too_few_runs_say_how_many_are_needed(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(CheckFailed, match="needs at least 59 runs, there were 20"):
        check.latency(make_model([5.0] * 20), p95_ms=95)


def test_several_budgets_are_one_measurement_for_the_highest_quantile(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    model = make_model(SERIES * 4)
    check.latency(model, p50_ms=80, p99_ms=150, max_s=5)
    assert model.asked == [{"inputs": None, "budget_ms": 150, "quantile": 0.99, "max_s": 5}]
    assert [one["quantile"] for one in recorded[0].numbers["budgets"]] == [0.5, 0.99]


def test_every_budget_is_judged_and_the_gravest_named_first(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.latency(make_model(SERIES), p50_ms=20, p90_ms=90, p95_ms=200)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("p50 is not < 20 ms")
    assert lines[-1].startswith("  cannot show p90 < 90 ms")
    assert [one["verdict"] for one in recorded[0].numbers["budgets"]] == ["fail", "inconclusive", "pass"]


def test_a_series_that_never_settled_shows_nothing(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    with pytest.raises(CheckFailed, match="never settled"):
        check.latency(make_model(SERIES, steady=False), p50_ms=200, p95_ms=200)
    assert {one["verdict"] for one in recorded[0].numbers["budgets"]} == {"inconclusive"}


def test_the_measurements_own_reason_is_kept_on_one_line(check: EdgeCheck, make_model: Make) -> None:
    model = make_model(SERIES, judged=False, verdict="inconclusive", reason="the clock\nis too coarse")
    with pytest.raises(CheckFailed) as caught:
        check.latency(model, p95_ms=200)
    assert str(caught.value).splitlines()[0].startswith("cannot show p95 < 200 ms: 95 % interval [?, ?]")
    assert str(caught.value).splitlines()[2] == "  the clock is too coarse"


def test_a_measurement_without_a_verdict_is_judged_here(check: EdgeCheck, make_model: Make) -> None:
    assert check.latency(make_model(SERIES, judged=False), p95_ms=100).verdict is None


def test_a_series_without_runs_is_inconclusive(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(CheckFailed, match="not a single run was timed"):
        check.latency(make_model([], judged=False), p95_ms=100)


def test_batches_are_told(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(CheckFailed, match="each a mean of 16 inferences"):
        check.latency(make_model(SERIES, batch=16), p95_ms=50)


def test_a_check_without_a_budget_is_misuse(check: EdgeCheck, recorded: list[Evidence], make_model: Make) -> None:
    with pytest.raises(UsageError, match="latency needs a budget"):
        check.latency(make_model(SERIES))
    assert recorded == []


@pytest.mark.parametrize("bad", [0, -5, math.nan, math.inf, "fast", 10**400])
@pytest.mark.parametrize("name", ["p50_ms", "max_s", "confidence"])
def test_numbers_out_of_range_are_misuse_before_anything_is_measured(
    check: EdgeCheck, make_model: Make, name: Any, bad: Any
) -> None:
    model = make_model(SERIES)
    with pytest.raises(UsageError, match=name):
        check.latency(model, **{"p95_ms": 10, name: bad})
    assert model.asked == []


def test_the_interval_is_worded_at_the_confidence_asked_for_also_after_several_looks(
    check: EdgeCheck, make_model: Make
) -> None:
    reason = "cannot show p95 < 95 ms: 97.5 % interval [90, 100] ms, n=100"
    model = make_model(SERIES, judged=False, verdict="inconclusive", reason=reason, lower_ms=90.0, upper_ms=100.0)
    with pytest.raises(CheckFailed) as caught:
        check.latency(model, p95_ms=95)
    lines = str(caught.value).splitlines()
    assert lines[0] == "cannot show p95 < 95 ms: 95 % interval [90, 100], n=100"
    assert len(lines) == 2


def test_a_budget_that_the_first_series_leaves_open_gets_one_of_its_own(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    model = make_model(SERIES)
    with pytest.raises(CheckFailed, match="cannot show p50 < 50 ms"):
        check.latency(model, p50_ms=50, p95_ms=100)
    assert [one["quantile"] for one in model.asked] == [0.95, 0.5]
    assert list(recorded[0].numbers["more_samples_ns"]) == ["p50"]


def test_a_budget_that_the_first_series_decides_is_not_measured_again(check: EdgeCheck, make_model: Make) -> None:
    model = make_model(SERIES)
    check.latency(model, p50_ms=90, p95_ms=100)
    assert [one["quantile"] for one in model.asked] == [0.95]


def test_any_quantile_can_have_a_budget(check: EdgeCheck, recorded: list[Evidence], make_model: Make) -> None:
    check.latency(make_model(SERIES * 40), quantiles_ms={0.75: 90, 0.999: 101})
    assert [one["quantile"] for one in recorded[0].numbers["budgets"]] == [0.75, 0.999]


@pytest.mark.parametrize("quantile", [0, 1, 1.5, "p95"])
def test_a_quantile_that_is_none_is_misuse(check: EdgeCheck, make_model: Make, quantile: Any) -> None:
    with pytest.raises(UsageError, match="a quantile must be between 0 and 1"):
        check.latency(make_model(SERIES), quantiles_ms={quantile: 5})


def test_more_budgets_than_a_record_takes_are_misuse(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(UsageError, match="up to 100 budgets, not 101"):
        check.latency(make_model(SERIES), quantiles_ms={number / 200: 5.0 for number in range(1, 102)})


def test_a_confidence_that_no_float_tells_from_certainty_is_misuse(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(UsageError, match=r"from 0\.5 to 0\.999999"):
        check.latency(make_model(SERIES), p95_ms=5, confidence=1 - 1e-15)


def test_numbers_of_numpy_are_budgets(check: EdgeCheck, make_model: Make) -> None:
    model = make_model(SERIES)
    budget: Any = np.float32(500)
    check.latency(model, p95_ms=budget)
    assert type(model.asked[0]["budget_ms"]) is float


@pytest.mark.parametrize("others", [[0.95], 5, "p95"])
def test_budgets_that_are_no_mapping_are_misuse(check: EdgeCheck, make_model: Make, others: Any) -> None:
    with pytest.raises(UsageError, match="quantiles_ms must map quantiles to milliseconds"):
        check.latency(make_model(SERIES), quantiles_ms=others)


def test_two_budgets_of_one_quantile_are_misuse(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(UsageError, match="p95 has two budgets"):
        check.latency(make_model(SERIES), p95_ms=1, quantiles_ms={0.95: 200})


@pytest.mark.parametrize(("what", "observed"), [("load", 3.0), ("first", 4.0), ("cold", 7.0)])
def test_what_happens_once_has_budgets_of_its_own(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make, what: str, observed: float
) -> None:
    model: Any = make_model(SERIES)
    budget: dict[str, Any] = {f"{what}_ms": observed}
    check.latency(model, **budget)
    assert [(one.verdict, one.numbers["singles"]) for one in recorded] == [
        ("pass", [{"what": what, "budget_ms": observed, "observed_ms": observed, "verdict": "pass", "reason": ""}])
    ]
    assert [asked["budget_ms"] for asked in model.asked] == [None]


def test_loading_over_its_budget_fails_and_says_that_it_was_observed_once(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.latency(make_model(SERIES), load_ms=2, first_ms=1, p95_ms=100)
    assert str(caught.value).splitlines() == [
        "loading took 3 ms, over 2 ms; one observation",
        "  'face.tflite' on 'local' by xnnpack, 1 thread: p50 50, p90 90, p95 95, p99 99 ms",
        "  the first inference took 4 ms, over 1 ms; one observation",
    ]


def test_a_quantile_over_its_budget_is_named_before_what_happened_once(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.latency(make_model(SERIES), load_ms=2, p95_ms=50)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("p95 is not < 50 ms")
    assert lines[-1] == "  loading took 3 ms, over 2 ms; one observation"


@pytest.mark.parametrize("budget", ["first_ms", "cold_ms"])
def test_the_first_inference_of_a_model_that_ran_before_is_not_judged(
    check: EdgeCheck, make_model: Make, budget: str
) -> None:
    options: dict[str, Any] = {budget: 1000}
    with pytest.raises(CheckFailed, match="the model had run before; needed: this check before any run"):
        check.latency(make_model(SERIES, cold=False), **options)


def test_what_an_emulator_takes_once_is_no_verdict_either(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    with pytest.raises(CheckFailed, match="the device is emulated"):
        check.latency(make_model(SERIES, conditions={"before": {"emulated": True}}), load_ms=1000)
    assert recorded[0].verdict == "inconclusive"


def test_limits_reach_the_measurement(check: EdgeCheck, make_model: Make) -> None:
    model = make_model(SERIES)
    check.latency(model, p95_ms=100, sustained_s=60, max_runs=200)
    assert model.asked == [
        {"inputs": None, "budget_ms": 100, "quantile": 0.95, "max_s": 30, "sustained_s": 60, "max_runs": 200}
    ]


@pytest.mark.parametrize("seconds", [0, -1, math.inf, "long"])
def test_a_sustained_time_that_is_none_is_misuse(check: EdgeCheck, make_model: Make, seconds: Any) -> None:
    with pytest.raises(UsageError, match="sustained_s"):
        check.latency(make_model(SERIES), p95_ms=100, sustained_s=seconds)


def test_of_a_sustained_run_only_the_last_part_is_judged(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    model = make_model([500.0] * 200 + SERIES, judged=False, judged_from=200)
    check.latency(model, p50_ms=80, p95_ms=100, sustained_s=9)
    assert recorded[0].numbers["judged_from"] == 200
    assert len(model.asked) == 1


def test_an_open_budget_says_what_would_decide_it(check: EdgeCheck, recorded: list[Evidence], make_model: Make) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.latency(make_model(SERIES, judged=False), p95_ms=96)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert lines[2].startswith("  needed: about ")
    assert recorded[0].numbers["needed"] == {"p95": lines[2].strip()}


def test_a_device_that_got_slower_while_it_was_measured_is_named(check: EdgeCheck, make_model: Make) -> None:
    with pytest.raises(CheckFailed, match=r"it got 12 % slower while it was measured"):
        check.latency(make_model(SERIES, drift=0.12), p95_ms=50)


def test_budgets_after_several_looks_are_judged_with_the_confidence_of_the_last(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    model = make_model(SERIES, judged=False, look_confidence=0.999)
    with pytest.raises(CheckFailed, match="cannot show p95 < 99 ms"):
        check.latency(model, p95_ms=99)
    assert recorded[0].numbers["look_confidence"] == 0.999
