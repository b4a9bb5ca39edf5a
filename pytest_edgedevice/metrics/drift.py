"""Whether a latency changed over a run: throttling, or a warm-up that was none.

Knows numpy and the standard library only.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pytest_edgedevice.metrics.dependence import lag_one
from pytest_edgedevice.metrics.series import Floats, Series, checked, logarithms

LEAST_CHANGE = 0.04
"""Smaller changes between the thirds are not told: a steady rise of 6 % over the run, or a step of 4 %."""
SIGNIFICANCE = 0.005
BLOCKS = 10
"""Blocks in a third of the series, where its neighbours are independent; fewer and longer ones where they are not."""
CORRELATION_TIMES = 4
FEWEST_BLOCKS = 3
MEDIAN, FAST, SLOW = 0.5, 0.1, 0.9
"""What of each block is compared. Slow spells move its median from block to block by more than a throttled clock does,
and hardly move its fast runs; where the slow ones go the other way, runs became more alike, and that is no drift."""


class Drift(NamedTuple):
    """How the last third of a series differs from the first.

    Attributes:
        change: Share by which the typical run got slower; negative where it got faster.
        chance: Probability of a change at least as large in a series without any; 1 if it cannot be told.
        first_ns, last_ns: Typical run of the first and of the last third, nanoseconds: the median, or the tenth of
            the fastest runs where only those show the change.
    """

    change: float
    chance: float
    first_ns: float
    last_ns: float

    @property
    def slower(self) -> bool:
        """Whether it was shown that the device got slower, by enough to matter."""
        return self.change > LEAST_CHANGE and self.chance < SIGNIFICANCE

    @property
    def faster(self) -> bool:
        """Whether it was shown that the device got faster, by enough to matter."""
        return self.change < -LEAST_CHANGE and self.chance < SIGNIFICANCE

    @property
    def shown(self) -> float:
        """The change if it was shown and matters; 0 otherwise."""
        return self.change if self.slower or self.faster else 0.0

    def __str__(self) -> str:
        """``12 % slower in its last third than in its first (11.2 against 10 ms)``."""
        share, word = abs(self.change) * 100, "slower" if self.change > 0 else "faster"
        medians = f"{self.last_ns / 1e6:.4g} against {self.first_ns / 1e6:.4g} ms"
        return f"{share:{'.0f' if share >= 10 else '.2g'}} % {word} in its last third than in its first ({medians})"


def drift(samples_ns: Series) -> Drift:
    """Compare the last third of a series with its first.

    Student's test on the logarithms of block medians, and once more on those of each
    block's fast runs, which share the error. Blocks are at least ``CORRELATION_TIMES``
    times as long as neighbours resemble each other, as seen within the thirds. Thirds, so
    that a step counts like a slope; medians, so that spikes do not; fast runs, so that slow
    spells do not hide a device that holds its clocks down.

    Raises:
        ValueError: No samples, or one that is no latency.
    """
    values = checked(samples_ns)
    third = values.size // 3
    if third < FEWEST_BLOCKS:
        return Drift(0.0, 1.0, float(np.median(values)), float(np.median(values)))
    first, last = values[:third], values[-third:]
    rest = np.concatenate([logs - logs.mean() for logs in (logarithms(first), logarithms(last))])
    rho = min(lag_one(rest), 0.99)
    size = max(math.ceil(third / BLOCKS), math.ceil(CORRELATION_TIMES * (1 + rho) / (1 - rho)) if rho > 0.1 else 1)
    count = third // size
    if count < FEWEST_BLOCKS:
        return Drift(0.0, 1.0, float(np.median(first)), float(np.median(last)))
    blocks = [np.sort(part.reshape(count, -1), axis=1) for part in (first[: count * size], last[-count * size :])]
    thirds = [np.sort(part)[np.newaxis] for part in (first, last)]
    typical = _compared(blocks, thirds, quantile=MEDIAN)
    if typical.shown:
        return typical
    fast = _compared(blocks, thirds, quantile=FAST)
    if not fast.shown:
        return typical
    slow = _compared(blocks, thirds, quantile=SLOW)
    return fast if fast.shown * slow.shown >= 0 else typical


def _compared(blocks: list[Floats], thirds: list[Floats], *, quantile: float) -> Drift:
    """One of the tests, at half of the error.

    Args:
        blocks: Of the first and of the last third, (blocks, runs), each block sorted.
        thirds: Both thirds as one sorted block each.
        quantile: What of each block is compared.
    """
    before, after = (logarithms(_quantiles(part, quantile)) for part in blocks)
    ends = float(_quantiles(thirds[0], quantile)[0]), float(_quantiles(thirds[1], quantile)[0])
    count = before.size
    change = float(after.mean() - before.mean())
    error = math.sqrt((before.var(ddof=1) + after.var(ddof=1)) / count)
    if error < 1e-9:  # a clock too coarse to show any noise
        return Drift(math.expm1(change), 0.0 if abs(change) > 1e-9 else 1.0, *ends)
    chance = 2 * _student_tail(abs(change) / error, 2 * count - 2)
    return Drift(math.expm1(change), min(2 * chance, 1.0), *ends)


def _quantiles(blocks: Floats, quantile: float) -> Floats:
    """Of each sorted row, as ``numpy.quantile`` interpolates them."""
    place = quantile * (blocks.shape[1] - 1)
    low = math.floor(place)
    high = min(low + 1, blocks.shape[1] - 1)
    return np.asarray(blocks[:, low] + (place - low) * (blocks[:, high] - blocks[:, low]))


def _student_tail(t: float, freedom: int) -> float:
    """P(T > t) for an even number of degrees of freedom, t >= 0.

    Source:
        Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.4.
    """
    angle = math.atan(t / math.sqrt(freedom))
    term, total = 1.0, 1.0
    for k in range(1, freedom // 2):
        term *= math.cos(angle) ** 2 * (2 * k - 1) / (2 * k)
        total += term
    return max(0.0, (1 - math.sin(angle) * total) / 2)
