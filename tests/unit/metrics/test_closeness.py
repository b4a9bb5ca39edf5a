"""Closeness against numpy.isclose and against hand-made faults."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pytest_edgedevice.metrics import scan
from pytest_edgedevice.metrics.closeness import compare

if TYPE_CHECKING:
    import numpy.typing as npt

FLOATS = st.sampled_from([np.float16, np.float32, np.float64])
INTEGERS = st.sampled_from([np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64])
TOLERANCES = st.sampled_from([0.0, 1e-6, 1e-3, 0.1, 1.0, 100.0])
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)


@st.composite
def float_pairs(draw: st.DrawFn) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    shape = draw(SHAPES)
    sides = []
    for _ in range(2):
        dtype = draw(FLOATS)
        finite = hnp.from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False)
        elements = finite | st.sampled_from([0.0, 1.0, -2.0])
        sides.append(draw(hnp.arrays(dtype, shape, elements=elements)))
    return sides[0], sides[1]


@st.composite
def integer_pairs(draw: st.DrawFn) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    shape = draw(SHAPES)
    sides = []
    for _ in range(2):
        dtype = draw(INTEGERS)
        info: Any = np.iinfo(np.dtype(dtype))
        near = st.sampled_from([int(info.min), int(info.min) + 1, 0, 1, int(info.max) - 1, int(info.max)])
        sides.append(draw(hnp.arrays(dtype, shape, elements=near | st.integers(int(info.min), int(info.max)))))
    return sides[0], sides[1]


@given(float_pairs(), TOLERANCES, TOLERANCES)
@settings(max_examples=100, deadline=None)
def test_mismatches_are_those_of_numpy_isclose_in_float64(
    pair: tuple[npt.NDArray[Any], npt.NDArray[Any]], atol: float, rtol: float
) -> None:
    actual, reference = pair
    with np.errstate(all="ignore"):
        close = np.isclose(actual.astype(np.float64), reference.astype(np.float64), atol=atol, rtol=rtol)
    assert compare(actual, reference, atol=atol, rtol=rtol).mismatches == np.count_nonzero(~close)


@given(float_pairs() | integer_pairs())
@settings(max_examples=100, deadline=None)
def test_needed_tolerances_pass_and_less_does_not(pair: tuple[npt.NDArray[Any], npt.NDArray[Any]]) -> None:
    found = compare(*pair, atol=0, rtol=0)
    if math.isfinite(found.needed_atol):
        assert compare(*pair, atol=found.needed_atol, rtol=0).mismatches == 0
        if found.needed_atol > 1e-300:
            assert compare(*pair, atol=found.needed_atol * 0.99, rtol=0).mismatches > 0
    if math.isfinite(found.needed_rtol):
        assert compare(*pair, atol=0, rtol=found.needed_rtol).mismatches == 0
        if found.needed_rtol > 1e-300:
            assert compare(*pair, atol=0, rtol=found.needed_rtol * 0.99).mismatches > 0


@given(integer_pairs(), st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_integers_are_compared_exactly_up_to_the_ends_of_their_range(
    pair: tuple[npt.NDArray[Any], npt.NDArray[Any]], atol: int
) -> None:
    actual, reference = pair
    gaps = [abs(int(a) - int(r)) for a, r in zip(actual.flat, reference.flat, strict=True)]
    found = compare(actual, reference, atol=atol, rtol=0)
    assert found.mismatches == sum(gap > atol for gap in gaps)
    assert found.needed_atol == scan.float_up(max(gaps))


def test_one_step_between_huge_int64_values_is_seen() -> None:
    actual = np.array([2**62, 5], np.int64)
    found = compare(actual, actual + np.array([1, 0]), atol=0, rtol=0)
    assert (found.mismatches, found.needed_atol) == (1, 1.0)


def test_extremes_of_uint64_and_int64_do_not_overflow() -> None:
    found = compare(np.array([2**64 - 1], np.uint64), np.array([-(2**63)], np.int64), atol=1, rtol=0)
    assert found.needed_atol >= 2**64 - 1 + 2**63


def test_one_wrong_element_in_a_million_is_found_at_its_place() -> None:
    reference = np.random.default_rng(0).standard_normal((10, 100, 1000)).astype(np.float32)
    actual = reference.copy()
    actual[7, 42, 999] += 1
    found = compare(actual, reference, atol=1e-3, rtol=0)
    assert found.worst is not None
    assert (found.mismatches, found.worst.sample, found.worst.index) == (1, 7, (42, 999))
    assert found.worst.error == pytest.approx(1, abs=1e-6)


def test_the_worst_element_is_the_one_furthest_out_of_its_bound_not_the_largest_error() -> None:
    found = compare(np.array([1009.0, 1.0]), np.array([1000.0, 0.5]), atol=0.0, rtol=0.01)
    assert found.worst is not None
    assert (found.worst.sample, found.max_abs_error) == (1, 9.0)


def test_the_worst_across_blocks_is_kept() -> None:
    reference = np.zeros(3 * scan.BLOCK)
    actual = reference.copy()
    actual[[5, scan.BLOCK + 7, 2 * scan.BLOCK + 9]] = 1, 3, 2
    found = compare(actual, reference, atol=0.5, rtol=0)
    assert found.worst is not None
    assert (found.mismatches, found.worst.sample) == (3, scan.BLOCK + 7)


def test_without_a_mismatch_the_worst_is_the_largest_error() -> None:
    found = compare(np.array([1.0, 2.25]), np.array([1.0, 2.0]), atol=1, rtol=0)
    assert found.worst is not None
    assert (found.close, found.worst.sample, found.worst.error) == (True, 1, 0.25)


def test_no_rtol_passes_where_the_reference_is_zero_and_the_device_is_not() -> None:
    found = compare(np.array([0.0, 1e-9]), np.array([0.0, 0.0]), atol=0, rtol=1)
    assert (found.needed_rtol, found.needed_atol) == (math.inf, 1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("sides", [(True, False), (False, True), (True, True)])
def test_nan_and_inf_are_never_close(bad: float, sides: tuple[bool, bool]) -> None:
    actual = np.arange(12, dtype=np.float32).reshape(3, 4)
    reference = actual.copy()
    for array, spoiled in zip((actual, reference), sides, strict=True):
        array[1, 2] = bad if spoiled else array[1, 2]
    found = compare(actual, reference, atol=100, rtol=100)
    assert not found.close
    assert (found.actual_nonfinite.count, found.reference_nonfinite.count) == tuple(map(int, sides))
    first = found.actual_nonfinite.first or found.reference_nonfinite.first
    assert first is not None
    assert (first.sample, first.index) == (1, (2,))
    assert (found.needed_atol, found.needed_rtol, found.cosine) == (math.inf, math.inf, None)


def test_a_nan_in_a_late_block_does_not_hide_the_worst_finite_element() -> None:
    reference = np.ones(2 * scan.BLOCK, np.float32)
    reference[1] = 2
    actual = reference.copy()
    actual[scan.BLOCK + 3], actual[scan.BLOCK + 5] = np.nan, 9
    found = compare(actual, reference, atol=0.1, rtol=0)
    assert found.worst is not None
    assert found.actual_nonfinite.first is not None
    assert (found.mismatches, found.worst.sample) == (2, scan.BLOCK + 5)
    assert found.actual_nonfinite.first.sample == scan.BLOCK + 3


def test_a_tensor_of_nothing_but_nan_is_counted() -> None:
    found = compare(np.full((2, 3), np.nan), np.full((2, 3), np.nan), atol=1, rtol=0)
    assert (found.mismatches, found.share, found.worst) == (6, 1.0, None)


def test_float64_values_whose_difference_overflows_are_a_mismatch_without_a_warning() -> None:
    found = compare(np.array([1e308, 1.0]), np.array([-1e308, 1.0]), atol=1, rtol=1)
    assert (found.mismatches, found.nonfinite, found.needed_atol) == (1, 0, math.inf)


def test_float16_is_not_judged_with_float16_arithmetic() -> None:
    found = compare(np.array([65504, 1], np.float16), np.array([-65504, 1], np.float16), atol=1, rtol=0)
    assert found.max_abs_error == 131008


def test_complex_errors_are_distances_in_the_plane() -> None:
    found = compare(np.array([3 + 4j, 1], np.complex64), np.array([0, 1], np.complex64), atol=4.9, rtol=0)
    assert found.worst is not None
    assert (found.mismatches, found.max_abs_error, found.worst.error) == (1, 5.0, 5.0)


def test_booleans_differ_by_one() -> None:
    found = compare(np.array([True, False, True]), np.array([True, True, True]), atol=0, rtol=0)
    assert (found.mismatches, found.needed_atol) == (1, 1.0)


def test_a_sample_that_is_a_single_number_has_no_index() -> None:
    found = compare(np.array([1.0, 5.0]), np.array([1.0, 2.0]), atol=0, rtol=0)
    assert found.worst is not None
    assert (found.worst.sample, found.worst.index) == (1, ())


def test_a_view_with_strides_is_compared_as_it_reads() -> None:
    whole = np.arange(48, dtype=np.float32).reshape(4, 12)
    assert compare(whole[:, ::2], np.ascontiguousarray(whole[:, ::2]), atol=0, rtol=0).close


def test_big_endian_arrays_are_compared_by_value() -> None:
    assert compare(np.array([1.5, 2.5], ">f4"), np.array([1.5, 2.5], "<f8"), atol=0, rtol=0).close


def test_a_float64_reference_fits_a_float32_output() -> None:
    assert compare(np.array([0.1, 0.7], np.float32), np.array([0.1, 0.7]), atol=1e-6, rtol=0).close


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.integers(0, 10**6))
@settings(max_examples=50, deadline=None)
def test_ragged_outputs_give_the_counts_of_their_samples(lengths: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    reference = [random.standard_normal((length, 2)) for length in lengths]
    actual = [part + random.choice([0, 1], part.shape) for part in reference]
    found = compare(actual, reference, atol=0.5, rtol=0)
    wrong = [np.count_nonzero(np.abs(a - r) > 0.5) for a, r in zip(actual, reference, strict=True)]
    assert (found.elements, found.mismatches) == (2 * sum(lengths), sum(wrong))
    if found.mismatches:
        assert found.worst is not None
        assert wrong[found.worst.sample]


def test_a_ragged_sample_without_elements_is_fine_beside_others() -> None:
    reference = [np.zeros((0, 4)), np.arange(8.0).reshape(2, 4)]
    assert compare([part.copy() for part in reference], reference, atol=0, rtol=0).close


def test_a_list_of_equal_shapes_and_its_stack_are_the_same() -> None:
    stack = np.arange(6.0).reshape(2, 3)
    assert compare(list(stack), stack, atol=0, rtol=0) == compare(stack, stack, atol=0, rtol=0)


def test_an_object_array_of_arrays_is_read_as_samples() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [np.arange(2.0), np.arange(3.0)]
    assert compare(ragged, [np.arange(2.0), np.arange(3.0)], atol=0, rtol=0).close


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_a_tolerance_that_is_no_bound_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="tolerances must be finite"):
        compare([1.0], [1.0], atol=bad, rtol=0)


def test_needed_rtol_ignores_places_where_both_are_zero() -> None:
    found = compare(np.array([0.0, 1.1]), np.array([0.0, 1.0]), atol=0, rtol=0)
    assert found.needed_rtol == pytest.approx(0.1)


def test_extra_memory_stays_far_below_the_arrays() -> None:
    import tracemalloc

    array = np.ones((4, 500_000), np.float32)
    array[0, 0] = 2
    tracemalloc.start()
    compare(array, array, atol=0, rtol=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < array.nbytes / 2
