"""When to look at a growing series, and how much of the error each look may spend.

Looking again and again finds a lucky moment in any series; so the looks share
the error that the verdict as a whole may have. Pure arithmetic on counts, and
the rule that ends the warm-up.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.order_statistics import runs_needed
from pytest_edgedevice.metrics.series import Series, check_share, checked

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_LOOK_RUNS = 100
STEADY = 0.03  # medians of consecutive windows that differ by less end the warm-up

FIRST_LOOK_NS = 500_000_000
"""No verdict before so much was observed, where the runs allowed suffice: a short series never saw the slow spells."""
SPARE = 1.1
"""A first look is planned for so many times that, as runs may turn out faster than those of the warm-up."""
CLOSE_LOOK_NS = 2_000_000_000
"""No close verdict before so much was observed, likewise."""
CLEAR = 1.5
"""A verdict is clear where the bound is this many times away from the budget."""


def enough_seen(observed_ns: float, *, budget_ns: float, lower_ns: float | None, upper_ns: float | None) -> bool:
    """Whether a series that may still grow has lasted long enough for a verdict by these bounds."""
    if observed_ns >= CLOSE_LOOK_NS:
        return True
    clear = upper_ns is not None and upper_ns * CLEAR <= budget_ns
    clear |= lower_ns is not None and lower_ns >= budget_ns * CLEAR
    return clear and observed_ns >= FIRST_LOOK_NS


def plan_looks(*, quantile: float, confidence: float, min_runs: int, max_runs: int) -> tuple[int, ...]:
    """Lengths of the series at which it is looked at: each doubles it, the last is ``max_runs``."""
    first = max(FIRST_LOOK_RUNS, runs_needed(quantile, look_confidence(both_sides(confidence), 1, 8)), min_runs)
    return _doubled(first, max_runs)


def looks_of(planned: Sequence[int], *, each_ns: float) -> tuple[int, ...]:
    """The planned looks of a series whose runs take so long: none before the first that may give a verdict.

    By doubling alone, that one could come at almost twice the time that it needs.

    Args:
        planned: See ``plan_looks``.
        each_ns: About what an entry of the series takes, nanoseconds, as the warm-up showed.
    """
    return _doubled(max(planned[0], math.ceil(FIRST_LOOK_NS * SPARE / max(each_ns, 1))), planned[-1])


def _doubled(first: int, most: int) -> tuple[int, ...]:
    looks = [min(first, most)]
    while looks[-1] < most:
        looks.append(min(2 * looks[-1], most))
    return tuple(looks)


def both_sides(confidence: float) -> float:
    """Confidence of each bound of an interval that as a whole has ``confidence``."""
    check_share(confidence=confidence)
    return 1 - (1 - confidence) / 2


def look_confidence(confidence: float, look: int, looks: int) -> float:
    """Confidence of one look at a growing series, so that all looks together keep the one asked for.

    The last look may spend half of the error: it has the most data and decides the
    close cases; the earlier ones share the other half.

    Args:
        confidence: What the verdict as a whole shall have.
        look: Which look, from 1.
        looks: How many looks there will be at most.
    """
    check_share(confidence=confidence)
    if not 1 <= look <= looks:
        raise ValueError(f"look must be in 1 to {looks}, not {look}")
    if looks == 1:
        return confidence
    share = 0.5 if look == looks else 0.5 / (looks - 1)
    return 1 - (1 - confidence) * share


def spent(confidence: float, look: int, looks: int, *, last: bool) -> float:
    """Confidence of each bound at one of several looks, so that the interval as a whole keeps ``confidence``.

    Args:
        confidence: What was asked for.
        look: Which look of the plan, from 1.
        looks: How many the plan has.
        last: Whether there will be no other, as time may cut the plan short.
    """
    return look_confidence(both_sides(confidence), looks if last else look, looks)


def alone(confidence: float, *, quantile: float, runs: int) -> float:
    """Confidence of each bound at a look that is the first and the last.

    The interval as a whole keeps ``confidence`` where the runs suffice for that (72 for p95
    at 95 %); in a shorter series each bound does, as in the published tables (from 59 on).

    Args:
        confidence: What was asked for.
        quantile: The quantile that is judged.
        runs: Length of the series.
    """
    whole = both_sides(confidence)
    return whole if runs >= runs_needed(quantile, whole) else confidence


def steady(windows: Sequence[Series], *, within: float = STEADY) -> bool:
    """Whether the last two windows' medians differ by less than ``within`` of the earlier one."""
    if len(windows) < 2:
        return False
    before, after = (float(np.median(checked(window))) for window in windows[-2:])
    return abs(after - before) < within * before or after == before


def settled(windows: Sequence[Series], *, within: float = STEADY) -> bool:
    """Whether a warm-up has ended: the last windows agree, one with one, or several together with as many before.

    A noisy device has windows that never agree one by one, though it is as warm as it
    will get; longer windows tell noise from a latency that still moves.
    """
    size = 1
    while 2 * size <= len(windows):
        pair = [np.concatenate([checked(one) for one in part]) for part in _halves(windows, size)]
        if steady(pair, within=within):
            return True
        size *= 2
    return False


def _halves(windows: Sequence[Series], size: int) -> tuple[Sequence[Series], Sequence[Series]]:
    return windows[-2 * size : len(windows) - size], windows[-size:]
