"""Latency budgets: one measurement, every budget judged on its series.

What was asked is in ``latency_asked``, texts and evidence in ``latency_text``, budgets of single
observations in ``singles``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytest_edgedevice.metrics.latency import explained, judge_run
from pytest_edgedevice.validity import spoiling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.checks.latency_asked import Asked
    from pytest_edgedevice.checks.seams import Measurable
    from pytest_edgedevice.values import Regression, Timing, Verdict

GLIMPSE_S = 1.0
"""How long times are taken that will not be judged, seconds."""
EMULATED = "the device is emulated, so its times say nothing; allow_emulated=True judges them all the same"
_ORDER: dict[Verdict, int] = {"fail": 0, "inconclusive": 1, "pass": 2}


@dataclass(frozen=True, slots=True)
class BudgetResult:
    """One quantile against its budget.

    Attributes:
        quantile: Which quantile.
        budget_ms: Its budget.
        verdict: ``pass``, ``fail`` or ``inconclusive``.
        lower_ms, upper_ms: Bounds of the quantile; None where the series is too short.
        reason: Why it is not ``pass``; empty otherwise.
        needed: What would have decided it, where it is inconclusive.
    """

    quantile: float
    budget_ms: float
    verdict: Verdict
    lower_ms: float | None
    upper_ms: float | None
    reason: str
    needed: str = ""


class HasVerdict(Protocol):
    """A part of a check."""

    @property
    def verdict(self) -> Verdict:
        """Its verdict."""


def take(
    model: Measurable, asked: Asked, *, inputs: Any
) -> tuple[Timing, tuple[BudgetResult, ...], dict[float, Timing]]:
    """Measure, once for all budgets and once more for each that stays open, and judge every one."""
    options = {"inputs": inputs, "confidence": asked.confidence, **asked.limits}
    emulated = getattr(model, "emulated", False) and not asked.allow_emulated
    if emulated or not asked.budgets:  # nothing to decide: a glimpse for the record
        glimpse_s = min(asked.limits["max_s"], GLIMPSE_S)
        timing = model.measure(inputs=inputs, confidence=asked.confidence, max_s=glimpse_s)
    else:
        quantile, budget_ms = asked.budgets[0]
        timing = model.measure(budget_ms=budget_ms, quantile=quantile, **options)
    results = judge_budgets(timing, asked.budgets)
    if not asked.allow_emulated and is_emulated(timing):
        return timing, refused(results), {}
    closed = not asked.budgets or timing.judged_from or spoiling(timing.disturbances)
    open_ones = () if closed else undecided(results, measured=asked.budgets[0][0])
    more = {one.quantile: model.measure(budget_ms=one.budget_ms, quantile=one.quantile, **options) for one in open_ones}
    return timing, replaced(results, more), more


def judge_budgets(timing: Timing, budgets: Sequence[tuple[float, float]]) -> tuple[BudgetResult, ...]:
    """Judge every budget, the gravest verdict first.

    The first budget is the one that was measured for, so its verdict is the
    measurement's own, which knows how often it looked; the others are judged on
    the series. A series that never settled shows nothing about any of them, but
    for budgets that not a single run kept.
    """
    results = [_judge(timing, *budget, measured=number == 0) for number, budget in enumerate(budgets)]
    return tuple(sorted(results, key=lambda one: _ORDER[one.verdict]))


def gravest(results: Sequence[HasVerdict]) -> Verdict:
    """The verdict of a check by those of its parts."""
    return min((one.verdict for one in results), key=lambda verdict: _ORDER[verdict])


def regressions(before: Regression | None) -> list[HasVerdict]:
    """What a comparison with earlier runs adds to a verdict: a failure, or nothing."""
    failed: list[HasVerdict] = []
    if before is not None and before.verdict == "fail":
        failed.append(BudgetResult(0.5, before.limit_ms or 0.0, "fail", None, None, before.reason))
    return failed


def is_emulated(timing: Timing) -> bool:
    """Whether the agent said that an emulator runs it."""
    return any(facts.get("emulated") is True for facts in timing.conditions.values())


def refused(results: Sequence[BudgetResult]) -> tuple[BudgetResult, ...]:
    """The same results without a verdict: what an emulator takes says nothing about the device that it stands for."""
    return tuple(dataclasses.replace(one, verdict="inconclusive", reason=EMULATED, needed="") for one in results)


def undecided(results: Sequence[BudgetResult], *, measured: float) -> tuple[BudgetResult, ...]:
    """Results that another series may decide: the one at hand was only as long as ``measured`` quantile needed."""
    return tuple(one for one in results if one.verdict == "inconclusive" and one.quantile != measured)


def replaced(results: Sequence[BudgetResult], timings: Mapping[float, Timing]) -> tuple[BudgetResult, ...]:
    """The results with those of quantiles that were measured on their own, the gravest verdict first."""
    merged = [
        _judge(timings[one.quantile], one.quantile, one.budget_ms, measured=True) if one.quantile in timings else one
        for one in results
    ]
    return tuple(sorted(merged, key=lambda one: _ORDER[one.verdict]))


def judge_series(timing: Timing, quantile: float, budget_ms: float) -> BudgetResult:
    """Judge the series of a measurement that was made for another budget, with the confidence of its last look."""
    series = timing.samples_ns[timing.judged_from :]
    asked = {
        "budget_ns": budget_ms * 1e6,
        "quantile": quantile,
        "confidence": timing.look_confidence or timing.confidence,
    }
    found = judge_run(series, timing.batch, overall=timing.confidence, **asked)
    found = explained(found, series, **asked)
    lower, upper = (None if bound is None else bound / 1e6 for bound in (found.lower_ns, found.upper_ns))
    return BudgetResult(quantile, budget_ms, found.verdict, lower, upper, found.reason, found.needed)


def _judge(timing: Timing, quantile: float, budget_ms: float, *, measured: bool) -> BudgetResult:
    if not timing.samples_ns:
        reason = _one_line(timing.reason) or "not a single run was timed"
        return BudgetResult(quantile, budget_ms, "inconclusive", None, None, reason)
    if measured and timing.verdict is not None:
        reason = "" if timing.verdict == "pass" else _one_line(timing.reason)
        one = BudgetResult(
            quantile, budget_ms, timing.verdict, timing.lower_ms, timing.upper_ms, reason, _one_line(timing.needed)
        )
    else:
        one = judge_series(timing, quantile, budget_ms)
    if reason := spoiling(timing.disturbances):
        return dataclasses.replace(one, verdict="inconclusive", reason=reason, needed="")
    if not timing.steady and min(timing.samples_ns[timing.judged_from :]) <= budget_ms * 1e6:
        reason = _one_line(timing.reason) or "the series never settled, so it shows nothing"
        return dataclasses.replace(one, verdict="inconclusive", reason=reason, needed="")
    return one


def _one_line(text: str) -> str:
    return " ".join(text.split())
