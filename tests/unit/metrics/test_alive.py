"""Dead outputs, cosine and norms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.metrics.closeness import compare

VARIED = np.arange(1.0, 13.0).reshape(3, 4)


def dead(actual: Any, reference: Any, atol: float = 1e6) -> str:
    return compare(actual, reference, atol=atol, rtol=0).dead


def test_a_zero_vector_is_dead_whatever_the_tolerance() -> None:
    assert dead(np.zeros((3, 4)), VARIED) == "it is all zeros"


def test_a_vanishing_norm_is_dead() -> None:
    assert dead(VARIED * 1e-4, VARIED) == "its norm is 0.0001 of the reference's"


def test_a_constant_output_is_dead_where_the_reference_varies() -> None:
    assert dead(np.full((3, 4), 5.0), VARIED) == "every element is 5.0 while the reference varies"


def test_a_stuck_output_is_dead_where_the_reference_varies_between_samples() -> None:
    stuck = np.repeat(VARIED[:1], 3, axis=0)
    assert dead(stuck, VARIED) == "all 3 samples gave the same while the reference varies"


def test_a_stuck_output_of_ragged_type_is_dead() -> None:
    actual = [VARIED[0], VARIED[0].astype(np.float32)]
    assert dead(actual, VARIED[:2]).startswith("all 2 samples gave the same")


def test_ragged_shapes_cannot_be_stuck() -> None:
    parts = [np.arange(1.0, 3.0), np.arange(1.0, 4.0)]
    assert dead(parts, parts) == ""


def test_a_constant_output_of_a_constant_reference_is_alive() -> None:
    assert dead(np.full((3, 4), 5.0), np.full((3, 4), 5.1)) == ""


def test_zeros_where_zeros_are_expected_are_alive() -> None:
    assert dead(np.zeros((3, 4)), np.zeros((3, 4))) == ""


def test_a_variation_below_rounding_is_not_missed() -> None:
    assert dead(np.full((2, 2), 0.5), np.array([[0.5, 0.5], [0.5, 0.50001]])) == ""


def test_one_quantisation_step_of_variation_is_not_missed() -> None:
    reference = np.array([[127, 127], [127, 126]], np.int8)
    assert dead(np.full((2, 2), 127, np.int8), reference) == ""


def test_a_quantised_reference_within_a_step_of_zero_may_become_zero() -> None:
    assert dead(np.zeros(4, np.int8), np.array([0, 1, 0, -1], np.int8)) == ""


def test_class_numbers_that_became_zero_are_dead() -> None:
    assert dead(np.zeros(4, np.int64), np.array([0, 1, 0, 1])) == "it is all zeros"


def test_a_stuck_output_is_alive_where_the_reference_is_the_same_for_all_samples() -> None:
    stuck = np.repeat(VARIED[:1], 3, axis=0)
    assert dead(stuck, stuck) == ""


def test_ragged_samples_without_elements_do_not_disturb_the_cosine() -> None:
    parts = [np.zeros((0, 2)), np.full((1, 2), 1e-200)]
    assert compare(parts, parts, atol=0, rtol=0).cosine == pytest.approx(1)


def test_class_numbers_that_never_change_are_dead() -> None:
    assert "while the reference varies" in dead(np.zeros(4, np.int64) + 1, np.array([1, 2, 1, 1]))


def test_booleans_that_never_change_are_dead() -> None:
    assert "every element is True" in dead(np.ones(4, bool), np.array([True, False, True, True]))


def test_a_large_constant_output_is_dead() -> None:
    reference = np.linspace(1, 2, 400_000).reshape(2, -1)
    assert "every element is 1.5" in dead(np.full_like(reference, 1.5), reference)


def test_complex_outputs_can_be_dead() -> None:
    assert "while the reference varies" in dead(np.ones(4, np.complex64), np.array([1, 1j, -1, 1], np.complex64))


def test_one_sample_cannot_be_stuck() -> None:
    assert dead(VARIED[:1], VARIED[:1] + 1) == ""


@given(st.floats(1e-3, 1e3), st.sampled_from([1.0, 1e-170, 1e170]))
@settings(max_examples=30, deadline=None)
def test_cosine_is_blind_to_scale(gain: float, scale: float) -> None:
    found = compare(VARIED * gain * scale, VARIED * scale, atol=0, rtol=0)
    assert found.cosine == pytest.approx(1)


def test_cosine_of_opposites_is_minus_one() -> None:
    assert compare(-VARIED, VARIED, atol=0, rtol=0).cosine == pytest.approx(-1)


def test_cosine_is_one_when_both_are_zero() -> None:
    assert compare(np.zeros(3), np.zeros(3), atol=0, rtol=0).cosine == 1


def test_cosine_is_zero_when_only_the_reference_is_zero() -> None:
    assert compare(np.ones(3), np.zeros(3), atol=2, rtol=0).cosine == 0


def test_cosine_of_tiny_complex_values_survives_underflow() -> None:
    tiny = np.array([1e-200 + 1e-200j, 2e-200], np.complex128)
    assert compare(tiny, tiny, atol=0, rtol=0).cosine == pytest.approx(1)


def test_cosine_of_orthogonal_booleans_is_zero() -> None:
    assert compare(np.array([True, False]), np.array([False, True]), atol=1, rtol=0).cosine == 0


def test_booleans_that_are_all_false_on_both_sides_have_cosine_one() -> None:
    assert compare(np.zeros(2, bool), np.zeros(2, bool), atol=0, rtol=0).cosine == 1
