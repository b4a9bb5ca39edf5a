"""Structure problems and the hints that go with them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.metrics.closeness import Closeness, compare
from pytest_edgedevice.metrics.hints import agrees, hint_of
from pytest_edgedevice.metrics.structure import as_samples, describe

RANDOM = np.random.default_rng(3)


def check(actual: Any, reference: Any) -> Closeness:
    return compare(actual, reference, atol=1e-6, rtol=0)


def hint(actual: Any, reference: Any) -> str:
    alike = not check(actual, reference).structure
    return hint_of(as_samples(actual), as_samples(reference), same_structure=alike, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("actual", "reference", "problem"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), "shapes differ: device (2, 3), reference (2, 4)"),
        (np.zeros((2, 3)), np.zeros((1, 3)), "the device has 2 samples, the reference 1 sample"),
        (
            np.zeros((2, 0)),
            np.zeros((2, 0)),
            "there is nothing to compare: both sides are empty (float64 (2, 0))",
        ),
        (np.zeros(0), np.zeros(0), "there is nothing to compare: both sides are empty (float64 (0,))"),
        ([], [], "there is nothing to compare: both sides are empty (no samples)"),
        (np.float32(1), np.float32(1), "the device has no sample axis: float32 ()"),
        (np.zeros(1), np.float64(1), "the reference has no sample axis: float64 ()"),
        (
            np.zeros(2, np.int8),
            np.zeros(2, np.float32),
            "dtypes differ in kind: device int8 (integer), reference float32 (float)",
        ),
        (
            np.zeros(2, bool),
            np.zeros(2, np.uint8),
            "dtypes differ in kind: device bool (bool), reference uint8 (integer)",
        ),
        (
            np.zeros(2),
            np.array(["a", "b"]),
            "the reference's dtype <U1 is not numeric: convert it to a dtype of numpy's own",
        ),
        (
            [np.zeros(2), np.zeros(3)],
            [np.zeros(2), np.zeros(4)],
            "shapes differ in 1 of 2 samples, first in sample 1: device (3,), reference (4,)",
        ),
        (
            [np.zeros(2), np.zeros(3, np.int8)],
            [np.zeros(2), np.zeros(3)],
            "dtypes differ in kind: device float64/int8 (integer), reference float64 (float)",
        ),
    ],
)
def test_a_difference_in_structure_is_worded_and_nothing_is_compared(actual: Any, reference: Any, problem: str) -> None:
    found = check(actual, reference)
    assert found.structure == (problem,)
    assert (found.close, found.elements, found.share) == (False, 0, 0.0)


def test_the_same_shape_is_not_broadcast_from_one_sample() -> None:
    assert check(np.ones((3, 1)), np.ones((3, 4))).structure


def test_a_sample_of_uneven_nested_lists_is_no_array() -> None:
    uneven: Any = [[1.0, [2.0, 3.0]]]
    with pytest.raises(ValueError, match="inhomogeneous"):
        as_samples(uneven)


def test_varying_shapes_are_described_by_their_count() -> None:
    assert describe(as_samples([np.zeros(2), np.zeros(3)])) == "float64, 2 samples of varying shape"


@given(st.sampled_from([axes for axes in permutations(range(1, 4)) if axes != (1, 2, 3)]), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_transposed_layout_is_named(rest: tuple[int, ...], square: bool) -> None:
    axes = (0, *rest)
    reference = RANDOM.standard_normal((2, 4, 4, 4) if square else (2, 3, 4, 5))
    assert hint(reference.transpose(axes), reference).startswith(f"reference.transpose{axes} would match")


def test_the_layouts_of_images_are_called_by_their_names() -> None:
    reference = RANDOM.standard_normal((2, 8, 6, 3))
    assert hint(reference.transpose(0, 3, 1, 2), reference).endswith("(NHWC to NCHW)")


def test_a_shape_that_fits_transposed_with_other_values_is_told_apart() -> None:
    found = hint(RANDOM.standard_normal((2, 3, 4)), RANDOM.standard_normal((2, 4, 3)))
    assert found == "reference.transpose(0, 2, 1) has the device's shape, but not its values"


def test_a_squeezed_axis_is_named_but_not_squeezed() -> None:
    reference = RANDOM.standard_normal((2, 896))
    found = check(reference[:, :, np.newaxis], reference)
    assert found.structure
    assert hint(reference[:, :, np.newaxis], reference).startswith("reference.reshape(2, 896, 1) would match")


def test_a_transposed_large_sample_is_searched_piece_by_piece() -> None:
    reference = RANDOM.standard_normal((1, 300, 300))
    assert hint(reference.transpose(0, 2, 1), reference).startswith("reference.transpose(0, 2, 1)")


def test_values_that_match_nothing_have_no_hint() -> None:
    assert hint(RANDOM.standard_normal((3, 4)), RANDOM.standard_normal((3, 4))) == ""


def test_other_sizes_have_no_hint() -> None:
    assert hint(np.zeros((2, 3)), np.zeros((2, 4))) == ""


def test_same_size_without_a_match_has_no_hint() -> None:
    assert hint(np.zeros((2, 6)), np.ones((2, 3, 2))) == ""


def test_complex_layouts_are_found_too() -> None:
    reference = (RANDOM.standard_normal((2, 3, 4)) * 1j).astype(np.complex64)
    assert "would match" in hint(reference.transpose(0, 2, 1), reference)


def test_outputs_of_another_length_or_kind_do_not_agree() -> None:
    assert not agrees(np.zeros(2), np.zeros(3), atol=1, rtol=0)
    assert not agrees(np.zeros(2), np.zeros(2, np.int8), atol=1, rtol=0)
