"""What a sample shows about the rate or the mean of everything that it was drawn from.

Bounds are one-sided, each at the confidence that is asked for, as a gate needs them. Knows the standard library only.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from pytest_edgedevice.metrics.beta import beta_quantile, beta_share

MOST_SAMPLES = 10_000_000
"""Beyond this no number of samples is named as what would be needed."""


def clopper_pearson(successes: int, trials: int, confidence: float) -> tuple[float, float]:
    """The exact one-sided lower and upper bounds of a rate.

    Args:
        successes: Samples that were right.
        trials: Samples in all, 1 at least.
        confidence: Of each bound, between 0 and 1; together they are an interval of ``2 * confidence - 1``.

    Raises:
        ValueError: The counts or the confidence cannot be.

    Source:
        Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 26, 1934.
    """
    _check(successes, trials, confidence)
    wrong, risk = trials - successes, 1 - confidence
    lower = beta_quantile(risk, successes, wrong + 1) if successes else 0.0
    upper = beta_quantile(confidence, successes + 1, wrong) if wrong else 1.0
    return lower, upper


def t_interval(mean: float, deviation: float, samples: int, confidence: float) -> tuple[float, float] | None:
    """One-sided bounds of a mean by Student's t; None for fewer than two samples, which show no spread.

    Args:
        mean: Of the samples.
        deviation: Their sample standard deviation, over ``samples - 1``.
        samples: How many.
        confidence: Of each bound, between 0 and 1.

    Source:
        Student, "The probable error of a mean", 1908; close for many samples whatever their distribution.
    """
    if samples < 2 or not (math.isfinite(mean) and math.isfinite(deviation)):
        return None
    reach = t_quantile(confidence, samples - 1) * deviation / math.sqrt(samples)
    return mean - reach, mean + reach


def t_quantile(share: float, freedom: int) -> float:
    """The point of Student's t distribution below which that share lies."""
    if not 0 < share < 1:
        raise ValueError(f"a share is between 0 and 1, not {share}")
    if share < 0.5:
        return -t_quantile(1 - share, freedom)
    inside = beta_quantile(2 * (1 - share), freedom / 2, 0.5) if share > 0.5 else 1.0
    return math.sqrt(freedom * (1 - inside) / inside)


def trials_needed(rate: float, wanted: float, confidence: float) -> int | None:
    """Fewest trials at which a rate as observed would show that it reaches, or misses, what is wanted.

    Args:
        rate: Observed, 0 to 1.
        wanted: What the rate shall reach.
        confidence: Of the bound.

    Returns:
        None where no number would: the two are the same, or so close that it is beyond counting.
    """
    if rate == wanted or not 0 < wanted < 1:
        return None

    def shows(trials: int) -> bool:
        if rate > wanted:  # the lower bound reaches it: so many right ones are unlikely below it
            right = math.floor(rate * trials + 1e-9)
            return right > 0 and beta_share(wanted, right, trials - right + 1) <= 1 - confidence
        right = math.ceil(rate * trials - 1e-9)
        return right < trials and 1 - beta_share(wanted, right + 1, trials - right) <= 1 - confidence

    high = 1
    while not shows(high):
        high *= 2
        if high > MOST_SAMPLES:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def samples_needed(mean: float, deviation: float, wanted: float, confidence: float) -> int | None:
    """About how many samples with this spread would tell their mean from what is wanted; None for no number."""
    distance = abs(mean - wanted)
    if not (distance > 0 and math.isfinite(distance) and math.isfinite(deviation)):
        return None
    count = math.ceil((NormalDist().inv_cdf(confidence) * deviation / distance) ** 2) + 1
    return count if count <= MOST_SAMPLES else None


def _check(successes: int, trials: int, confidence: float) -> None:
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials cannot be")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, e.g. 0.95, not {confidence}")
