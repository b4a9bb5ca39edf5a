"""What a pipeline forgets or does twice: softmax, sigmoid, a scale, an offset, the order of channels.

Owns the search for such a step that would make an output match. Runs only after a
failure. Knows numpy only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.structure import peak_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.metrics.structure import Array
    from pytest_edgedevice.metrics.sums import Floats

    Agrees = Callable[[Array, Array, float], bool]

_LOOKED_AT = 65_536  # elements that a line is fitted to
_EXACT = 1e-3  # how far a scale may be from a round one to be called by its name
_STRAIGHT = 0.02  # largest distance from the line, as a share of the device's spread
_SCALES = {255.0: "255", 1 / 255: "1/255", 127.5: "127.5", 1 / 127.5: "1/127.5", 128.0: "128", 1 / 128: "1/128"}


def transform_text(actual: Array, reference: Array, agrees: Agrees) -> str:
    """Name the step that would make both sides match; empty when none of ours does.

    Args:
        actual: Device output, finite floats.
        reference: Reference of the same shape, finite floats.
        agrees: Whether two arrays agree, for a tolerance that is so many times the usual one.
    """
    return (
        _activation(actual, reference, agrees)
        or _line(actual, reference, agrees)
        or _reversed(actual, reference, agrees)
    )


def _activation(actual: Array, reference: Array, agrees: Agrees) -> str:
    for side, given, wanted in (("device", actual, reference), ("reference", reference, actual)):
        if not (wanted.min() >= 0 and wanted.max() <= 1 + _EXACT):
            continue
        for name, function in (("sigmoid", _sigmoid), ("softmax", _softmax)):
            if name == "softmax" and (given.ndim < 2 or given.shape[-1] < 2):
                continue
            changed = function(given)
            ours, theirs = (changed, wanted) if side == "device" else (wanted, changed)
            if agrees(ours, theirs, 1.0):
                other = "reference" if side == "device" else "device"
                return f"the {side}'s {name} would match: the {other} has one and the {side} has none"
    return ""


def _sigmoid(values: Array) -> Floats:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-values.astype(np.float64))))


def _softmax(values: Array) -> Floats:
    wide = values.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _line(actual: Array, reference: Array, agrees: Agrees) -> str:
    """``actual = scale * reference + offset`` for all elements, where that is not the identity."""
    step = max(1, actual.size // _LOOKED_AT)
    d, r = (side.reshape(-1)[::step].astype(np.float64) for side in (actual, reference))
    if len(np.unique(r)) < 3:  # through two points there is always a line
        return ""
    with np.errstate(all="ignore"):
        centred = r - r.mean()
        scale = float(centred @ (d - d.mean()) / (centred @ centred))
        offset = float(d.mean() - scale * r.mean())
        spread = float(np.ptp(d))
        fits = float(np.abs(d - scale * r - offset).max()) <= _STRAIGHT * spread
    if not (fits and spread and math.isfinite(scale) and scale):
        return ""
    if abs(offset) <= _EXACT * spread:
        offset = 0.0
    elif abs(scale - 1) <= _EXACT:
        scale = 1.0
    if scale == 1 and not offset:
        return ""
    if not agrees(actual, reference.astype(np.float64) * scale + offset, abs(scale)):
        return ""
    return f"device = {_equation(scale, offset)} would match everywhere: a step of pre- or post-processing differs"


def _equation(scale: float, offset: float) -> str:
    named = next((name for value, name in _SCALES.items() if abs(scale / value - 1) <= _EXACT), f"{scale:.4g}")
    product = "reference" if scale == 1 else f"reference * {named}"
    return product if not offset else f"{product} {'+' if offset > 0 else '-'} {abs(offset):.4g}"


def _reversed(actual: Array, reference: Array, agrees: Agrees) -> str:
    for axis in range(1, actual.ndim):
        if actual.shape[axis] > 1 and agrees(actual, np.flip(reference, axis), 1.0):
            channels = " (RGB and BGR?)" if actual.shape[axis] == 3 else ""
            return f"np.flip(reference, {axis}) would match{channels}"
    return ""


def is_fit(actual: Array, reference: Array) -> bool:
    """Whether a step of such a kind may be looked for: two sides of one shape that hold something."""
    return (
        actual.shape == reference.shape and actual.dtype.kind == reference.dtype.kind == "f" and bool(peak_of(actual))
    )
