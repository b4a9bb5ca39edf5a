"""The interval of a quantile of a series, allowing for neighbours that resemble each other."""

from __future__ import annotations

import numpy as np

from pytest_edgedevice.metrics.dependence import effective_size
from pytest_edgedevice.metrics.order_statistics import bound_ranks
from pytest_edgedevice.metrics.series import Series, checked


def bounds(
    samples_ns: Series, *, quantile: float, confidence: float, tolerance: float = 0.0
) -> tuple[float | None, float | None]:
    """One-sided lower and upper confidence bounds of a quantile, in nanoseconds.

    Order statistics of the series; where it is autocorrelated, those of the
    effective sample size, taken as fractions of the series' length. No shape of
    the distribution is assumed. A bound that the series is too short for is None.

    Args:
        samples_ns: The series, nanoseconds.
        quantile: Which quantile.
        confidence: Of each bound.
        tolerance: As for ``inflation``.
    """
    ordered = np.sort(checked(samples_ns))
    count, effective = ordered.size, effective_size(samples_ns, tolerance=tolerance)
    low, high = bound_ranks(effective, quantile=quantile, confidence=confidence)
    # whole numbers, so that an uncorrelated series gives exactly its own ranks; rounded to the safe side
    lower = None if low is None else float(ordered[max(1, low * count // effective) - 1])
    upper = None if high is None else float(ordered[-(-high * count // effective) - 1])
    return lower, upper
