"""What a series of latencies is: checked, sorted, named.

A series is numbers of nanoseconds in the order in which they were taken. Knows
numpy and the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Series = Sequence[int] | Sequence[float] | npt.NDArray[np.int64] | npt.NDArray[np.float64]


def checked(samples_ns: Series) -> Floats:
    """The series as an array, 1-D float64.

    Raises:
        ValueError: It is empty or no list of numbers, or a number is negative or not finite.
    """
    values = np.asarray(samples_ns, np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"a series of latencies is a non-empty list of numbers, not one of shape {values.shape}")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("latencies must be finite and not negative")
    return values


def logarithms(values: Floats) -> Floats:
    """Logarithm of each latency: noise is about proportional to it. A latency of 0 counts as 1 ns."""
    return np.asarray(np.log(np.maximum(values, 1.0)))


def check_share(**shares: float) -> None:
    """Refuse what is no share.

    Raises:
        ValueError: One is not between 0 and 1, both excluded.
    """
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} must be between 0 and 1, e.g. 0.95, not {share}")


def sample_quantile(samples_ns: Series, quantile: float) -> float:
    """The order statistic of rank ceil(n * quantile), nanoseconds: measured, never interpolated."""
    check_share(quantile=quantile)
    ordered = np.sort(checked(samples_ns))
    return float(ordered[max(1, math.ceil(ordered.size * quantile - 1e-9)) - 1])


def quantile_name(quantile: float) -> str:
    """``p95`` for 0.95, ``p99.9`` for 0.999."""
    return f"p{quantile * 100:.10g}"


def interval_text(lower_ns: float | None, upper_ns: float | None) -> str:
    """``[97.1, 103.4]`` in milliseconds; a bound that is not known is a question mark."""
    low, high = ("?" if bound is None else f"{bound / 1e6:.4g}" for bound in (lower_ns, upper_ns))
    return f"[{low}, {high}]"
