"""Cosine, Pearson, mean squared error, signal-to-noise ratios: against numpy's and scipy's plain formulas."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_edgedevice.metrics import cosine, mse, noise, pearson, psnr, similarity, snr
from pytest_edgedevice.metrics.metric import digits, told
from pytest_edgedevice.metrics.structure import as_samples

FEW = settings(max_examples=20, deadline=None)
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=7)
Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    shape = draw(SHAPES)
    values = st.integers(-1000, 1000).map(lambda number: number / 8)
    ours, theirs = (draw(hnp.arrays(np.float64, shape, elements=values)) for _ in range(2))
    return ours, theirs


@given(pairs())
@FEW
def test_cosine_is_scipys(pair: Pair) -> None:
    d, r = (side.ravel() for side in pair)
    if d.any() and r.any():
        assert similarity.cosine_similarity(*pair) == pytest.approx(1 - scipy.spatial.distance.cosine(d, r), abs=1e-12)
        assert similarity.norm_ratio(*pair) == pytest.approx(np.linalg.norm(d) / np.linalg.norm(r))


@given(pairs())
@FEW
def test_pearson_is_scipys(pair: Pair) -> None:
    d, r = (side.ravel() for side in pair)
    if d.size > 1 and np.ptp(d) and np.ptp(r):
        assert similarity.pearson_correlation(*pair) == pytest.approx(scipy.stats.pearsonr(d, r)[0], abs=1e-12)


@given(pairs())
@FEW
def test_noise_is_as_its_formulas_say(pair: Pair) -> None:
    d, r = (side.ravel() for side in pair)
    square = float(np.mean((d - r) ** 2))
    assert noise.mean_squared_error(*pair) == pytest.approx(square, rel=1e-12)
    if square and r.any():
        assert noise.signal_to_noise(*pair) == pytest.approx(10 * math.log10(np.mean(r**2) / square))
        peak = float(np.abs(r).max())
        assert noise.peak_signal_to_noise(*pair, peak="max_abs") == pytest.approx(10 * math.log10(peak**2 / square))
        assert noise.peak_signal_to_noise(*pair, peak=255) == pytest.approx(10 * math.log10(255**2 / square))
        if np.ptp(r):
            assert noise.peak_signal_to_noise(*pair) == pytest.approx(10 * math.log10(np.ptp(r) ** 2 / square))


@pytest.mark.parametrize(
    ("by_sample", "whole"),
    [
        (similarity.cosine_by_sample, similarity.cosine_similarity),
        (similarity.pearson_by_sample, similarity.pearson_correlation),
        (noise.mse_by_sample, noise.mean_squared_error),
        (noise.snr_by_sample, noise.signal_to_noise),
    ],
)
@given(pairs())
@settings(max_examples=20, deadline=None)
def test_each_sample_alone_gives_its_own_value(by_sample: Any, whole: Any, pair: Pair) -> None:
    single = [whole(pair[0][at : at + 1], pair[1][at : at + 1]) for at in range(len(pair[0]))]
    assert by_sample(*pair).tolist() == pytest.approx(single, nan_ok=True)
    ragged = ([*pair[0], np.zeros(3)], [*pair[1], np.zeros(3)])
    assert by_sample(*ragged)[:-1].tolist() == pytest.approx(single, nan_ok=True)


def test_values_beyond_the_range_of_their_squares_are_no_problem() -> None:
    random = np.random.default_rng(0)
    r, d = random.standard_normal((2, 3, 100))
    same = similarity.cosine_similarity(d, r)
    assert similarity.cosine_similarity(d * 1e300, r * 1e-300) == pytest.approx(same)
    assert similarity.norm_ratio(d * 1e-290, r * 1e-300) == pytest.approx(1e10 * similarity.norm_ratio(d, r))
    assert noise.signal_to_noise(d * 1e250, r * 1e250) == pytest.approx(noise.signal_to_noise(d, r))
    assert noise.peak_signal_to_noise(d * 1e305, r * 1e305) == pytest.approx(noise.peak_signal_to_noise(d, r))
    assert noise.mean_squared_error(d * 1e300, r) == math.inf
    mixed = np.array([[1e-200], [0.0], [1e200]])
    assert similarity.norm_ratio((d * mixed)[:2], (r * mixed)[:2]) == pytest.approx(similarity.norm_ratio(d[:1], r[:1]))
    assert similarity.pearson_correlation(d * 1e200, r * 1e-200) == pytest.approx(similarity.pearson_correlation(d, r))


@pytest.mark.parametrize(
    ("function", "actual", "reference", "value"),
    [
        (similarity.cosine_similarity, [0.0, 0.0], [0.0, 0.0], 1.0),
        (similarity.cosine_similarity, [0.0, 0.0], [1.0, 0.0], 0.0),
        (similarity.cosine_similarity, [2.0], [5.0], 1.0),
        (similarity.cosine_similarity, [-2.0], [5.0], -1.0),
        (similarity.norm_ratio, [0.0], [0.0], 1.0),
        (similarity.norm_ratio, [1.0], [0.0], math.inf),
        (similarity.pearson_correlation, [0.1, 0.1, 0.1], [0.3, 0.3, 0.3], 1.0),
        (similarity.pearson_correlation, [0.1, 0.1, 0.1], [0.3, 0.3, 0.4], 0.0),
        (similarity.pearson_correlation, [2.0], [5.0], 1.0),
        (noise.signal_to_noise, [1.0, 2.0], [1.0, 2.0], math.inf),
        (noise.signal_to_noise, [1.0, 2.0], [0.0, 0.0], -math.inf),
        (noise.peak_signal_to_noise, [1.0, 2.0], [3.0, 3.0], -math.inf),
        (noise.mean_squared_error, [True, False], [True, True], 0.5),
        (noise.mean_squared_error, [3 + 4j], [0j], 25.0),
        (noise.mean_squared_error, np.array([127, -128], np.int8), np.array([-128, 127], np.int8), 65025.0),
    ],
)
def test_edge_cases_have_the_values_that_are_documented(
    function: Any, actual: Any, reference: Any, value: float
) -> None:
    assert function(np.array(actual), np.array(reference)) == value


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "function",
    [similarity.cosine_similarity, similarity.pearson_correlation, noise.mean_squared_error, noise.signal_to_noise],
)
def test_nan_and_inf_give_no_number_that_could_pass(function: Any, bad: float) -> None:
    assert not math.isfinite(function(np.array([1.0, bad, 2.0]), np.array([1.0, 1.0, 2.0])))


def test_two_sides_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        similarity.cosine_similarity(np.zeros((2, 3)), np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (cosine, {"at_least": 2}),
        (cosine, {"gain": -1}),
        (cosine, {"over": "all"}),
        (mse, {"at_most": -1}),
        (psnr, {"peak": "mean"}),
        (psnr, {"peak": 0}),
        (snr, {"at_least": math.nan}),
        (snr, {"at_least": True}),
        (snr, {"at_least": "much"}),
    ],
)
def test_a_bound_that_is_none_is_refused(make: Any, options: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        make(**options)


@given(pairs(), st.sampled_from([cosine(0.99), pearson(0.99), mse(1e-3), snr(30), psnr(30), psnr(30, peak="max_abs")]))
@FEW
def test_what_is_said_to_pass_passes(pair: Pair, metric: Any) -> None:
    sides = tuple(as_samples(side) for side in pair)
    if not np.ptp(pair[1]):
        return
    found = metric.judge(*sides)
    if not found.passed and found.needed:
        again = eval(found.needed, {"cosine": cosine, "pearson": pearson, "mse": mse, "snr": snr, "psnr": psnr})
        assert again.judge(*sides).passed


def test_one_bad_sample_is_not_hidden_by_many_good_ones() -> None:
    reference = np.random.default_rng(0).standard_normal((100, 20))
    actual = reference.copy()
    actual[17] *= -1
    each, together = cosine().judge(actual, reference), cosine(0.95, over="set").judge(actual, reference)
    assert (each.passed, each.sample, each.bad_samples) == (False, 17, 1)
    assert (together.passed, together.sample) == (True, None)


def test_samples_of_one_element_are_judged_over_the_set() -> None:
    reference = np.array([[1.0], [2.0], [-3.0]])
    found = cosine().judge(reference * 1.01, reference)
    assert (found.passed, found.saw) == (True, "cosine 1, at least 0.999 asked, over the set")


def test_pearson_sees_an_offset_when_it_is_asked_to() -> None:
    reference = np.random.default_rng(0).standard_normal((2, 50))
    assert "offset" in pearson().judge(reference + 5, reference).saw
    assert pearson(gain=None).judge(reference * 3 + 5, reference).passed
    assert pearson().judge(np.ones((2, 5)), np.ones((2, 5))).passed


@given(st.floats(-1e300, 1e300, allow_nan=False))
@settings(max_examples=40, deadline=None)
def test_a_rounded_bound_is_on_the_safe_side(value: float) -> None:
    assert float(digits(value, up=False)) <= value <= float(digits(value, up=True))


def test_a_value_is_told_apart_from_its_bound() -> None:
    assert told(0.99999, 1.0) == "0.99999"
    assert told(float(np.nextafter(0.1, 1)), 0.1) == "0.10000000000000002"
