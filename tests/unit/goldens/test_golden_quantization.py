"""Between real numbers and a quantised tensor's integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import dequantize, dequantized, quantize
from pytest_edgedevice.values import ModelInfo, Placement, Quantization, Run, TensorSpec

if TYPE_CHECKING:
    from pytest_edgedevice.values import Outputs


def spec(dtype: str = "int8", scales: tuple[float, ...] = (0.5,), zeros: tuple[int, ...] = (3,)) -> TensorSpec:
    return TensorSpec("x", dtype, (1, 4), Quantization(scales, zeros, 0))


def test_halves_round_to_even_before_the_zero_point_is_added() -> None:
    assert quantize(np.array([0.25, 0.75, 1.25, -0.25], np.float32), spec()).tolist() == [3, 5, 5, 3]


def test_values_out_of_range_are_clipped_infinities_too() -> None:
    assert quantize(np.array([1e30, -1e30, np.inf, -np.inf], np.float32), spec()).tolist() == [
        127,
        -128,
        127,
        -128,
    ]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
def test_the_result_has_the_tensors_dtype_and_the_arrays_shape(dtype: str) -> None:
    result = quantize(np.zeros((2, 3)), spec(dtype))
    assert (result.dtype.name, result.shape) == (dtype, (2, 3))


@given(
    st.integers(-128, 127),
    st.floats(2**-20, 2**10, width=32),
    st.integers(-128, 127),
)
def test_integers_survive_the_way_to_real_and_back(value: int, scale: float, zero: int) -> None:
    tensor = spec(scales=(scale,), zeros=(zero,))
    assert quantize(dequantize(np.array([value], np.int8), tensor), tensor).tolist() == [value]


def test_dequantising_gives_float32() -> None:
    result = dequantize(np.array([-128, 3, 127], np.int8), spec())
    assert result.dtype == np.float32
    assert result.tolist() == [-65.5, 0.0, 62.0]


def test_a_missing_zero_point_is_zero() -> None:
    assert quantize(np.array([1], np.float32), spec(zeros=())).tolist() == [2]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (TensorSpec("x", "int8", (1,)), "'x' .int8. has no quantisation parameters"),
        (spec(scales=(), zeros=()), "has no quantisation parameters"),
        (spec(scales=(1.0, 2.0), zeros=(0, 0)), "quantised per channel, with 2 scales along axis 0"),
        (spec(scales=(0.0,)), "scale 0.0"),
        (spec(scales=(float("nan"),)), "scale nan"),
        (spec("int64"), "dtype int64"),
        (spec("int4"), "dtype int4"),
    ],
)
def test_tensors_without_usable_parameters_are_refused(tensor: TensorSpec, text: str) -> None:
    with pytest.raises(GoldenError, match=text):
        quantize(np.zeros(1), tensor)


def test_integers_are_not_quantised_again() -> None:
    with pytest.raises(GoldenError, match="are int8; only floats can be quantised"):
        quantize(np.array([1], np.int8), spec())


def test_nan_is_not_quantised() -> None:
    with pytest.raises(GoldenError, match="tensor 'x': NaN cannot be quantised"):
        quantize(np.array([np.nan], np.float32), spec())


def test_dequantising_another_dtype_is_refused() -> None:
    with pytest.raises(GoldenError, match="are uint8, but the tensor is int8"):
        dequantize(np.array([1], np.uint8), spec())


def test_a_run_is_dequantised_output_by_output() -> None:
    plain = TensorSpec("plain", "float32", (1, 4))
    model = ModelInfo("m.tflite", "ab" * 32, 1, "int8", (), (spec(), plain), "litert", "2.1", 1)
    placement = Placement("cpu", "cpu", 1, 0, 0, {}, "none asked for")
    untouched = np.array([1.5], np.float32)
    outputs: Outputs = {"x": [np.array([4], np.int8), np.array([3, 5], np.int8)], "plain": untouched}
    result = dequantized(Run(outputs, 2, (1, 1), model, placement, "local")).outputs
    assert [one.tolist() for one in result["x"]] == [[0.5], [0.0, 1.0]]
    assert result["plain"] is untouched


def test_a_run_with_one_array_a_tensor_is_dequantised_whole() -> None:
    model = ModelInfo("m.tflite", "ab" * 32, 1, "int8", (), (spec(),), "litert", "2.1", 1)
    placement = Placement("cpu", "cpu", 1, 0, 0, {}, "none asked for")
    run = Run({"x": np.array([[4], [3]], np.int8)}, 2, (1, 1), model, placement, "local")
    assert np.asarray(dequantized(run).outputs["x"]).tolist() == [[0.5], [0.0]]
