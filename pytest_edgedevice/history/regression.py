"""What a new number shows against earlier runs, which came from other processes and other days."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.values import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH_RUNS = 10
"""Runs from which their noise is known well enough to fail a test."""
DEVIATIONS = 4.3
"""Of ten earlier runs, one new run in a thousand is further away; of more, fewer are."""
ROBUST_DEVIATIONS = {10: 7.4, 12: 6.4, 15: 5.7, 20: 4.8, 30: 4.1, 50: 3.6}
"""The same from the median in median absolute deviations, by the number of earlier runs; simulated, normal noise."""
MAD_TO_SIGMA = 1.4826
MOST_SPREAD = 700.0
"""On the logarithm; a float holds no more."""
ALLOWED = 0.05
ALLOWED_UNKNOWN = 0.10


@dataclass(frozen=True, slots=True)
class Usual:
    """What earlier runs show.

    Attributes:
        value: Typical of them.
        allowed: Share of it that a new run may be above or below and be noise.
        runs: How many there are.
        known: Whether they are enough to know their noise.
    """

    value: float
    allowed: float
    runs: int
    known: bool

    @property
    def highest(self) -> float:
        """The largest value that is noise."""
        return self.value * (1 + self.allowed)

    @property
    def lowest(self) -> float:
        """The smallest value that is noise; as far away as the largest, in proportion."""
        return self.value / (1 + self.allowed)

    def is_beyond(self, value: float) -> bool:
        """Whether a new value is more than noise, above or below."""
        return not self.lowest <= value <= self.highest


def usual(earlier: Sequence[float]) -> Usual:
    """What earlier runs show that nobody looked at with suspicion: mean and deviation.

    Args:
        earlier: Of at least one run, above 0.

    Source:
        Student's prediction interval of one more observation, on the logarithm.
    """
    logarithms = [math.log(one) for one in earlier]
    count = len(logarithms)
    allowed = ALLOWED_UNKNOWN
    if count >= ENOUGH_RUNS:
        spread = statistics.stdev(logarithms)
        allowed = max(ALLOWED, math.expm1(min(DEVIATIONS * spread * math.sqrt(1 + 1 / count), MOST_SPREAD)))
    return Usual(math.exp(statistics.fmean(logarithms)), allowed, count, count >= ENOUGH_RUNS)


def robustly_usual(earlier: Sequence[float]) -> Usual:
    """What earlier runs show, some of which may be outliers or regressions themselves: median and MAD.

    Args:
        earlier: Of at least one run, 0 or more. Where there are zeros, as with errors, a share has no meaning
            and every value but the median itself is beyond.

    Source:
        As ``usual``, with the median absolute deviation on the logarithm for the deviation; the factors are
        quantiles of ``(new - median) / (1.4826 MAD)`` over 400,000 simulated series of each length.
    """
    count, known = len(earlier), len(earlier) >= ENOUGH_RUNS
    if min(earlier) <= 0:
        return Usual(statistics.median(earlier), ALLOWED, count, known)
    logarithms = [math.log(one) for one in earlier]
    center = statistics.median(logarithms)
    allowed = ALLOWED_UNKNOWN
    if known:
        deviation = MAD_TO_SIGMA * statistics.median(abs(one - center) for one in logarithms)
        factor = ROBUST_DEVIATIONS[max(runs for runs in ROBUST_DEVIATIONS if runs <= count)]
        allowed = max(ALLOWED, math.expm1(min(factor * deviation, 50.0)))
    return Usual(math.exp(center), allowed, count, known)


def compare(median_ms: float, earlier_ms: Sequence[float]) -> Regression:
    """Compare a median with those of earlier runs.

    From ``ENOUGH_RUNS`` on their noise is known: the limit is what one run in a thousand
    exceeds without any change, and never less than 5 % above them. With fewer, what is
    10 % above them warns.

    Args:
        median_ms: The new median, milliseconds, above 0.
        earlier_ms: Medians of earlier runs, milliseconds, above 0.
    """
    if not earlier_ms:
        return Regression("new", median_ms, None, None, 0, "")
    found = usual(earlier_ms)
    if median_ms <= found.highest:
        return Regression("pass", median_ms, found.value, found.highest, found.runs, "")
    share = (median_ms / found.value - 1) * 100
    over = f"{share:{'.0f' if share >= 10 else '.2g'}} % over its baseline of {found.value:.4g} ms"
    known = f"limit {found.highest:.4g} ms by {found.runs} runs"
    noise = known if found.known else f"a warning only, as it has {found.runs} runs"
    reason = f"median {median_ms:.4g} ms is {over} ({noise})"
    return Regression("fail" if found.known else "warn", median_ms, found.value, found.highest, found.runs, reason)
