"""How one series of block medians compares with another: rank test, shift and its interval.

Ranks only, so that a block that was disturbed counts as one block and not by how
much. Knows numpy and the standard library only.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from pytest_edgedevice.metrics.series import Floats, Series, check_share, checked, logarithms

MOST_BLOCKS = 64


class Ratio(NamedTuple):
    """How many times as long the first takes as the second.

    Attributes:
        estimate: Hodges and Lehmann's: the median of the ratios of all pairs of blocks.
        lower, upper: One-sided bounds at the confidence asked for; None where there are too few blocks.
    """

    estimate: float
    lower: float | None
    upper: float | None


def ratio(new_ns: Series, old_ns: Series, *, confidence: float) -> Ratio:
    """The ratio of two latencies, from block medians that were taken in turn.

    Args:
        new_ns: Block medians of the one, nanoseconds; up to ``MOST_BLOCKS``.
        old_ns: Block medians of the other.
        confidence: One-sided, of each bound.

    Raises:
        ValueError: A series is none or too long, or the confidence is out of range.

    Source:
        Hodges and Lehmann (1963); bounds by inverting the exact Mann-Whitney test, e.g.
        Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 4.3. With ties they are conservative.
    """
    check_share(confidence=confidence)
    new, old = _logs(new_ns), _logs(old_ns)
    shifts = np.sort((new[:, None] - old[None, :]).ravel())
    rank = _critical_rank(new.size, old.size, 1 - confidence)
    lower = math.exp(shifts[rank - 1]) if rank else None
    upper = math.exp(shifts[shifts.size - rank]) if rank else None
    return Ratio(math.exp(float(np.median(shifts))), lower, upper)


def chance_of_excess(new_ns: Series, old_ns: Series, *, factor: float) -> float:
    """One-sided p-value of Mann and Whitney: of so many slow blocks, where the one takes ``factor`` times as long.

    Ties count for what is tested, so that a coarse clock shows nothing by itself.

    Args:
        new_ns: Block medians of the one, nanoseconds.
        old_ns: Block medians of the other.
        factor: Ratio of the two under the hypothesis that is tested.
    """
    new, old = _logs(new_ns), _logs(old_ns)
    wins = int(np.count_nonzero(new[:, None] - old[None, :] > math.log(factor) + 1e-12))
    counts = _arrangements(new.size, old.size)
    return sum(counts[wins:]) / sum(counts)


def _logs(values: Series) -> Floats:
    found = checked(values)
    if found.size > MOST_BLOCKS:
        raise ValueError(f"at most {MOST_BLOCKS} blocks are compared, not {found.size}")
    return logarithms(found)


def _critical_rank(new: int, old: int, error: float) -> int:
    """The largest k with P(U <= k - 1) <= error; 0 where there is none."""
    counts = _arrangements(new, old)
    total, below = sum(counts), 0
    for rank, count in enumerate(counts):
        below += count
        if below > error * total:
            return rank
    return 0  # pragma: no cover - an error is below 1, so the loop ends


@lru_cache(maxsize=256)
def _arrangements(new: int, old: int) -> tuple[int, ...]:
    """In how many orders of two groups U is 0, 1, 2 ... : a Gaussian binomial coefficient, exact.

    Source:
        Mann and Whitney (1947).
    """
    counts = [1] + [0] * (new * old)
    for step in range(1, new + 1):
        for place in range(len(counts) - 1, old + step - 1, -1):  # times 1 - q^(old + step)
            counts[place] -= counts[place - old - step]
        for place in range(step, len(counts)):  # divided by 1 - q^step
            counts[place] += counts[place - step]
    return tuple(counts)
