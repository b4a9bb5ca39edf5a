"""Bounds of rates and means against scipy, and how many samples would decide."""

from __future__ import annotations

import math

import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.metrics.rates import clopper_pearson, samples_needed, t_interval, t_quantile, trials_needed


@settings(max_examples=60, deadline=None)
@given(trials=st.integers(1, 200_000), share=st.floats(0, 1), confidence=st.floats(0.5, 0.9999))
def test_bounds_of_rates_are_those_of_scipy(trials: int, share: float, confidence: float) -> None:
    successes = round(share * trials)
    lower, upper = clopper_pearson(successes, trials, confidence)
    low = scipy.stats.beta.ppf(1 - confidence, successes, trials - successes + 1) if successes else 0.0
    high = scipy.stats.beta.ppf(confidence, successes + 1, trials - successes) if successes < trials else 1.0
    assert lower == pytest.approx(low, rel=1e-7, abs=1e-12)
    assert upper == pytest.approx(high, rel=1e-7)


@pytest.mark.parametrize("successes", range(11))
def test_a_bound_of_a_rate_is_where_what_was_seen_becomes_unlikely(successes: int) -> None:
    lower, upper = clopper_pearson(successes, 10, 0.9)
    if successes:
        assert scipy.stats.binom.sf(successes - 1, 10, lower) == pytest.approx(0.1)
    if successes < 10:
        assert scipy.stats.binom.cdf(successes, 10, upper) == pytest.approx(0.1)


@pytest.mark.parametrize(("successes", "trials", "confidence"), [(0, 0, 0.9), (2, 1, 0.9), (-1, 1, 0.9), (1, 1, 1.0)])
def test_counts_that_cannot_be_are_refused(successes: int, trials: int, confidence: float) -> None:
    with pytest.raises(ValueError, match=r"cannot be|confidence"):
        clopper_pearson(successes, trials, confidence)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.01, 0.9999), freedom=st.integers(1, 1_000_000))
def test_quantiles_of_t_are_those_of_scipy(share: float, freedom: int) -> None:
    assert t_quantile(share, freedom) == pytest.approx(scipy.stats.t.ppf(share, freedom), rel=1e-6, abs=1e-6)


def test_a_share_outside_of_the_distribution_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        t_quantile(1.0, 3)


def test_an_interval_of_a_mean_is_that_of_scipy() -> None:
    scores = [0.1, 0.4, 0.35, 0.8, 0.2]
    found = scipy.stats.ttest_1samp(scores, 0).confidence_interval(0.9)  # two-sided at 90 % is one-sided at 95 %
    mean, deviation = float(scipy.stats.tmean(scores)), float(scipy.stats.tstd(scores))
    assert list(t_interval(mean, deviation, 5, 0.95) or ()) == pytest.approx([found.low, found.high])


@pytest.mark.parametrize(("mean", "deviation", "samples"), [(1.0, 0.0, 1), (math.nan, 1.0, 9), (1.0, math.inf, 9)])
def test_what_shows_no_spread_has_no_interval(mean: float, deviation: float, samples: int) -> None:
    assert t_interval(mean, deviation, samples, 0.95) is None


@pytest.mark.parametrize(("rate", "wanted"), [(1.0, 0.96), (0.98, 0.96), (0.93, 0.96), (0.0, 0.5)])
def test_as_many_trials_as_are_needed_decide_and_half_of_them_do_not(rate: float, wanted: float) -> None:
    needed = trials_needed(rate, wanted, 0.95)
    assert needed is not None

    def decided(trials: int) -> bool:
        right = math.floor(rate * trials + 1e-9) if rate > wanted else math.ceil(rate * trials - 1e-9)
        lower, upper = clopper_pearson(right, trials, 0.95)
        return lower >= wanted - 1e-9 if rate > wanted else upper < wanted + 1e-9

    assert decided(needed)
    assert needed == 1 or not decided(needed // 2)


@pytest.mark.parametrize(("rate", "wanted"), [(0.96, 0.96), (0.960001, 0.96), (1.0, 1.0), (0.5, 0.0)])
def test_no_number_of_trials_decides_what_is_the_same(rate: float, wanted: float) -> None:
    assert trials_needed(rate, wanted, 0.95) is None


def test_as_many_samples_as_are_needed_bring_the_bound_of_a_mean_to_what_is_wanted() -> None:
    needed = samples_needed(0.5, 0.2, 0.52, 0.95)
    assert needed is not None
    interval = t_interval(0.5, 0.2, needed, 0.95)
    assert interval is not None
    assert interval[1] == pytest.approx(0.52, abs=1e-4)


@pytest.mark.parametrize(("mean", "deviation"), [(0.52, 0.1), (math.inf, 0.1), (0.5, math.nan), (0.5200001, 0.1)])
def test_no_number_of_samples_is_named_where_there_is_none(mean: float, deviation: float) -> None:
    assert samples_needed(mean, deviation, 0.52, 0.95) is None
