"""Sums over samples in float64, block by block, that neither overflow nor lose what is small.

Owns how samples are read as rows of numbers, and the sums that similarity and
noise are made of. Each sum is of values scaled by a power of two, which is exact.
Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.metrics.structure import Array, Samples

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Block = tuple[slice, Floats, Floats]

_MOST = 1000  # beyond, a power of two leaves float64; the rest of the way is far from any limit
_LARGEST = float(np.finfo(np.float64).max)
CHUNK = 32_768  # elements of one block; a few float64 buffers of this size stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of each sample, or one entry for all samples together.

    Attributes:
        elements: Number of elements.
        dd, rr, dr: Sums of the device's squares, the reference's, and the products, of values divided
            by ``2**exponent_d`` and ``2**exponent_r``.
        ee: Sum of the squared differences, divided by ``4**exponent_e``.
        exponent_d, exponent_r, exponent_e: Powers of two by which values were divided.
        mean_d, mean_r: Means, of the values divided likewise.
        low_d, high_d, low_r, high_r: Smallest and largest value of each side, as they are.
    """

    elements: Integers
    dd: Floats
    rr: Floats
    dr: Floats
    ee: Floats
    exponent_d: Integers
    exponent_r: Integers
    exponent_e: Integers
    mean_d: Floats
    mean_r: Floats
    low_d: Floats
    high_d: Floats
    low_r: Floats
    high_r: Floats


def blocks(actual: Samples, reference: Samples) -> Iterator[Block]:
    """Pieces of both sides as float64 rows of flattened samples, with the samples that the rows are of.

    Complex numbers are read as pairs; 64-bit integers beyond 2**53 are rounded.
    """
    return ((rows, _real(d), _real(r)) for rows, _, d, r in pieces(actual, reference))


def pieces(actual: Samples, reference: Samples) -> Iterator[tuple[slice, int, Array, Array]]:
    """Pieces of both sides as rows of flattened samples: which samples, where in them it begins, both sides."""
    if isinstance(actual, tuple) or isinstance(reference, tuple):
        for number, (ours, theirs) in enumerate(zip(actual, reference, strict=True)):
            yield from _cut(number, np.reshape(ours, (1, -1)), np.reshape(theirs, (1, -1)))
    else:
        count = len(actual)
        yield from _cut(0, actual.reshape(count, -1), reference.reshape(count, -1))


def _cut(first: int, actual: Array, reference: Array) -> Iterator[tuple[slice, int, Array, Array]]:
    rows, size = actual.shape
    wide, high = max(1, min(size, CHUNK)), max(1, CHUNK // max(1, size))
    for top in range(0, rows, high):
        below = min(rows, top + high)
        for left in range(0, size, wide):
            part = (slice(top, below), slice(left, left + wide))
            yield slice(first + top, first + below), left, actual[part], reference[part]


def _real(values: Array) -> Floats:
    if values.dtype.kind == "c":
        return np.ascontiguousarray(values, np.complex128).view(np.float64)
    return values.astype(np.float64)


def sums(actual: Samples, reference: Samples, *, pooled: bool = False, centred: bool = False) -> Sums:
    """Add up two equally structured, finite outputs.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        pooled: One entry for all samples together instead of one each.
        centred: Take each side's mean off before squares and products (not before differences).
    """
    with np.errstate(all="ignore"):
        return _sums(actual, reference, pooled=pooled, centred=centred)


def _sums(actual: Samples, reference: Samples, *, pooled: bool, centred: bool) -> Sums:
    elements = np.array([part.size for part in actual], np.int64)
    low, high, peaks = _extents(actual, reference)
    if pooled:
        peaks[:] = peaks.max(axis=1, keepdims=True)
    exponents = np.clip(np.frexp(peaks)[1], -_MOST, _MOST).astype(np.int64)
    factors = np.ldexp(1.0, -exponents)
    means = _means(actual, reference, factors, elements, pooled=pooled) if centred else np.zeros_like(peaks[:2])
    totals = _squares(actual, reference, factors, means)
    if not pooled:
        return _named(elements, totals, exponents, means, (low, high))
    low, high = low.min(axis=1, keepdims=True), high.max(axis=1, keepdims=True)
    totals, whole = totals.sum(axis=1, keepdims=True), np.array([elements.sum()])
    return _named(whole, totals, exponents[:, :1], means[:, :1], (low, high))


def _named(elements: Integers, totals: Floats, exponents: Integers, means: Floats, ends: tuple[Floats, Floats]) -> Sums:
    (low_d, low_r), (high_d, high_r) = ends
    dd, rr, dr, ee = totals
    return Sums(
        elements=elements,
        dd=dd,
        rr=rr,
        dr=dr,
        ee=ee,
        exponent_d=exponents[0],
        exponent_r=exponents[1],
        exponent_e=exponents[2],
        mean_d=means[0],
        mean_r=means[1],
        low_d=low_d,
        high_d=high_d,
        low_r=low_r,
        high_r=high_r,
    )


def _extents(actual: Samples, reference: Samples) -> tuple[Floats, Floats, Floats]:
    """Smallest and largest value of both sides, and largest magnitude of both and of their difference."""
    count = len(actual)
    low, high, apart = np.full((2, count), np.inf), np.full((2, count), -np.inf), np.zeros(count)
    for rows, *sides in blocks(actual, reference):
        for side, values in enumerate(sides):
            low[side, rows] = np.minimum(low[side, rows], values.min(axis=1))
            high[side, rows] = np.maximum(high[side, rows], values.max(axis=1))
        halves = np.abs(sides[0] / 2 - sides[1] / 2).max(axis=1)
        apart[rows] = np.maximum(apart[rows], 2 * halves)
    peaks = np.maximum(np.maximum(np.abs(low), np.abs(high)), 0.0)
    peaks[np.isinf(low) & np.isinf(high)] = 0.0  # a sample without elements
    return low, high, np.vstack([peaks, np.minimum(apart, _LARGEST)])


def _means(actual: Samples, reference: Samples, factors: Floats, elements: Integers, *, pooled: bool) -> Floats:
    means = np.zeros((2, len(actual)))
    for rows, *sides in blocks(actual, reference):
        for side, values in enumerate(sides):
            means[side, rows] += (values * factors[side, rows, None]).sum(axis=1)
    if pooled:
        means[:] = means.sum(axis=1, keepdims=True)
        return np.asarray(means / elements.sum())
    return np.asarray(means / np.maximum(elements, 1))


def _squares(actual: Samples, reference: Samples, factors: Floats, means: Floats) -> Floats:
    totals = np.zeros((4, len(actual)))
    for rows, ours, theirs in blocks(actual, reference):
        apart = (ours / 2 - theirs / 2) * (2 * factors[2, rows, None])
        d = ours * factors[0, rows, None] - means[0, rows, None]
        r = theirs * factors[1, rows, None] - means[1, rows, None]
        for total, (left, right) in zip(totals, ((d, d), (r, r), (d, r), (apart, apart)), strict=True):
            total[rows] += np.einsum("ij,ij->i", left, right)
    return totals
