"""Which order statistics bound a quantile, whatever the shape of the distribution.

Counts only: no latencies, no clocks. Knows numpy and the standard library only.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.metrics.series import check_share

_NEGLIGIBLE = 1e-25  # of the most likely outcome; far below any tail that a confidence can ask for
_SLACK = 1e-12  # a probability that equals the confidence must not miss it by rounding


@lru_cache(maxsize=4096)
def bound_ranks(count: int, *, quantile: float, confidence: float) -> tuple[int | None, int | None]:
    """Ranks (from 1) of the order statistics that bound a quantile from below and from above.

    With B ~ Bin(count, quantile): the lower rank is the largest k with
    P(B >= k) >= confidence, the upper one the smallest k with P(B <= k-1) >= confidence.

    Source:
        Order-statistic intervals; e.g. Hahn and Meeker, "Statistical Intervals", 5.2.
    """
    check_share(quantile=quantile, confidence=confidence)
    if count < 1:
        raise ValueError(f"a bound needs at least one sample, not {count}")
    start, masses = _binomial(count, quantile)
    below = np.cumsum(masses)  # P(B <= start + i)
    above = np.cumsum(masses[::-1])[::-1]  # P(B >= start + i)
    high = start + 1 + int(np.argmax(below >= confidence - _SLACK))
    low = start + int(np.flatnonzero(above >= confidence - _SLACK)[-1])
    return (low if low >= 1 else None), (high if high <= count else None)


def runs_needed(quantile: float, confidence: float) -> int:
    """Fewest independent runs that can give an upper bound: 59 for p95 at 95 %, 299 for p99."""
    check_share(quantile=quantile, confidence=confidence)
    return max(1, math.ceil(math.log1p(-confidence) / math.log(quantile) - 1e-9))


def _binomial(count: int, chance: float) -> tuple[int, npt.NDArray[np.float64]]:
    """Probabilities of the outcomes that matter, and the first of those outcomes.

    Ratios outward from the most likely outcome, then normalised: stable for any
    count, where a sum of log-gammas would lose digits.
    """
    mode = min(count, math.floor((count + 1) * chance))
    odds = chance / (1 - chance)
    reach = math.ceil(12 * math.sqrt(count * chance * (1 - chance))) + 60
    down = np.arange(mode, max(mode - reach, 0), -1, dtype=np.float64)
    up = np.arange(mode, min(mode + reach, count), dtype=np.float64)
    below = _tail(down / (count - down + 1) / odds)
    masses = np.concatenate([below[::-1], [1.0], _tail((count - up) / (up + 1) * odds)])
    return mode - below.size, masses / masses.sum()


def _tail(ratios: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    masses = np.cumprod(ratios)
    return np.asarray(masses[masses >= _NEGLIGIBLE], np.float64)
