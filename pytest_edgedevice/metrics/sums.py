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

_SAFE = (1e-100, 1e100)
_MOST = 1000  # beyond, a power of two leaves float64; the rest of the way is far from any limit
_LARGEST = float(np.finfo(np.float64).max)
CHUNK = 8_192  # elements of one block; a few float64 buffers of this size stay in the processor's cache


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


def sums(actual: Samples, reference: Samples, *, centred: bool = False) -> Sums:
    """Add up each sample of two equally structured outputs.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        centred: Take each side's mean off before squares and products (not before differences).
    """
    with np.errstate(all="ignore"):
        elements = np.array([part.size for part in actual], np.int64)
        low, high, peaks, totals = _extents(actual, reference)
        exponents = _exponents(peaks)
        factors = np.ldexp(1.0, -exponents) if exponents.any() else None
        means = _means(actual, reference, factors, elements) if centred else np.zeros_like(peaks[:2])
        if centred or factors is not None:
            totals = _squares(actual, reference, factors, means)
        return _named(elements, totals, exponents, means, (low, high))


def _exponents(peaks: Floats) -> Integers:
    """Powers of two that bring each peak near 1; none where all squares are far from float64's limits."""
    if ((peaks == 0) | ((peaks > _SAFE[0]) & (peaks < _SAFE[1]))).all():
        return np.zeros(peaks.shape, np.int64)
    exponents = np.clip(np.frexp(peaks)[1], -_MOST, _MOST)
    return np.where(peaks > 0, exponents, -_MOST).astype(np.int64)


def pooled(found: Sums) -> Sums:
    """The sums of all samples as one, from those of each; nothing is read again.

    Source:
        Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """
    exponents = np.stack([found.exponent_d, found.exponent_r, found.exponent_e])
    whole = exponents.max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        d, r, e = exponents - whole
        means = np.stack([np.ldexp(found.mean_d, d), np.ldexp(found.mean_r, r)])
        count = found.elements.sum()
        mean = (means * found.elements).sum(axis=1, keepdims=True) / count
        apart_d, apart_r = means - mean
        totals = [
            np.ldexp(found.dd, 2 * d) + found.elements * apart_d**2,
            np.ldexp(found.rr, 2 * r) + found.elements * apart_r**2,
            np.ldexp(found.dr, d + r) + found.elements * apart_d * apart_r,
            np.ldexp(found.ee, 2 * e),
        ]
        ends = np.stack([found.low_d, found.low_r]), np.stack([found.high_d, found.high_r])
        low, high = ends[0].min(axis=1, keepdims=True), ends[1].max(axis=1, keepdims=True)
        together = np.stack(totals).sum(axis=1, keepdims=True)
    return _named(np.array([count]), together, whole, mean, (low, high))


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


def _extents(actual: Samples, reference: Samples) -> tuple[Floats, Floats, Floats, Floats]:
    """Smallest and largest value of both sides, largest magnitude of both and of their difference, plain sums."""
    count = len(actual)
    low, high, totals = np.full((3, count), np.inf), np.full((3, count), -np.inf), np.zeros((4, count))
    for rows, d, r in blocks(actual, reference):
        apart = d - r
        for side, values in enumerate((d, r, apart)):
            low[side, rows] = np.minimum(low[side, rows], values.min(axis=1))
            high[side, rows] = np.maximum(high[side, rows], values.max(axis=1))
        _add(totals, rows, d, r, apart)
    peaks = np.maximum(np.abs(low), np.abs(high))
    peaks[np.isinf(low) & (low > high)] = 0.0  # a sample without elements
    peaks[2] = np.minimum(peaks[2], _LARGEST)
    return low[:2], high[:2], peaks, totals


def _add(totals: Floats, rows: slice, d: Floats, r: Floats, apart: Floats) -> None:
    for total, (left, right) in zip(totals, ((d, d), (r, r), (d, r), (apart, apart)), strict=True):
        total[rows] += np.einsum("ij,ij->i", left, right)


def _means(actual: Samples, reference: Samples, factors: Floats | None, elements: Integers) -> Floats:
    means = np.zeros((2, len(actual)))
    for rows, *sides in blocks(actual, reference):
        for side, values in enumerate(sides):
            means[side, rows] += (values if factors is None else values * factors[side, rows, None]).sum(axis=1)
    return np.asarray(means / np.maximum(elements, 1))


def _squares(actual: Samples, reference: Samples, factors: Floats | None, means: Floats) -> Floats:
    totals = np.zeros((4, len(actual)))
    centred = bool(means.any())
    for rows, ours, theirs in blocks(actual, reference):
        d, r = ours, theirs
        if factors is None:
            apart = ours - theirs
        else:
            apart = (ours / 2 - theirs / 2) * (2 * factors[2, rows, None])  # halved, as the difference may overflow
            d, r = ours * factors[0, rows, None], theirs * factors[1, rows, None]
        if centred:
            d, r = d - means[0, rows, None], r - means[1, rows, None]
        _add(totals, rows, d, r, apart)
    return totals
