"""Between real numbers and a quantised tensor's integers. Pure; knows arrays and ``TensorSpec`` only."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.errors import GoldenError

if TYPE_CHECKING:
    from pytest_edgedevice.values import Run, TensorSpec

INTEGERS = ("int8", "uint8", "int16", "uint16", "int32")  # each exact in float64


def quantize(array: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[Any]:
    """Quantise real values for one tensor: ``clip(round(real / scale) + zero_point)``.

    Computed in float64; halves are rounded to the even neighbour and values beyond the
    integer's range are clipped to its ends. Activations have one scale for the whole tensor
    in every engine we run, so per-channel parameters are refused rather than guessed at.

    Args:
        array: Real values, any shape, a float dtype, in the tensor's own unit.
        spec: The integer tensor they are meant for.

    Returns:
        An array of the same shape with the tensor's dtype.

    Raises:
        GoldenError: The tensor has no per-tensor quantisation, the values are no floats, or one is NaN.

    Source:
        TensorFlow Lite 8-bit quantization specification; half-to-even is ``numpy.rint``.
    """
    scale, zero_point = _parameters(spec)
    if array.dtype.kind != "f":
        raise GoldenError(
            f"values for tensor {spec.name!r} are {array.dtype.name}; only floats can be quantised",
            hint=f"pass real numbers, or {spec.dtype} values without quantize()",
        )
    return affine(array, scale=scale, zero_point=zero_point, dtype=spec.dtype, what=f"tensor {spec.name!r}")


def dequantize(array: npt.NDArray[Any], spec: TensorSpec) -> npt.NDArray[np.float32]:
    """Turn a quantised tensor's integers into real values: ``scale * (integer - zero_point)``.

    Computed in float64 and rounded once to float32, which gives the bits of the engines' own
    DEQUANTIZE for 8 and 16 bit integers.

    Args:
        array: Integers of the tensor's dtype, any shape.
        spec: The tensor they came from.

    Raises:
        GoldenError: The tensor has no per-tensor quantisation, or the dtypes differ.
    """
    scale, zero_point = _parameters(spec)
    if array.dtype.name != spec.dtype:
        raise GoldenError(
            f"values of tensor {spec.name!r} are {array.dtype.name}, but the tensor is {spec.dtype}",
            hint="pass the tensor's own integers, unchanged",
        )
    with np.errstate(over="ignore"):  # an absurd scale gives infinities, which the comparison reports
        real: npt.NDArray[np.float32] = ((array.astype(np.float64) - zero_point) * scale).astype(np.float32)
    return real


def dequantized(run: Run) -> Run:
    """The same run with its quantised outputs as real values (float32), to compare with a server's floats.

    Outputs that are not quantised stay as they are.

    Raises:
        GoldenError: An output is quantised per channel.
    """
    specs = {spec.name: spec for spec in run.model.outputs if spec.quantization}
    outputs = {name: _each(values, specs[name]) if name in specs else values for name, values in run.outputs.items()}
    return dataclasses.replace(run, outputs=outputs)


def _each(values: Any, spec: TensorSpec) -> Any:
    if isinstance(values, list | tuple):
        return [dequantize(value, spec) for value in values]
    return dequantize(values, spec)


def affine(array: npt.NDArray[Any], *, scale: float, zero_point: int, dtype: str, what: str) -> npt.NDArray[Any]:
    """The arithmetic of ``quantize`` for given parameters; ``what`` names the values in the error on NaN."""
    if np.isnan(array).any():
        raise GoldenError(f"{what}: NaN cannot be quantised", hint="take the NaN out of the values")
    limits = np.iinfo(dtype)
    with np.errstate(over="ignore"):  # infinities are clipped like every other value out of range
        steps = np.rint(array.astype(np.float64) / scale) + zero_point
    integers: npt.NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(dtype)
    return integers


def _parameters(spec: TensorSpec) -> tuple[float, int]:
    found = spec.quantization
    if found is None or not found.scales:
        raise GoldenError(
            f"tensor {spec.name!r} ({spec.dtype}) has no quantisation parameters",
            hint="give it values of its own dtype",
        )
    if len(found.scales) != 1 or len(found.zero_points) > 1:
        raise GoldenError(
            f"tensor {spec.name!r} is quantised per channel, with {len(found.scales)} scales "
            f"along axis {found.axis}, which is not supported",
            hint="give it values of its own dtype",
        )
    scale = found.scales[0]
    if spec.dtype not in INTEGERS or not math.isfinite(scale) or scale <= 0:
        raise GoldenError(
            f"tensor {spec.name!r} cannot be quantised: dtype {spec.dtype}, scale {scale}",
            hint=f"dtypes are {', '.join(INTEGERS)}; the scale is a positive number",
        )
    return scale, found.zero_points[0] if found.zero_points else 0
