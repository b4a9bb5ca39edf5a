"""Order statistics against published numbers and small simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.metrics.latency import (
    autocorrelation,
    bound_ranks,
    bounds,
    effective_size,
    interval_text,
    judge,
    look_confidence,
    quantile_name,
    runs_needed,
    sample_quantile,
    steady,
)

MS = 1_000_000


def spread(count: int) -> list[int]:
    """The numbers 1 to count in milliseconds, alternating so that nothing is positively correlated."""
    low = list(range(1, count // 2 + 1))
    high = list(range(count, count // 2, -1))
    mixed = [value for pair in zip(high, low, strict=False) for value in pair]
    return [value * MS for value in [*mixed, *high[len(low) :]]]


@pytest.mark.parametrize(("count", "ranks"), [(100, (91, 99)), (200, (185, 196)), (500, (467, 484))])
def test_ranks_for_p95_are_the_published_ones(count: int, ranks: tuple[int, int]) -> None:
    assert bound_ranks(count, quantile=0.95, confidence=0.95) == ranks


@given(st.integers(1, 400), st.sampled_from([0.5, 0.9, 0.95, 0.99]), st.sampled_from([0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_ranks_fit_the_exact_binomial(count: int, quantile: float, confidence: float) -> None:
    masses = [math.comb(count, k) * quantile**k * (1 - quantile) ** (count - k) for k in range(count + 1)]
    at_most = [math.fsum(masses[: k + 1]) for k in range(count + 1)]
    at_least = [math.fsum(masses[k:]) for k in range(count + 1)]
    high = [k for k in range(1, count + 1) if at_most[k - 1] >= confidence - 1e-12]
    low = [k for k in range(1, count + 1) if at_least[k] >= confidence - 1e-12]
    expected = (max(low) if low else None, min(high) if high else None)
    assert bound_ranks(count, quantile=quantile, confidence=confidence) == expected


def test_a_million_runs_have_ranks_near_their_normal_approximation() -> None:
    low, high = bound_ranks(1_000_000, quantile=0.95, confidence=0.95)
    assert low is not None
    assert high is not None
    assert (low - 950_000) / 217.9 == pytest.approx(-1.645, abs=0.01)
    assert (high - 950_000) / 217.9 == pytest.approx(1.645, abs=0.01)


@pytest.mark.parametrize(
    ("quantile", "confidence", "runs"),
    [
        (0.95, 0.95, 59),
        (0.95, 0.99, 90),
        (0.9, 0.95, 29),
        (0.9, 0.99, 44),
        (0.99, 0.95, 299),
        (0.99, 0.99, 459),
    ],
)
def test_the_fewest_runs_are_the_published_ones(quantile: float, confidence: float, runs: int) -> None:
    assert runs_needed(quantile, confidence) == runs


@given(st.floats(0.05, 0.995), st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_an_upper_bound_exists_from_the_fewest_runs_on(quantile: float, confidence: float) -> None:
    runs = runs_needed(quantile, confidence)
    assert bound_ranks(runs, quantile=quantile, confidence=confidence)[1] is not None
    if runs > 1:
        assert bound_ranks(runs - 1, quantile=quantile, confidence=confidence - 1e-9)[1] in {None, runs - 1}


def test_bounds_of_an_uncorrelated_series_are_its_own_order_statistics() -> None:
    assert bounds(spread(100), quantile=0.95, confidence=0.95) == (91 * MS, 99 * MS)


@pytest.mark.parametrize(
    ("budget_ms", "verdict"), [(99, "pass"), (98.9, "inconclusive"), (91, "inconclusive"), (90.9, "fail")]
)
def test_the_verdict_turns_exactly_at_the_bounds(budget_ms: float, verdict: str) -> None:
    found = judge(spread(100), budget_ns=budget_ms * MS, quantile=0.95, confidence=0.95)
    assert (found.verdict, found.lower_ns, found.upper_ns) == (verdict, 91 * MS, 99 * MS)


def test_an_inconclusive_verdict_says_what_could_not_be_shown() -> None:
    reason = judge(spread(100), budget_ns=95 * MS, quantile=0.95, confidence=0.95).reason
    assert reason == "cannot show p95 < 95 ms: 95 % interval [91, 99], n=100"


def test_a_failed_verdict_gives_the_interval() -> None:
    reason = judge(spread(100), budget_ns=50 * MS, quantile=0.95, confidence=0.95).reason
    assert reason == "p95 is not < 50 ms: 95 % interval [91, 99], n=100"


def test_a_pass_has_no_reason() -> None:
    assert judge(spread(100), budget_ns=200 * MS, quantile=0.95, confidence=0.95).reason == ""


def test_too_short_a_series_cannot_pass_however_fast_it_is() -> None:
    found = judge([1] * 58, budget_ns=100 * MS, quantile=0.95, confidence=0.95)
    assert found.verdict == "inconclusive"
    assert found.reason == "cannot show p95 < 100 ms: that needs at least 59 runs, there were 58"


def test_too_short_a_series_can_still_fail() -> None:
    assert judge([200 * MS] * 20, budget_ns=100 * MS, quantile=0.95, confidence=0.95).verdict == "fail"


def test_a_correlated_series_says_what_it_is_worth() -> None:
    drifting = [value * MS for value in range(1, 101)]
    found = judge(drifting, budget_ns=200 * MS, quantile=0.95, confidence=0.95)
    assert found.verdict == "inconclusive"
    assert ", worth " in found.reason


def test_a_constant_series_is_not_correlated() -> None:
    assert (autocorrelation([7, 7, 7]), effective_size([7, 7, 7])) == (0.0, 3)


def test_an_alternating_series_is_clipped_at_zero() -> None:
    assert autocorrelation([1, 9] * 20) == 0.0


def test_a_latency_of_zero_does_not_break_the_logarithm() -> None:
    assert effective_size([0, 5, 0, 5]) == 4


def test_autocorrelation_of_an_ar1_series_is_its_coefficient() -> None:
    assert autocorrelation(ar1(np.random.default_rng(1), 4000, 0.8)) == pytest.approx(0.8, abs=0.04)


def ar1(random: np.random.Generator, count: int, rho: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    steps = random.standard_normal(count + 50)
    for index in range(1, steps.size):
        steps[index] += rho * steps[index - 1]
    return np.asarray(np.exp(0.1 * steps[50:] * math.sqrt(1 - rho**2)) * 100 * MS)


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_bounds_are_wrong_no_more_often_than_promised(rho: float) -> None:
    random = np.random.default_rng(11)
    truth = math.exp(0.1 * 1.6448536) * 100 * MS
    wrong = [0, 0]
    for _ in range(300):
        lower, upper = bounds(ar1(random, 1000, rho), quantile=0.95, confidence=0.95)
        assert lower is not None
        assert upper is not None
        wrong[0] += lower > truth
        wrong[1] += upper < truth
    assert max(wrong) / 300 <= 0.09  # 5 % promised; three standard errors of 300 series above


def test_a_budget_with_headroom_passes_almost_always_and_never_fails() -> None:
    random = np.random.default_rng(5)
    budget = math.exp(0.1 * 1.6448536) * 100 * MS * 1.05
    verdicts = [
        judge(ar1(random, 500, 0.0), budget_ns=budget, quantile=0.95, confidence=0.95).verdict for _ in range(200)
    ]
    assert verdicts.count("pass") >= 180
    assert verdicts.count("fail") == 0


@given(st.floats(0.5, 0.999), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_all_looks_together_spend_the_error_once(confidence: float, looks: int) -> None:
    spent = sum(1 - look_confidence(confidence, look, looks) for look in range(1, looks + 1))
    assert spent == pytest.approx(1 - confidence)


def test_the_last_look_has_half_of_the_error() -> None:
    assert look_confidence(0.9, 3, 3) == pytest.approx(0.95)


@pytest.mark.parametrize(("look", "looks"), [(0, 3), (4, 3), (1, 0)])
def test_a_look_outside_the_plan_is_refused(look: int, looks: int) -> None:
    with pytest.raises(ValueError, match="look must be in"):
        look_confidence(0.95, look, looks)


@pytest.mark.parametrize(
    ("windows", "settled"),
    [
        ([], False),
        ([[100]], False),
        ([[100], [102]], True),
        ([[100], [103]], False),
        ([[100], [97.5]], True),
        ([[100], [150], [151]], True),
        ([[100], [100], [150]], False),
        ([[0], [0]], True),
    ],
)
def test_warm_up_ends_when_two_windows_in_a_row_agree(windows: list[list[float]], settled: bool) -> None:
    assert steady(windows) is settled


@pytest.mark.parametrize(("quantile", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (0.001, 1)])
def test_a_sample_quantile_is_a_measured_value(quantile: float, value: int) -> None:
    assert sample_quantile(range(100, 0, -1), quantile) == value


@pytest.mark.parametrize("series", [[], [[1, 2]], [1, -1], [1, math.nan]])
def test_what_is_no_series_is_refused(series: list[float]) -> None:
    with pytest.raises(ValueError, match="latencies"):
        bounds(series, quantile=0.95, confidence=0.95)


@pytest.mark.parametrize(("quantile", "confidence"), [(0, 0.95), (1, 0.95), (0.95, 0), (0.95, 1), (math.nan, 0.5)])
def test_shares_outside_0_to_1_are_refused(quantile: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        bound_ranks(10, quantile=quantile, confidence=confidence)


def test_no_samples_have_no_ranks() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        bound_ranks(0, quantile=0.95, confidence=0.95)


@pytest.mark.parametrize("budget", [0, -1, math.nan, math.inf])
def test_a_budget_that_is_none_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        judge([1], budget_ns=budget, quantile=0.95, confidence=0.95)


def test_names_and_unknown_bounds_read_well() -> None:
    assert (quantile_name(0.999), interval_text(None, 1.5 * MS)) == ("p99.9", "[?, 1.5]")
