"""What it would take to decide a latency that the runs at hand left open.

Knows numpy and the standard library only.
"""

from __future__ import annotations

import math

import numpy as np

from pytest_edgedevice.metrics.dependence import distance, inflation
from pytest_edgedevice.metrics.order_statistics import bound_ranks, runs_needed
from pytest_edgedevice.metrics.series import Series, checked, quantile_name

MOST_RUNS = 1_000_000
"""Beyond this nobody waits for a verdict."""


def needed(samples_ns: Series, *, budget_ns: float, quantile: float, confidence: float, upper_ns: float | None) -> str:
    """Say what would have decided a verdict that is inconclusive, one clause.

    Args:
        samples_ns: The series, nanoseconds.
        budget_ns: The budget, nanoseconds.
        quantile: The quantile that was judged.
        confidence: Confidence of each bound.
        upper_ns: The upper bound that was found; None where the series is too short for one.
    """
    values = checked(samples_ns)
    each = inflation(values, tolerance=distance(values, quantile=quantile, budget_ns=budget_ns))
    share = float(np.count_nonzero(values <= budget_ns)) / values.size
    if upper_ns is None:
        fewest = math.ceil(runs_needed(quantile, confidence) * each)
        return f"needed: {fewest} runs at least, {max(fewest - values.size, 1)} more"
    side = "within" if share > quantile else "over"
    runs = runs_to_decide(share, quantile=quantile, confidence=confidence, inflation=each, at_least=values.size)
    name, lower = quantile_name(quantile), (1 - budget_ns / upper_ns) * 100
    quieter = f"an upper bound {lower:.2g} % lower (it is {upper_ns / 1e6:.4g} ms)" if upper_ns > budget_ns else ""
    if runs is None:
        return f"no number of runs will tell {name} from its budget; needed: {quieter or 'a steadier device'}"
    more = f"about {runs:,} runs like these to show that it is {side}"
    return f"needed: {more}" + (f", or {quieter} to pass" if quieter else "")


def runs_to_decide(share: float, *, quantile: float, confidence: float, inflation: float, at_least: int) -> int | None:
    """About how many runs decide, if the share of them within the budget stays what it is; two digits, or None.

    Args:
        share: Share of the runs within the budget.
        quantile: The quantile that is judged.
        confidence: Confidence of each bound.
        inflation: Runs that are worth one independent run.
        at_least: Fewer do not, as was seen.
    """
    low, high = at_least, at_least
    while not _decides(high, share, quantile=quantile, confidence=confidence, inflation=inflation):
        low, high = high, high * 2
        if high > MOST_RUNS:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        if _decides(middle, share, quantile=quantile, confidence=confidence, inflation=inflation):
            high = middle
        else:
            low = middle
    digit = int(10 ** max(0, math.floor(math.log10(high)) - 1))
    return max(math.ceil(high / digit) * digit, at_least + 1)


def _decides(runs: int, share: float, *, quantile: float, confidence: float, inflation: float) -> bool:
    independent = max(1, math.floor(runs / inflation))
    low, high = bound_ranks(independent, quantile=quantile, confidence=confidence)
    passes = high is not None and high <= share * independent
    fails = low is not None and low > share * independent
    return passes or fails
