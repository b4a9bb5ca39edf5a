"""Other pre-processings that images often get by mistake, made from the inputs that were run.

Channels in the other order, values in another range, axes in another order. Where
a golden declares how its inputs were made, that is undone first; else the range of
the values tells what it probably was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.goldens.quantization import affine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_edgedevice.goldens.preprocess import Preprocessing
    from pytest_edgedevice.values import Array, TensorSpec

    Norm = tuple[float, Any, Any]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of torchvision's classification models, for values from 0 to 1."""
NORMS: dict[str, Norm] = {
    "values from 0 to 255": (1.0, 0.0, 1.0),
    "values from 0 to 1": (1 / 255, 0.0, 1.0),
    "values from -1 to 1": (1 / 127.5, 1.0, 1.0),
    "ImageNet's mean and std": (1 / 255, IMAGENET_MEAN, IMAGENET_STD),
}
COLOURS = 3
_BEYOND = 1.5


def alternatives(
    inputs: Mapping[str, Any], specs: Sequence[TensorSpec], declared: Mapping[str, Preprocessing]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each other pre-processing in words, and all inputs with one of them made by it.

    Args:
        inputs: Input name to array (n, ...), as it was run; lists are left alone.
        specs: The model's inputs.
        declared: How the golden says that inputs are made, by name.
    """
    for spec in specs:
        given = inputs.get(spec.name)
        if not isinstance(given, np.ndarray) or given.ndim < 3 or given.dtype.kind not in "fiu" or not given.size:
            continue
        for what, changed in _of_one(_real(given, spec), declared.get(spec.name)):
            fitted = _typed(changed, given, spec)
            if not np.array_equal(fitted, given):
                yield f"{spec.name!r} {what}", {**inputs, spec.name: fitted}


def _of_one(real: Array, declared: Preprocessing | None) -> Iterator[tuple[str, Array]]:
    axis = _channels(real)
    if axis:
        yield "with red and blue swapped (RGB and BGR)", np.flip(real, axis)
    yield from _relaid(real)
    name, norm = ("", _declared(declared)) if declared else _guessed(real)
    pixels = _undone(real, norm, axis)
    for other, wanted in NORMS.items():
        if other == name or (np.ndim(wanted[1]) and not axis):
            continue
        normed = _done(pixels, wanted, axis)
        yield f"in {other}", normed
        if axis:
            yield f"in {other} and with red and blue swapped", _done(np.flip(pixels, axis), wanted, axis)


def _channels(array: Array) -> int:
    """The axis of three colours; 0 where there is none."""
    if array.ndim != 4:
        return 0
    return 3 if array.shape[3] == COLOURS else 1 if array.shape[1] == COLOURS else 0


def _relaid(array: Array) -> Iterator[tuple[str, Array]]:
    """The same numbers in another order of axes, brought to the same shape."""
    if array.ndim != 4:
        return
    count, one, two, three = array.shape
    yield "laid out as NCHW, not NHWC", array.transpose(0, 3, 1, 2).reshape(array.shape)
    yield "laid out as NHWC, not NCHW", array.reshape(count, three, one, two).transpose(0, 2, 3, 1)
    if one == two:
        yield "with height and width swapped", array.transpose(0, 2, 1, 3)
    elif two == three:
        yield "with height and width swapped", array.transpose(0, 1, 3, 2)


def _declared(steps: Preprocessing) -> Norm:
    mean, std = (values if len(values) > 1 else values[0] for values in (steps.mean, steps.std))
    return steps.scale, mean, std


def _guessed(real: Array) -> tuple[str, Norm]:
    low, high = float(np.nanmin(real)), float(np.nanmax(real))
    if low >= 0:
        name = "values from 0 to 255" if high > _BEYOND else "values from 0 to 1"
    else:
        beyond = max(-low, high) > _BEYOND and _channels(real)
        name = "ImageNet's mean and std" if beyond else "values from -1 to 1"
    return name, NORMS[name]


def _done(pixels: Array, norm: Norm, axis: int) -> Array:
    scale, mean, std = norm
    normed: Array = (pixels * scale - _along(mean, axis)) / _along(std, axis)
    return normed


def _undone(real: Array, norm: Norm, axis: int) -> Array:
    scale, mean, std = norm
    pixels: Array = (real * _along(std, axis) + _along(mean, axis)) / scale
    return pixels


def _along(values: Any, axis: int) -> Any:
    """One value, or one a channel, in a shape that is broadcast over an array of four axes."""
    array = np.asarray(values, np.float64)
    return array.reshape(-1, 1, 1) if array.ndim and axis == 1 else array


def _real(given: Array, spec: TensorSpec) -> Array:
    found = spec.quantization
    if given.dtype.kind == "f" or found is None or len(found.scales) != 1:
        return given.astype(np.float64)
    return (given.astype(np.float64) - found.zero_points[0]) * found.scales[0]


def _typed(real: Array, given: Array, spec: TensorSpec) -> Array:
    found = spec.quantization
    if given.dtype.kind == "f":
        return np.ascontiguousarray(real, given.dtype)
    scale, zero_point = (found.scales[0], found.zero_points[0]) if found and len(found.scales) == 1 else (1.0, 0)
    return affine(real, scale=scale, zero_point=zero_point, dtype=given.dtype.name, what=spec.name)
