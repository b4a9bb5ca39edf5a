"""What would match instead: the guess that saves a person an hour.

Owns the search for a transposition or a reshape under which an output agrees with its
reference, and which guess comes first. Runs only after a failure, and stops at the first
piece that disagrees. Knows numpy only.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.orders import order_text
from pytest_edgedevice.metrics.structure import Array, Samples, kind_of
from pytest_edgedevice.metrics.transforms import is_fit, transform_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65_536
_MAX_RANK = 5  # of one sample: 120 orders; models do not have more axes
_NAMES: dict[tuple[int, ...], str] = {(0, 3, 1, 2): " (NHWC to NCHW)", (0, 2, 3, 1): " (NCHW to NHWC)"}


def agrees(actual: Samples, reference: Samples, *, atol: float, rtol: float) -> bool:
    """Whether two outputs have the same samples, shapes and kind, and all elements within tolerance.

    The quick question behind a hint, without a report: 64-bit integers are
    compared in float64 here.
    """
    if len(actual) != len(reference) or kind_of(actual) != kind_of(reference):
        return False
    return all(_sample_agrees(a, r, atol, rtol) for a, r in zip(actual, reference, strict=True))


def hint_of(actual: Samples, reference: Samples, *, same_structure: bool, atol: float, rtol: float) -> str:
    """Say what would match instead of the reference as it is; empty when nothing that we know of does.

    Args:
        actual: Device output, finite.
        reference: Reference, of the same structure or not.
        same_structure: Whether samples and elements belong to each other one by one.
        atol: Tolerance within which something matches.
        rtol: The same, relative to the reference.
    """
    hint = layout_hint(actual, reference, atol=atol, rtol=rtol)
    if hint or not same_structure:
        return hint
    return order_text(actual, reference, lambda d, r: _sample_agrees(d, r, atol, rtol)) or _transform_hint(
        actual, reference, atol, rtol
    )


def _transform_hint(actual: Samples, reference: Samples, atol: float, rtol: float) -> str:
    if isinstance(actual, tuple) or isinstance(reference, tuple) or not is_fit(actual, reference):
        return ""
    return transform_text(actual, reference, lambda d, r, scale: agrees(d, r, atol=atol * scale, rtol=rtol))


def layout_hint(actual: Samples, reference: Samples, *, atol: float, rtol: float) -> str:
    """Name the transposition or reshape of the reference that would match; empty when there is none."""
    if isinstance(actual, tuple) or isinstance(reference, tuple) or kind_of(actual) != kind_of(reference):
        return ""
    if actual.ndim == 0 or actual.size == 0 or actual.size != reference.size:
        return ""
    return _transposed(actual, reference, atol, rtol) or _reshaped(actual, reference, atol, rtol)


def _transposed(actual: Array, reference: Array, atol: float, rtol: float) -> str:
    fitting = ""
    for axes in _orders(actual, reference):
        name = _NAMES.get(axes, "")
        if agrees(actual, reference.transpose(axes), atol=atol, rtol=rtol):
            return f"reference.transpose{axes} would match{name}"
        fitting = fitting or f"reference.transpose{axes} has the device's shape{name}, but not its values"
    return fitting if actual.shape != reference.shape else ""


def _reshaped(actual: Array, reference: Array, atol: float, rtol: float) -> str:
    if actual.shape == reference.shape:
        return ""
    if not agrees(actual, reference.reshape(actual.shape), atol=atol, rtol=rtol):
        return ""
    return f"reference.reshape{actual.shape} would match; nothing is squeezed or broadcast in silence"


def _orders(actual: Array, reference: Array) -> Iterator[tuple[int, ...]]:
    """Orders of a sample's axes, but the present one, that give the reference the device's shape."""
    if actual.ndim != reference.ndim or not 3 <= actual.ndim <= _MAX_RANK + 1:
        return
    for rest in permutations(range(1, actual.ndim)):
        axes = (0, *rest)
        moved = tuple(reference.shape[axis] for axis in axes)
        if moved == actual.shape and any(a != i and reference.shape[a] > 1 for i, a in enumerate(axes)):
            yield axes


def _sample_agrees(actual: Array, reference: Array, atol: float, rtol: float) -> bool:
    if actual.shape != reference.shape:
        return False
    if actual.ndim == 0 or actual.size <= _CHUNK:
        return _within(actual, reference, atol, rtol)
    step = max(1, _CHUNK * len(actual) // actual.size)
    return all(
        _within(actual[start : start + step], reference[start : start + step], atol, rtol)
        for start in range(0, len(actual), step)
    )


def _within(actual: Array, reference: Array, atol: float, rtol: float) -> bool:
    kind = np.complex128 if actual.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        wide = reference.astype(kind)
        return bool((np.abs(actual.astype(kind) - wide) <= atol + rtol * np.abs(wide)).all())
