"""What a series of latencies proves about a quantile, and what it does not.

Owns order-statistic bounds, the allowance for autocorrelation, the warm-up rule
and the verdict against a budget. Knows numpy and the standard library only;
nothing of devices or clocks: a series is integers of nanoseconds in run order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Verdict = Literal["pass", "fail", "inconclusive"]
Series = Sequence[int] | Sequence[float] | npt.NDArray[np.int64] | npt.NDArray[np.float64]

STEADY = 0.03  # medians of consecutive windows that differ by less end the warm-up
_NEGLIGIBLE = 1e-25  # of the most likely outcome; far below any tail that a confidence can ask for


class Judgement(NamedTuple):
    """A verdict on one quantile against one budget.

    Attributes:
        verdict: ``pass`` iff the upper bound is within the budget, ``fail`` iff the lower one is beyond it.
        lower_ns, upper_ns: One-sided bounds at the confidence asked for; None where the series is too short.
        reason: Why it is not ``pass``, one sentence; empty otherwise.
    """

    verdict: Verdict
    lower_ns: float | None
    upper_ns: float | None
    reason: str


def judge(
    samples_ns: Series, *, budget_ns: float, quantile: float, confidence: float, overall: float | None = None
) -> Judgement:
    """Judge whether the quantile of the latency stays within a budget.

    Args:
        samples_ns: Latencies in the order they were taken, nanoseconds; warm-up dropped, nothing else.
        budget_ns: Budget, nanoseconds.
        quantile: Which quantile, e.g. 0.95.
        confidence: One-sided confidence of each bound, e.g. 0.95; see ``look_confidence`` for several looks.
        overall: What all looks together have, for the text; ``confidence`` by default.

    Raises:
        ValueError: No samples, or the quantile, confidence or budget is out of range.
    """
    if not (math.isfinite(budget_ns) and budget_ns > 0):
        raise ValueError(f"the budget must be a positive number of nanoseconds, not {budget_ns}")
    lower, upper = bounds(samples_ns, quantile=quantile, confidence=confidence)
    if upper is not None and upper <= budget_ns:
        return Judgement("pass", lower, upper, "")
    name, budget, count = quantile_name(quantile), f"{budget_ns / 1e6:.6g} ms", len(samples_ns)
    sure = f"{(overall or confidence) * 100:.6g} %"
    interval = f"{sure} interval {interval_text(lower, upper)}, n={count}"
    if lower is not None and lower > budget_ns:
        if upper is None:  # too few runs for an upper bound are enough to see that it is over
            interval = f"at least {lower / 1e6:.4g} ms with {sure} confidence, n={count}"
        return Judgement("fail", lower, upper, f"{name} is not < {budget}: {interval}")
    reason = f"cannot show {name} < {budget}: {interval}"
    if upper is None:
        needed = runs_needed(quantile, confidence)
        effective = effective_size(samples_ns)
        worth = f", worth {effective} independent ones" if effective < count else ""
        reason = f"cannot show {name} < {budget}: that needs at least {needed} runs, there were {count}{worth}"
    return Judgement("inconclusive", lower, upper, reason)


def judge_batches(
    samples_ns: Series,
    batch: int,
    *,
    budget_ns: float,
    quantile: float,
    confidence: float,
    overall: float | None = None,
) -> Judgement:
    """Judge a series whose entries are means of ``batch`` inferences.

    A mean hides its slowest inference, so a pass must hold even if one of them
    took all of the time; where it does not, nothing was shown.

    Args:
        samples_ns: Means in the order they were taken, nanoseconds.
        batch: Inferences in each; 1 makes this the same as ``judge``.
        budget_ns: As for ``judge``.
        quantile: As for ``judge``.
        confidence: As for ``judge``.
        overall: As for ``judge``.
    """
    found = judge(samples_ns, budget_ns=budget_ns, quantile=quantile, confidence=confidence, overall=overall)
    if batch == 1 or found.verdict != "pass":
        return found
    whole = [sample * batch for sample in samples_ns]
    worst = judge(whole, budget_ns=budget_ns, quantile=quantile, confidence=confidence, overall=overall)
    if worst.verdict == "pass":
        return found
    name, budget = quantile_name(quantile), f"{budget_ns / 1e6:.6g} ms"
    reason = (
        f"cannot show {name} < {budget}: one inference is too short for the clock, and {batch} together take longer"
    )
    return found._replace(verdict="inconclusive", reason=reason)


def bounds(samples_ns: Series, *, quantile: float, confidence: float) -> tuple[float | None, float | None]:
    """One-sided lower and upper confidence bounds of a quantile, in nanoseconds.

    Order statistics of the series; where it is autocorrelated, those of the
    effective sample size, taken as fractions of the series' length. No shape of
    the distribution is assumed. A bound that the series is too short for is None.
    """
    ordered = np.sort(_checked(samples_ns))
    count, effective = ordered.size, effective_size(samples_ns)
    low, high = bound_ranks(effective, quantile=quantile, confidence=confidence)
    # whole numbers, so that an uncorrelated series gives exactly its own ranks; rounded to the safe side
    lower = None if low is None else float(ordered[max(1, low * count // effective) - 1])
    upper = None if high is None else float(ordered[-(-high * count // effective) - 1])
    return lower, upper


def bound_ranks(count: int, *, quantile: float, confidence: float) -> tuple[int | None, int | None]:
    """Ranks (from 1) of the order statistics that bound a quantile from below and from above.

    With B ~ Bin(count, quantile): the lower rank is the largest k with
    P(B >= k) >= confidence, the upper one the smallest k with P(B <= k-1) >= confidence.

    Source:
        Order-statistic intervals; e.g. Hahn and Meeker, "Statistical Intervals", 5.2.
    """
    _check_share(quantile=quantile, confidence=confidence)
    if count < 1:
        raise ValueError(f"a bound needs at least one sample, not {count}")
    start, masses = _binomial(count, quantile)
    below = np.cumsum(masses)  # P(B <= start + i)
    above = np.cumsum(masses[::-1])[::-1]  # P(B >= start + i)
    slack = 1e-12  # a probability that equals the confidence must not miss it by rounding
    high = start + 1 + int(np.argmax(below >= confidence - slack))
    low = start + int(np.flatnonzero(above >= confidence - slack)[-1])
    return (low if low >= 1 else None), (high if high <= count else None)


def runs_needed(quantile: float, confidence: float) -> int:
    """Fewest independent runs that can give an upper bound: 59 for p95 at 95 %, 299 for p99."""
    _check_share(quantile=quantile, confidence=confidence)
    return max(1, math.ceil(math.log1p(-confidence) / math.log(quantile) - 1e-9))


def look_confidence(confidence: float, look: int, looks: int) -> float:
    """Confidence of one look at a growing series, so that all looks together keep the one asked for.

    The last look may spend half of the error: it has the most data and decides the
    close cases; the earlier ones share the other half.

    Args:
        confidence: What the verdict as a whole shall have.
        look: Which look, from 1.
        looks: How many looks there will be at most.
    """
    _check_share(confidence=confidence)
    if not 1 <= look <= looks:
        raise ValueError(f"look must be in 1 to {looks}, not {look}")
    if looks == 1:
        return confidence
    share = 0.5 if look == looks else 0.5 / (looks - 1)
    return 1 - (1 - confidence) * share


def sample_quantile(samples_ns: Series, quantile: float) -> float:
    """The order statistic of rank ceil(n * quantile), nanoseconds: measured, never interpolated."""
    _check_share(quantile=quantile)
    ordered = np.sort(_checked(samples_ns))
    return float(ordered[max(1, math.ceil(ordered.size * quantile - 1e-9)) - 1])


def autocorrelation(samples_ns: Series) -> float:
    """Lag-1 autocorrelation of the logarithm, clipped to 0 and above; 0 for a constant series."""
    logs = np.log(np.maximum(_checked(samples_ns), 1.0))
    logs -= logs.mean()
    power = float(logs @ logs)
    if power <= 1e-18 * logs.size:  # constant but for rounding
        return 0.0
    return max(0.0, float(logs[1:] @ logs[:-1]) / power)


def effective_size(samples_ns: Series) -> int:
    """Number of independent runs that the series is worth: n (1 - rho) / (1 + rho), at least 1."""
    rho = autocorrelation(samples_ns)
    return max(1, math.floor(len(samples_ns) * (1 - rho) / (1 + rho) + 1e-9))


def steady(windows: Sequence[Series], *, within: float = STEADY) -> bool:
    """Whether the last two windows' medians differ by less than ``within`` of the earlier one."""
    if len(windows) < 2:
        return False
    before, after = (float(np.median(_checked(window))) for window in windows[-2:])
    return abs(after - before) < within * before or after == before


def quantile_name(quantile: float) -> str:
    """``p95`` for 0.95, ``p99.9`` for 0.999."""
    return f"p{quantile * 100:.6g}"


def interval_text(lower_ns: float | None, upper_ns: float | None) -> str:
    """``[97.1, 103.4]`` in milliseconds; a bound that is not known is a question mark."""
    low, high = ("?" if bound is None else f"{bound / 1e6:.4g}" for bound in (lower_ns, upper_ns))
    return f"[{low}, {high}]"


def _binomial(count: int, chance: float) -> tuple[int, npt.NDArray[np.float64]]:
    """Probabilities of the outcomes that matter, and the first of those outcomes.

    Ratios outward from the most likely outcome, then normalised: stable for any
    count, where a sum of log-gammas would lose digits.
    """
    mode = min(count, math.floor((count + 1) * chance))
    odds = chance / (1 - chance)
    down = list(_tail(k / (count - k + 1) / odds for k in range(mode, 0, -1)))
    up = list(_tail((count - k) / (k + 1) * odds for k in range(mode, count)))
    masses = np.array([*reversed(down), 1.0, *up])
    return mode - len(down), masses / masses.sum()


def _tail(ratios: Iterator[float]) -> Iterator[float]:
    mass = 1.0
    for ratio in ratios:
        mass *= ratio
        if mass < _NEGLIGIBLE:
            return
        yield mass


def _checked(samples_ns: Series) -> npt.NDArray[np.float64]:
    values = np.asarray(samples_ns, np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"a series of latencies is a non-empty list of numbers, not one of shape {values.shape}")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("latencies must be finite and not negative")
    return values


def _check_share(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 < share < 1:
            raise ValueError(f"{name} must be between 0 and 1, e.g. 0.95, not {share}")
