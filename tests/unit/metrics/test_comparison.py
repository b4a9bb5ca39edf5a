"""Mann-Whitney and Hodges-Lehmann against scipy, by hand, and on simulated blocks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.metrics.comparison import MOST_BLOCKS, _arrangements, chance_of_excess, ratio


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**31 - 1))
@settings(max_examples=40, deadline=None)
def test_the_chance_is_that_of_scipy(new: int, old: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    one, other = random.random_sample(new) + 1, random.random_sample(old) + 1
    expected = scipy.stats.mannwhitneyu(one, other, alternative="greater", method="exact").pvalue
    assert chance_of_excess(one * 1e6, other * 1e6, factor=1) == pytest.approx(expected)


@pytest.mark.parametrize(("new", "old"), [(1, 1), (3, 4), (5, 2)])
def test_the_orders_are_those_that_can_be_counted_out(new: int, old: int) -> None:
    counted = [0] * (new * old + 1)
    for places in itertools.combinations(range(new + old), new):
        counted[sum(place - rank for rank, place in enumerate(places))] += 1
    assert list(_arrangements(new, old)) == counted


def test_as_many_blocks_as_are_allowed_are_counted_exactly() -> None:
    assert sum(_arrangements(MOST_BLOCKS, MOST_BLOCKS)) == math.comb(2 * MOST_BLOCKS, MOST_BLOCKS)


def test_the_estimate_is_the_median_of_all_ratios() -> None:
    found = ratio([2e6, 4e6, 8e6], [1e6, 2e6, 4e6], confidence=0.9)
    assert found.estimate == pytest.approx(2)


def test_bounds_of_four_blocks_are_the_published_ones() -> None:
    # n = m = 4 at 0.9714: the second smallest and the second largest of the 16 shifts
    new, old = [math.exp(value) * 1e6 for value in (10, 20, 30, 40)], [math.exp(value) * 1e6 for value in (1, 2, 3, 4)]
    found = ratio(new, old, confidence=0.97)
    assert found.lower == pytest.approx(math.exp(7))
    assert found.upper == pytest.approx(math.exp(38))


def test_too_few_blocks_have_no_bounds() -> None:
    assert ratio([1e6] * 2, [1e6] * 2, confidence=0.95)[1:] == (None, None)


def test_blocks_that_are_all_alike_are_within_any_factor_above_one() -> None:
    found = ratio([5e6] * 8, [5e6] * 8, confidence=0.99)
    assert (found.estimate, found.lower, found.upper) == (1, 1, 1)
    assert chance_of_excess([5e6] * 8, [5e6] * 8, factor=1) == 1


def test_a_test_and_a_bound_agree_about_a_factor() -> None:
    random = np.random.RandomState(2)
    new, old = np.exp(0.1 * random.standard_normal(9) + 0.2) * 1e7, np.exp(0.1 * random.standard_normal(9)) * 1e7
    lower = ratio(new, old, confidence=0.95).lower
    assert lower is not None
    assert chance_of_excess(new, old, factor=lower * 0.999) <= 0.05
    assert chance_of_excess(new, old, factor=lower * 1.001) > 0.05


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.RandomState(7)
    missed = 0
    for _ in range(400):
        new, old = np.exp(0.05 * random.standard_normal((2, 8))) * 1e7
        found = ratio(new * 1.1, old, confidence=0.975)
        assert found.lower is not None
        assert found.upper is not None
        missed += not found.lower <= 1.1 <= found.upper
    assert missed / 400 <= 0.05


def test_a_wander_that_both_share_widens_the_interval_and_does_not_break_it() -> None:
    random = np.random.RandomState(8)
    missed = 0
    for _ in range(200):
        walk = np.exp(np.cumsum(0.01 * random.standard_normal(32)))
        order = np.array([0, 1, 1, 0] * 8)
        found = ratio(walk[order == 0] * 1e7, walk[order == 1] * 1e7, confidence=0.975)
        assert found.lower is not None
        assert found.upper is not None
        missed += not found.lower <= 1 <= found.upper
    assert missed / 200 <= 0.01


@pytest.mark.parametrize("blocks", [[], [1.0] * (MOST_BLOCKS + 1), [-1.0], [math.nan]])
def test_what_are_no_blocks_is_refused(blocks: list[float]) -> None:
    with pytest.raises(ValueError, match=r"latencies|blocks"):
        ratio(blocks, [1.0], confidence=0.95)


def test_a_confidence_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="confidence"):
        ratio([1.0], [1.0], confidence=1)
