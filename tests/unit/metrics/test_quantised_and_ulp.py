"""Steps and units in the last place: against integers of Python and numpy's own neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_edgedevice.metrics import steps, ulp, within
from pytest_edgedevice.metrics.metric import Affine
from pytest_edgedevice.metrics.quantised import count_steps
from pytest_edgedevice.metrics.ulps import ulp_distances

FEW = settings(max_examples=20, deadline=None)
INTEGERS = [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64]


@given(st.sampled_from(INTEGERS), st.data())
@FEW
def test_steps_of_integers_are_exact_up_to_the_ends_of_their_range(dtype: Any, data: st.DataObject) -> None:
    d, r = (data.draw(hnp.arrays(dtype, (3, 4))) for _ in range(2))
    gaps = [abs(int(a) - int(b)) for a, b in zip(d.flat, r.flat, strict=True)]
    found = count_steps(d, r, at_most=2)
    assert (found.most, found.apart, found.beyond) == (
        float(max(gaps)),
        sum(gap > 0 for gap in gaps),
        sum(gap > 2 for gap in gaps),
    )
    assert found.per_sample.max() == found.most


@given(
    st.floats(1e-6, 100),
    st.integers(-128, 127),
    hnp.arrays(np.int8, (3, 5)),
    hnp.arrays(np.int8, (3, 5)),
)
@FEW
def test_dequantised_values_are_as_many_steps_apart_as_their_integers(
    scale: float, zero_point: int, d: Any, r: Any
) -> None:
    real = [((side.astype(np.float64) - zero_point) * scale).astype(np.float32) for side in (d, r)]
    exact = count_steps(d, r, at_most=1)
    found = count_steps(real[0], real[1], affine=Affine(scale, zero_point), at_most=1)
    assert (found.apart, found.beyond) == (exact.apart, exact.beyond)
    assert found.most == pytest.approx(exact.most, abs=0.01)


def test_a_step_too_many_fails_and_its_place_is_known() -> None:
    reference = np.arange(24, dtype=np.int8).reshape(2, 3, 4)
    actual = reference.copy()
    actual[1, 2, 0] += 2
    found = steps(1).judge(actual, reference)
    assert (found.passed, found.sample, found.index, found.needed) == (False, 1, (2, 0), "steps(at_most=2)")
    assert steps(2).judge(actual, reference).passed


def test_the_share_of_steps_is_bounded_too() -> None:
    reference = np.zeros((2, 10), np.int8)
    found = steps(1, share=0.25).judge(reference + np.int8(1), reference)
    assert (found.passed, found.needed) == (False, "steps(share=1, at_most=1)")
    assert steps(1).judge(reference + np.int8(1), reference).passed


def test_scale_and_zero_point_must_be_the_same() -> None:
    values = np.zeros(3, np.int8)
    for other in (Affine(0.5, 1), Affine(0.25, 0)):
        with pytest.raises(ValueError, match="does not mean the same on both sides"):
            count_steps(values, values, affine=Affine(0.5, 0), reference_affine=other)


def test_what_has_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="need its scale"):
        count_steps(np.zeros(2), np.zeros(2))
    with pytest.raises(ValueError, match="bool output has no steps"):
        count_steps(np.zeros(2, bool), np.zeros(2, bool))
    with pytest.raises(ValueError, match="scale must be more than 0"):
        steps(scale=0)


def test_ragged_samples_have_steps() -> None:
    found = count_steps([np.zeros(2, np.int8), np.ones(3, np.int8)], [np.zeros(2, np.int8), np.zeros(3, np.int8)])
    assert found.per_sample.tolist() == [0.0, 1.0]


@given(st.sampled_from([np.float16, np.float32, np.float64]), st.integers(0, 20), st.data())
@FEW
def test_the_next_float_is_one_unit_away(dtype: Any, count: int, data: st.DataObject) -> None:
    finite = hnp.from_dtype(np.dtype(dtype), allow_nan=False, min_value=-1000, max_value=1000)
    start = np.array([data.draw(finite)], dtype)
    value = start.copy()
    for _ in range(count):
        value = np.nextafter(value, np.array(np.inf, dtype))
    assert ulp_distances(value, start).tolist() == ulp_distances(start, value).tolist() == [count]


def test_both_zeros_are_the_same_number_and_signs_are_crossed() -> None:
    tiny = np.nextafter(np.float32(0), np.float32(1))
    assert ulp_distances(np.array([0.0, tiny], np.float32), np.array([-0.0, -tiny], np.float32)).tolist() == [0, 2]


def test_the_whole_range_of_float64_does_not_overflow() -> None:
    far = ulp_distances(np.array([np.inf]), np.array([-np.inf]))
    assert int(far[0]) == 2 * int(np.array(np.inf).view(np.uint64))


def test_a_wider_reference_is_rounded_to_the_output_first() -> None:
    assert ulp_distances(np.array([0.1], np.float32), np.array([0.1])).tolist() == [0]


def test_nan_is_as_far_as_it_can_be() -> None:
    assert ulp_distances(np.array([np.nan], np.float32), np.array([np.nan], np.float32)).tolist() == [2**32 - 1]


def test_ulp_judges_and_says_what_would_pass() -> None:
    reference = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    actual = reference.copy()
    actual[1, 0] = np.nextafter(np.float32(3), np.float32(9))
    found = ulp(0).judge(actual, reference)
    assert (found.passed, found.sample, found.index, found.needed) == (False, 1, (0,), "ulp(at_most=1)")
    assert ulp(1).judge(actual, reference).passed
    with pytest.raises(ValueError, match="floats of 16, 32 or 64 bits"):
        ulp(1).judge(np.zeros(2, np.int8), np.zeros(2, np.int8))


def test_within_allows_a_share_and_a_part_of_the_peak() -> None:
    reference = np.linspace(-10, 10, 100).reshape(2, 50)
    actual = reference.copy()
    actual[0, :3] += 5
    assert within(atol=0.1, share=0.03).judge(actual, reference).passed
    found = within(atol=0.1, share=0.02).judge(actual, reference)
    assert found.needed == "within(atol=5) or within(atol=0.1, share=0.03)"
    assert within(of_peak=0.5).judge(actual, reference).passed
    assert within(of_peak=0.1).judge(actual, reference).needed == "within(of_peak=0.501)"
    assert within(atol=1, of_peak=0.1, share=0.01).bound.endswith("+ atol 1, but for 1 % of elements")


def test_no_share_lets_nan_pass() -> None:
    found = within(atol=1, share=0.4).judge(np.array([np.nan, 1.0, 1.0]), np.ones(3))
    assert not found.passed
