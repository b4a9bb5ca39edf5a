"""Latency budgets: one measurement, every budget judged on its series.

Texts and evidence are in ``latency_text``, budgets of single observations in ``singles``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.latency import explained, judge_run, quantile_name
from pytest_edgedevice.validity import spoiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.checks.seams import Measurable
    from pytest_edgedevice.values import Regression, Timing, Verdict

LEAST_CONFIDENCE = 0.5
MOST_MS = 1e12
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a latency check was asked, checked.

    Attributes:
        budgets: Quantile and milliseconds, the quantile that needs most runs first.
        singles: Budgets of single observations: ``load``, ``first`` or ``cold``, and milliseconds.
        confidence: Of each verdict.
        limits: Options for ``measure`` that differ from its own.
        allow_emulated: Whether times of an emulated device count.
    """

    budgets: tuple[tuple[float, float], ...]
    singles: tuple[tuple[str, float], ...]
    confidence: float
    limits: Mapping[str, Any]
    allow_emulated: bool


def budgets_of(named: Mapping[float, float | None], others: Any) -> dict[float, float | None]:
    """All budgets by quantile.

    Raises:
        UsageError: ``others`` is no mapping, or has a quantile that is named already.
    """
    if others is not None and not isinstance(others, Mapping):
        raise UsageError(f"quantiles_ms must map quantiles to milliseconds, e.g. {{0.999: 5}}, not {shown(others)}")
    for quantile in others or ():
        if named.get(quantile) is not None:
            raise UsageError(f"{quantile_name(quantile)} has two budgets: its own, and one in quantiles_ms")
    return {**named, **(others or {})}


def asked_for(
    quantiles: Mapping[float, float | None],
    singles: Mapping[str, float | None],
    *,
    confidence: float,
    allow_emulated: bool,
    **limits: Any,
) -> Asked:
    """Check what was asked.

    Raises:
        UsageError: No budget was given, or a number is out of its range.
    """
    budgets = [(quantile, budget) for quantile, budget in quantiles.items() if budget is not None]
    points = [(what, budget) for what, budget in singles.items() if budget is not None]
    if not budgets and not points:
        raise UsageError("latency needs a budget", hint="give one or more of p50_ms, p90_ms, p95_ms, p99_ms")
    for quantile, _ in budgets:
        check_quantile(quantile)
    for name, budget in [(f"{quantile_name(q)}_ms", b) for q, b in budgets] + [(f"{w}_ms", b) for w, b in points]:
        if not (_positive(budget) and budget < MOST_MS):
            raise UsageError(f"{name} must be a positive number of milliseconds up to {MOST_MS:g}, not {shown(budget)}")
    check_confidence(confidence)
    for name in ("max_s", "sustained_s"):
        if name in limits:
            limits[name] = _seconds(name, limits[name])
    plain = sorted(((quantile, float(budget)) for quantile, budget in budgets), reverse=True)
    return Asked(tuple(plain), tuple((what, float(one)) for what, one in points), confidence, limits, allow_emulated)


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


def check_quantile(quantile: Any) -> None:
    """Refuse what is no quantile.

    Raises:
        UsageError: It is none.
    """
    if not (_positive(quantile) and quantile < 1):
        raise UsageError(f"a quantile must be between 0 and 1, e.g. 0.95, not {shown(quantile)}")


def check_confidence(confidence: Any) -> None:
    """Refuse what is no confidence; below one half a bound is on the wrong side of the estimate.

    Raises:
        UsageError: It is none.
    """
    if not (_positive(confidence) and LEAST_CONFIDENCE <= confidence < 1):
        raise UsageError(f"confidence must be from {LEAST_CONFIDENCE} to below 1, e.g. 0.95, not {shown(confidence)}")


def _seconds(name: str, value: Any) -> float:
    if not _positive(value):
        raise UsageError(f"{name} must be a positive number of seconds, not {shown(value)}")
    return float(value)  # also of numpy


def _positive(value: float) -> bool:
    try:
        return math.isfinite(value) and value > 0 and not isinstance(value, bool)
    except (TypeError, OverflowError):
        return False


def _one_line(text: str) -> str:
    return " ".join(text.split())
