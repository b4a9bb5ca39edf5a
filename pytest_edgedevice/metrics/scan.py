"""One pass over two equally shaped arrays in blocks that stay in the processor's cache.

Owns every reduction that the closeness report needs, in float64 whatever the
inputs' types. Knows numpy only, and nothing of samples: positions are flat.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

BLOCK = 8_192  # elements; the work buffers stay in the cache, and BLAS starts no threads for sums of up to 10,000
_MANTISSA = 52  # bits below the exponent of a float64, whose sign is 0 here
_EXPONENTS = 2048
EXACT = 2.0**52  # integers below this are exact in float64, and so is their difference


class Side:
    """What is not finite on one side: how many elements, and where the first is."""

    def __init__(self) -> None:
        self.count = 0
        self.first: tuple[int, int] | None = None

    def add(self, sound: npt.NDArray[np.bool_], segment: int, start: int) -> None:
        """Count a block's elements that are not sound."""
        bad = sound.size - int(np.count_nonzero(sound))
        if bad and self.first is None:
            self.first = (segment, start + int(np.argmin(sound)))
        self.count += bad


class Scan:
    """Accumulates over segments (a whole array, or one sample where shapes vary).

    Args:
        atol: Absolute bound.
        rtol: Relative bound, scaled by the reference.
        room: Largest segment that will be fed; sizes the work buffers.
        is_complex: Whether a side is complex; distances are then those of the plane.
    """

    def __init__(self, *, atol: float, rtol: float, room: int, is_complex: bool) -> None:
        self.atol, self.rtol = atol, rtol
        self.elements = self.mismatches = 0
        self.max_error = self.needed_rtol = 0.0
        self.norms = [0.0, 0.0, 0.0]  # sums of d*d, r*r and d*r over finite pairs
        self.squares = 0.0  # sum of the squared errors over finite pairs
        self.octaves = np.zeros(_EXPONENTS, np.int64)  # errors by their binary exponent
        self.actual, self.reference = Side(), Side()
        self.largest: tuple[int, int] | None = None
        self.furthest: tuple[int, int] | None = None  # the mismatch that exceeds its bound the most
        self._excess = -math.inf
        size = min(room, BLOCK)
        kind = np.complex128 if is_complex else np.float64
        self._pair = np.empty(size, kind), np.empty(size, kind)
        self._gap = np.empty(size, kind)
        self._work: tuple[Floats, Floats, Floats] = (np.empty(size), np.empty(size), np.empty(size))

    @property
    def worst(self) -> tuple[int, int] | None:
        """Segment and flat position of the worst mismatch, or of the largest error where none mismatches."""
        return self.furthest or self.largest

    @property
    def all_finite(self) -> bool:
        """Whether neither side held NaN or Inf."""
        return not (self.actual.count or self.reference.count)

    def feed(self, segment: int, actual: Array, reference: Array) -> None:
        """Add two flat arrays of one length."""
        self.elements += actual.size
        with np.errstate(all="ignore"):
            for start in range(0, actual.size, BLOCK):
                self._block(segment, start, actual[start : start + BLOCK], reference[start : start + BLOCK])

    def _block(self, segment: int, start: int, actual: Array, reference: Array) -> None:
        size = actual.size
        d, r, gap = self._pair[0][:size], self._pair[1][:size], self._gap[:size]
        np.copyto(d, actual, casting="same_kind")
        np.copyto(r, reference, casting="same_kind")
        np.subtract(d, r, out=gap)
        error, scale, work = (buffer[:size] for buffer in self._work)
        np.abs(gap, out=error)
        np.abs(r, out=scale)
        peak = float(error.max())
        if _is_wide(actual) or _is_wide(reference):
            peak = _widen(actual, reference, d, scale, error)
        where = None
        if not math.isfinite(peak):  # the one cheap question that finds any NaN or Inf on either side
            ours, theirs = np.isfinite(d), np.isfinite(r)
            self.actual.add(ours, segment, start)
            self.reference.add(theirs, segment, start)
            where = np.flatnonzero(ours & theirs)
            self.mismatches += size - where.size
            if not where.size:
                return
            d, r, error, scale, work = d[where], r[where], error[where], scale[where], work[: where.size]
            peak = float(error.max())
        self._judge((segment, start), where, peak, error=error, scale=scale, work=work)
        self._sum(d.view(np.float64), r.view(np.float64))

    def _judge(
        self,
        origin: tuple[int, int],
        where: npt.NDArray[np.intp] | None,
        peak: float,
        *,
        error: Floats,
        scale: Floats,
        work: Floats,
    ) -> None:
        def place(index: np.intp) -> tuple[int, int]:
            return origin[0], origin[1] + int(index if where is None else where[index])

        self.octaves += np.bincount(error.view(np.int64) >> _MANTISSA, minlength=_EXPONENTS)
        if self.largest is None or peak > self.max_error:
            self.max_error, self.largest = peak, place(error.argmax())
        if peak == 0:
            return
        self.squares += float(error @ error)
        np.divide(error, scale, out=work)
        ratio = float(np.fmax.reduce(work))  # fmax passes over 0/0, where both sides are zero
        self.needed_rtol = max(self.needed_rtol, ratio)
        if peak <= self.atol:
            return
        np.multiply(scale, self.rtol, out=work)
        np.add(work, self.atol, out=work)
        outside = ~(error <= work)
        count = int(np.count_nonzero(outside))
        if count:
            self.mismatches += count
            excess = np.where(outside, error - work, -math.inf)
            index = excess.argmax()
            if self.furthest is None or excess[index] > self._excess:
                self._excess, self.furthest = float(excess[index]), place(index)

    def _sum(self, d: Floats, r: Floats) -> None:
        self.norms[0] += float(d @ d)
        self.norms[1] += float(r @ r)
        self.norms[2] += float(d @ r)


def float_up(number: int) -> float:
    """The smallest float64 that is not below the integer, so that a bound is never met by rounding."""
    value = float(number)
    return value if int(value) >= number else math.nextafter(value, math.inf)


def _is_wide(block: Array) -> bool:
    return block.dtype.kind in "iu" and block.dtype.itemsize > 4


def _widen(actual: Array, reference: Array, d: Array, scale: Floats, error: Floats) -> float:
    """Replace errors that float64 would round by exact ones, rounded up; return the largest."""
    if max(float(np.abs(d).max()), float(scale.max())) >= EXACT:
        gaps = np.abs(actual.astype(object) - reference.astype(object))
        error[:] = [float_up(int(gap)) for gap in gaps]
    return float(error.max())
