"""What a series of latencies proves about a quantile, and what it does not.

Owns the verdict against a budget, and is the front of this topic: order
statistics, dependence, looks and drift have files of their own. Knows numpy and
the standard library only; nothing of devices or clocks: a series is integers of
nanoseconds in run order.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from pytest_edgedevice.metrics.dependence import autocorrelation, distance, effective_size
from pytest_edgedevice.metrics.drift import Drift, drift
from pytest_edgedevice.metrics.intervals import bounds
from pytest_edgedevice.metrics.looks import look_confidence, steady
from pytest_edgedevice.metrics.needed import needed
from pytest_edgedevice.metrics.order_statistics import bound_ranks, runs_needed
from pytest_edgedevice.metrics.series import Series, interval_text, quantile_name, sample_quantile

__all__ = [
    "Drift",
    "Judgement",
    "Series",
    "Verdict",
    "autocorrelation",
    "bound_ranks",
    "bounds",
    "drift",
    "effective_size",
    "explained",
    "interval_text",
    "judge",
    "judge_batches",
    "judge_run",
    "look_confidence",
    "quantile_name",
    "runs_needed",
    "sample_quantile",
    "steady",
]

Verdict = Literal["pass", "fail", "inconclusive"]


class Judgement(NamedTuple):
    """A verdict on one quantile against one budget.

    Attributes:
        verdict: ``pass`` iff the upper bound is within the budget, ``fail`` iff the lower one is beyond it.
        lower_ns, upper_ns: One-sided bounds at the confidence asked for; None where the series is too short.
        reason: Why it is not ``pass``, one sentence; empty otherwise.
        needed: What would have decided it, one clause; empty where it was decided, and before ``explained``.
    """

    verdict: Verdict
    lower_ns: float | None
    upper_ns: float | None
    reason: str
    needed: str = ""


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
    tolerance = distance(samples_ns, quantile=quantile, budget_ns=budget_ns)
    lower, upper = bounds(samples_ns, quantile=quantile, confidence=confidence, tolerance=tolerance)
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
        fewest = runs_needed(quantile, overall or confidence)
        effective = effective_size(samples_ns, tolerance=tolerance)
        worth = f", worth {effective} independent ones" if effective < count else ""
        reason = f"cannot show {name} < {budget}: that needs at least {fewest} runs, there were {count}{worth}"
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
    return found._replace(verdict="inconclusive", reason=reason, needed=f"needed: a budget for {batch} inferences")


def judge_run(
    samples_ns: Series,
    batch: int = 1,
    *,
    budget_ns: float,
    quantile: float,
    confidence: float,
    overall: float | None = None,
) -> Judgement:
    """Judge a whole run: ``judge_batches``, and what it shows must hold for its end too.

    A device that slows down passes over the whole run as long as it was fast at first; one
    that is still warming up fails for its start. Where the last third differs and does not
    show the same, the verdict is ``inconclusive``.

    Args:
        samples_ns: As for ``judge_batches``.
        batch: As for ``judge_batches``.
        budget_ns: As for ``judge``.
        quantile: As for ``judge``.
        confidence: As for ``judge``.
        overall: As for ``judge``.
    """
    options = {"budget_ns": budget_ns, "quantile": quantile, "confidence": confidence, "overall": overall}
    found = judge_batches(samples_ns, batch, **options)  # type: ignore[arg-type]
    if found.verdict == "inconclusive":
        return found
    change = drift(samples_ns)
    if not (change.slower if found.verdict == "pass" else change.faster):
        return found
    end = judge_batches(samples_ns[-(len(samples_ns) // 3) :], batch, **options)  # type: ignore[arg-type]
    if end.verdict == found.verdict:
        return found
    claim = (
        f"cannot {'show' if found.verdict == 'pass' else 'refute'} {quantile_name(quantile)} < {budget_ns / 1e6:.6g} ms"
    )
    remedy = "needed: a device that keeps its speed, e.g. cooled; sustained_s= judges what is left after a while"
    return found._replace(verdict="inconclusive", reason=f"{claim}: the run is {change}", needed=remedy)


def explained(
    found: Judgement, samples_ns: Series, *, budget_ns: float, quantile: float, confidence: float
) -> Judgement:
    """The judgement with what would have decided it, where that is not said yet; arguments as for ``judge``."""
    if found.verdict != "inconclusive" or found.needed:
        return found
    remedy = needed(samples_ns, budget_ns=budget_ns, quantile=quantile, confidence=confidence, upper_ns=found.upper_ns)
    return found._replace(needed=remedy)
