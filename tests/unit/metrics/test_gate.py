"""When the gate decides, what it spends, and what it says is needed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.metrics.dependence import autocorrelation, inflation
from pytest_edgedevice.metrics.drift import Drift, _student_tail, drift
from pytest_edgedevice.metrics.gate import Gate
from pytest_edgedevice.metrics.latency import effective_size, explained, judge, judge_batches, judge_run
from pytest_edgedevice.metrics.looks import (
    alone,
    both_sides,
    enough_seen,
    look_confidence,
    looks_of,
    plan_looks,
    settled,
    spent,
)
from pytest_edgedevice.metrics.needed import needed, runs_to_decide

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.series import Floats

MS = 1_000_000


def noisy(runs: int, *, typical_ms: float = 10.0, share: float = 0.05, seed: int = 1) -> Floats:
    return np.exp(share * np.random.RandomState(seed).standard_normal(runs)) * typical_ms * MS


def gate(budget_ms: float, *, max_runs: int = 5000) -> Gate:
    looks = plan_looks(quantile=0.95, confidence=0.95, min_runs=0, max_runs=max_runs)
    return Gate(budget_ms * MS, quantile=0.95, confidence=0.95, looks=looks)


def test_the_looks_double_the_series_up_to_its_cap() -> None:
    assert plan_looks(quantile=0.95, confidence=0.95, min_runs=0, max_runs=1000) == (124, 248, 496, 992, 1000)


def test_a_cap_below_the_first_look_is_the_only_look() -> None:
    assert plan_looks(quantile=0.95, confidence=0.95, min_runs=0, max_runs=60) == (60,)


@pytest.mark.parametrize(
    ("each_ns", "looks"), [(1e6, (550, 1000)), (1e7, (124, 248, 496, 992, 1000)), (1e3, (1000,)), (0.0, (1000,))]
)
def test_a_look_that_could_not_give_a_verdict_is_not_planned(each_ns: float, looks: tuple[int, ...]) -> None:
    assert looks_of((124, 248, 496, 992, 1000), each_ns=each_ns) == looks


def test_a_clear_verdict_is_given_at_the_first_look() -> None:
    found = gate(100).look(noisy(124))
    assert found is not None
    assert found.verdict == "pass"


@pytest.mark.parametrize("budget_ms", [13, 8])
def test_a_close_verdict_waits_until_two_seconds_were_observed(budget_ms: float) -> None:
    one = gate(budget_ms)
    assert [one.look(noisy(length)) is None for length in one.looks[:2]] == [True, False]


def test_nothing_is_decided_or_spent_before_half_a_second() -> None:
    one = gate(100)
    assert one.look(noisy(124, typical_ms=1)) is None
    assert one.confidence_used == 0.95


def test_a_batch_counts_for_all_of_its_inferences() -> None:
    assert gate(100).look(noisy(124, typical_ms=1), batch=8) is not None


def test_the_last_look_gives_a_verdict_whatever_it_is() -> None:
    series = noisy(300)
    one = gate(float(np.quantile(series, 0.95)) / MS, max_runs=300)
    found = [one.look(series[:length]) for length in one.looks]
    assert [each is None for each in found] == [True, True, False]
    assert found[-1] is not None
    assert (found[-1].verdict, bool(found[-1].needed)) == ("inconclusive", True)


def test_a_series_that_time_ends_at_its_first_look_may_spend_the_whole_error() -> None:
    one = gate(12)
    found = one.look(noisy(60), time_is_up=True)
    assert found is not None
    assert (found.verdict, one.confidence_used) == ("pass", 0.95)


def test_a_series_that_is_looked_at_once_keeps_its_confidence_as_a_whole_where_the_runs_suffice() -> None:
    assert (alone(0.95, quantile=0.95, runs=71), alone(0.95, quantile=0.95, runs=72)) == (0.95, 0.975)


def test_a_handful_of_runs_spends_no_more_than_an_early_look() -> None:
    one = gate(12)
    assert one.look(noisy(5), time_is_up=True) is not None
    assert one.confidence_used == look_confidence(both_sides(0.95), 1, len(one.looks))


def test_a_verdict_can_be_computed_again_from_the_confidence_that_was_used() -> None:
    one, series = gate(12), noisy(500)
    found = next(each for length in one.looks if (each := one.look(series[:length])))
    again = judge_run(series[:248], budget_ns=12 * MS, quantile=0.95, confidence=one.confidence_used)
    assert (again.verdict, again.lower_ns, again.upper_ns) == (found.verdict, found.lower_ns, found.upper_ns)


@given(st.floats(0.5, 0.999), st.integers(2, 12))
@settings(max_examples=40, deadline=None)
def test_looks_together_spend_the_error_of_both_sides_once(confidence: float, looks: int) -> None:
    shares = [1 - spent(confidence, look, looks, last=look == looks) for look in range(1, looks + 1)]
    assert 2 * sum(shares) == pytest.approx(1 - confidence)


def test_a_look_that_time_makes_the_last_spends_what_is_kept_for_it() -> None:
    assert spent(0.95, 2, 6, last=True) == look_confidence(both_sides(0.95), 6, 6)


@pytest.mark.parametrize(
    ("observed_s", "lower", "upper", "enough"),
    [
        (0.4, None, 1, False),
        (0.6, None, 50, True),
        (0.6, None, 90, False),
        (0.6, 160, None, True),
        (0.6, 120, None, False),
        (0.6, None, None, False),
        (2.1, 99, 101, True),
    ],
)
def test_how_long_is_long_enough_depends_on_how_clear_it_is(
    observed_s: float, lower: float | None, upper: float | None, enough: bool
) -> None:
    assert enough_seen(observed_s * 1e9, budget_ns=100, lower_ns=lower, upper_ns=upper) is enough


def test_noisy_windows_settle_when_several_agree_with_as_many_before() -> None:
    windows = [[100.0], [110.0], [100.0], [110.0]]
    assert settled(windows)
    assert not settled(windows[:2])


def test_windows_that_climb_never_settle() -> None:
    assert not any(settled([[100.0 * 1.04**n] for n in range(count)]) for count in range(25))


def test_slow_spells_that_one_lag_does_not_show_shrink_the_effective_size() -> None:
    slow = np.repeat(np.random.RandomState(3).random_sample(60) < 0.2, 20)
    series = noisy(1200, share=0.3) * np.where(slow, 1.4, 1.0)
    rho = autocorrelation(series)
    assert inflation(series) > 1.5 * (1 + rho) / (1 - rho)
    assert effective_size(series) < 1200 * (1 - rho) / (1 + rho)


def test_a_wander_that_is_small_against_the_way_to_the_budget_costs_no_runs() -> None:
    series = 100.0 * MS * (1 + 0.01 * np.arange(300) / 300)
    assert effective_size(series) < 20
    assert judge(series, budget_ns=200 * MS, quantile=0.95, confidence=0.95).verdict == "pass"
    assert judge(series, budget_ns=101.0 * MS, quantile=0.95, confidence=0.95).verdict == "inconclusive"


def test_a_series_of_one_is_worth_one() -> None:
    assert effective_size([5.0]) == 1


def test_a_device_that_got_slower_passes_only_if_its_last_third_does() -> None:
    series = noisy(900, share=0.02)
    series[-250:] *= 1.3
    assert judge_run(series, budget_ns=20 * MS, quantile=0.5, confidence=0.95).verdict == "pass"
    found = judge_run(series, budget_ns=12 * MS, quantile=0.5, confidence=0.95)
    assert judge(series, budget_ns=12 * MS, quantile=0.5, confidence=0.95).verdict == "pass"
    assert found.verdict == "inconclusive"
    assert "slower in its last third than in its first" in found.reason
    assert found.needed.startswith("needed: a device that keeps its speed")


def test_a_device_that_got_faster_fails_only_if_its_last_third_does() -> None:
    series = noisy(900, share=0.02)
    series[:400] *= 1.5
    found = judge_run(series, budget_ns=12 * MS, quantile=0.95, confidence=0.95)
    assert (found.verdict, found.reason[:13]) == ("inconclusive", "cannot refute")
    assert "faster in its last third" in found.reason


def test_a_drift_that_changes_no_verdict_is_no_reason() -> None:
    series = noisy(900, share=0.02) * (1 + 0.2 * np.arange(900) / 900)
    assert judge_run(series, budget_ns=20 * MS, quantile=0.95, confidence=0.95).verdict == "pass"
    assert judge_run(series, budget_ns=5 * MS, quantile=0.95, confidence=0.95).verdict == "fail"


def test_slow_spells_do_not_hide_a_device_that_slows_down() -> None:
    """In some blocks half of the runs are slow, so that medians jump from block to block; the fast runs do not."""
    random = np.random.RandomState(5)
    share_of_block = random.uniform(0.1, 0.75, 30).repeat(60)
    slow = random.random_sample(1800) < share_of_block
    series = 10 * MS * np.where(slow, 1.5, 1.0) * (1 + 0.01 * random.random_sample(1800))
    found = drift(series * np.where(np.arange(1800) < 900, 1.0, 1.1))
    assert found.slower
    assert 0.08 < found.change < 0.12


def test_runs_that_become_more_alike_are_no_drift() -> None:
    """The fast ones get slower and the slow ones faster, around one median."""
    half = np.linspace(0.5, 0.1, 300)
    assert drift(10 * MS * (1 + half * np.where(np.arange(300) % 2, 1, -1))).shown == 0


def test_a_large_drift_is_told_without_a_power_of_ten() -> None:
    assert str(drift([10.0 * MS] * 300 + [25.0 * MS] * 300)).startswith("150 % slower")


def test_drift_is_told_with_both_medians() -> None:
    found = drift([10.0 * MS] * 300 + [12.0 * MS] * 300)
    assert str(found) == "20 % slower in its last third than in its first (12 against 10 ms)"
    assert found.slower
    assert found.shown == pytest.approx(0.2)
    assert drift([12.0 * MS] * 300 + [10.0 * MS] * 300).faster


@pytest.mark.parametrize("series", [[1.0] * 8, [1.0] * 600, [0.0] * 30])
def test_what_shows_no_drift_is_none(series: list[float]) -> None:
    assert drift(series).shown == 0


def test_neighbours_that_are_all_alike_leave_too_few_blocks_to_tell() -> None:
    walk = np.exp(0.01 * np.cumsum(np.random.RandomState(1).standard_normal(100))) * MS
    assert drift(walk).chance == 1


def test_a_small_change_is_none_however_sure_it_is() -> None:
    found = Drift(0.03, 1e-9, 1, 1)
    assert (found.slower, found.faster, found.shown) == (False, False, 0)


@given(st.floats(0, 60), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_students_tail_is_the_published_one(t: float, half: int) -> None:
    assert _student_tail(t, 2 * half) == pytest.approx(scipy.stats.t.sf(t, 2 * half), rel=1e-6, abs=1e-12)


def test_what_is_needed_names_runs_and_the_bound_that_would_pass() -> None:
    series = noisy(200)
    found = explained(
        judge(series, budget_ns=11.1 * MS, quantile=0.95, confidence=0.95),
        series,
        budget_ns=11.1 * MS,
        quantile=0.95,
        confidence=0.95,
    )
    assert found.verdict == "inconclusive"
    assert found.needed.startswith("needed: about ")
    assert "runs like these to show that it is" in found.needed
    assert "% lower (it is" in found.needed


def test_a_quantile_on_its_budget_is_not_promised_to_be_decided() -> None:
    series = [9.0 * MS] * 95 + [11.0 * MS] * 5
    text = needed(series, budget_ns=10 * MS, quantile=0.95, confidence=0.95, upper_ns=11 * MS)
    assert text == ("no number of runs will tell p95 from its budget; needed: an upper bound 9.1 % lower (it is 11 ms)")


def test_too_short_a_series_says_how_many_more() -> None:
    text = needed([5.0] * 20, budget_ns=10, quantile=0.95, confidence=0.95, upper_ns=None)
    assert text == "needed: 59 runs at least, 39 more"


@pytest.mark.parametrize("share", [0.96, 0.93, 1.0])
def test_the_runs_that_are_said_to_decide_do(share: float) -> None:
    options = {"quantile": 0.95, "confidence": 0.95, "inflation": 2.0}
    runs = runs_to_decide(share, at_least=60, **options)
    assert runs is not None
    series = np.where(np.arange(runs) < math.floor(share * runs), 1.0, 3.0)
    found = judge(np.random.RandomState(0).permutation(series), budget_ns=2, quantile=0.95, confidence=0.8)
    assert found.verdict != "inconclusive"


def test_what_is_decided_needs_nothing() -> None:
    found = judge([1.0] * 100, budget_ns=2, quantile=0.95, confidence=0.95)
    assert explained(found, [1.0] * 100, budget_ns=2, quantile=0.95, confidence=0.95) is found


def test_a_batch_that_hides_its_slowest_inference_says_what_budget_it_could_show() -> None:
    found = judge_batches([1.0] * 100, 5, budget_ns=2, quantile=0.95, confidence=0.95)
    assert (found.verdict, found.needed) == ("inconclusive", "needed: a budget for 5 inferences")
