"""How many elements are how far off: a histogram of the absolute error, an octave a bin.

Owns the choice of the bins. Knows numpy only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_BINS = 32
_BIAS = 1023  # of a float64's exponent


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges, the lower one included.

    Attributes:
        edges: One more than there are counts; 0, then powers of two. The first bin holds what is
            smaller than the octaves that are shown, and what does not differ at all.
        counts: Elements in each bin.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


def histogram_of(octaves: npt.NDArray[np.int64]) -> Histogram:
    """Keep the octaves that hold something, at most 31 below the largest.

    Args:
        octaves: Number of errors with each binary exponent of a float64, shape (2048,); 0 is the
            first one's.
    """
    filled = np.flatnonzero(octaves[1:]) + 1
    if not filled.size:
        return Histogram((0.0, math.ldexp(1, 1 - _BIAS)), (int(octaves[0]),))
    top = int(filled[-1])
    bottom = max(int(filled[0]), top - (_BINS - 2))
    edges = [_power(exponent) for exponent in range(bottom, top + 2)]
    counts = [int(octaves[:bottom].sum()), *(int(count) for count in octaves[bottom : top + 1])]
    return Histogram((0.0, *edges), tuple(counts))


def _power(exponent: int) -> float:
    return math.ldexp(1, exponent - _BIAS) if exponent < 2 * _BIAS + 1 else math.inf
