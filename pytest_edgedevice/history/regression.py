"""What a new latency shows against earlier runs, which came from other processes and other days."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from pytest_edgedevice.values import Regression

if TYPE_CHECKING:
    from collections.abc import Sequence

ENOUGH_RUNS = 10
"""Runs from which their noise is known well enough to fail a test."""
DEVIATIONS = 4.3
"""Of ten earlier runs, one new run in a thousand is further away; of more, fewer are."""
ALLOWED = 0.05
ALLOWED_UNKNOWN = 0.10


def compare(median_ms: float, earlier_ms: Sequence[float]) -> Regression:
    """Compare a median with those of earlier runs.

    From ``ENOUGH_RUNS`` on their noise is known: the limit is what one run in a thousand
    exceeds without any change, and never less than 5 % above them. With fewer, what is
    10 % above them warns.

    Args:
        median_ms: The new median, milliseconds, above 0.
        earlier_ms: Medians of earlier runs, milliseconds, above 0.

    Source:
        Student's prediction interval of one more observation, on the logarithm.
    """
    count = len(earlier_ms)
    if not count:
        return Regression("new", median_ms, None, None, 0, "")
    usual_ms = math.exp(statistics.fmean(map(math.log, earlier_ms)))
    known = count >= ENOUGH_RUNS
    allowed = ALLOWED_UNKNOWN
    if known:
        spread = statistics.stdev(map(math.log, earlier_ms))
        allowed = max(ALLOWED, math.expm1(DEVIATIONS * spread * math.sqrt(1 + 1 / count)))
    limit_ms = usual_ms * (1 + allowed)
    if median_ms <= limit_ms:
        return Regression("pass", median_ms, usual_ms, limit_ms, count, "")
    over = f"{(median_ms / usual_ms - 1) * 100:.2g} % over its baseline of {usual_ms:.4g} ms"
    noise = f"limit {limit_ms:.4g} ms by {count} runs" if known else f"a warning only, as it has {count} runs"
    reason = f"median {median_ms:.4g} ms is {over} ({noise})"
    return Regression("fail" if known else "warn", median_ms, usual_ms, limit_ms, count, reason)
