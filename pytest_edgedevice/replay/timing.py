"""A recorded latency judged again: the usual gate on the recorded series."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.metrics.latency import bounds, explained, judge_run, sample_quantile
from pytest_edgedevice.metrics.looks import alone
from pytest_edgedevice.validity import spoiling

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.latency import Judgement
    from pytest_edgedevice.values import Timing, Verdict

REPLAYED = "replayed"
MOST_MS = 1e12
LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.999999
NEVER_SETTLED = "the recorded series never settled, so it shows nothing"


def judged_again(timing: Timing, *, budget_ms: float | None, quantile: float, confidence: float) -> Timing:
    """The same series with the verdict for this budget; its conditions and its reason say that it is replayed.

    Raises:
        InputError: An argument is out of its range.
        UsageError: The series is none.
    """
    _check(budget_ms, quantile=quantile, confidence=confidence)
    judged = timing.samples_ns[timing.judged_from :]
    if not judged or timing.batch < 1 or timing.judged_from < 0 or min(timing.samples_ns) <= 0:
        raise UsageError("the recording has a latency without a single run, or with one that took no time")
    said: dict[str, Any] = {
        "budget_ms": budget_ms,
        "quantile": quantile,
        "confidence": confidence,
        "conditions": {moment: {**facts, REPLAYED: True} for moment, facts in timing.conditions.items()},
        **{f"p{percent}_ms": sample_quantile(judged, percent / 100) / 1e6 for percent in (50, 90, 95, 99)},
    }
    if budget_ms is None:
        lower, upper = bounds(judged, quantile=quantile, confidence=confidence)
        return dataclasses.replace(timing, **said, **_bounds(lower, upper), verdict=None, reason="", needed="")
    sure = _sure(timing, quantile=quantile, confidence=confidence, runs=len(judged))
    asked = {"budget_ns": budget_ms * 1e6, "quantile": quantile, "confidence": sure}
    found = explained(judge_run(judged, timing.batch, overall=confidence, **asked), judged, **asked)
    verdict, reason, needed = _verdict(timing, found, over=min(judged) > budget_ms * 1e6)
    said |= {"verdict": verdict, "reason": f"{reason} ({REPLAYED})" if reason else "", "needed": needed}
    return dataclasses.replace(timing, **said, **_bounds(found.lower_ns, found.upper_ns), look_confidence=sure)


def _sure(timing: Timing, *, quantile: float, confidence: float, runs: int) -> float:
    """Confidence of each bound: that of the series' last look, so that its own budget gets its own verdict again."""
    if timing.budget_ms is not None and timing.look_confidence and timing.confidence == confidence:
        return timing.look_confidence
    return alone(confidence, quantile=quantile, runs=runs)


def _verdict(timing: Timing, found: Judgement, *, over: bool) -> tuple[Verdict, str, str]:
    if spoiled := spoiling(timing.disturbances):
        return "inconclusive", spoiled, ""
    if not timing.steady and not over:
        return "inconclusive", NEVER_SETTLED, ""
    return found.verdict, found.reason, found.needed


def _bounds(lower: float | None, upper: float | None) -> dict[str, Any]:
    return {
        "lower_ms": None if lower is None else lower / 1e6,
        "upper_ms": None if upper is None else upper / 1e6,
    }


def _check(budget_ms: float | None, *, quantile: float, confidence: float) -> None:
    for name, value in (("quantile", quantile), ("confidence", confidence)):
        if not (is_number(value) and 0 < value < 1):
            raise InputError(f"{name} must lie between 0 and 1, e.g. 0.95, not {shown(value)}")
    if not LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE:
        limits = f"from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}"
        raise InputError(f"confidence must be {limits}, e.g. 0.95, not {shown(confidence)}")
    if budget_ms is not None and not (is_number(budget_ms) and 0 < budget_ms < MOST_MS):
        raise InputError(
            f"a latency budget must be a positive number of milliseconds up to {MOST_MS:g}, not {shown(budget_ms)}"
        )
