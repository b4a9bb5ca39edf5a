"""Latency budgets: one measurement, every budget judged on its series."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.numerals import json_ready
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.metrics.latency import interval_text, judge_batches, quantile_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.checks.seams import ModelLike
    from pytest_edgedevice.values import Timing, Verdict

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
    """

    quantile: float
    budget_ms: float
    verdict: Verdict
    lower_ms: float | None
    upper_ms: float | None
    reason: str


def budgets_of(
    named: Mapping[float, float | None], *, confidence: float, max_s: float
) -> tuple[tuple[float, float], ...]:
    """The budgets that were given, as quantile and milliseconds; the quantile that needs most runs first.

    Raises:
        UsageError: None was given, or a number is out of its range.
    """
    budgets = [(quantile, budget) for quantile, budget in named.items() if budget is not None]
    if not budgets:
        raise UsageError("latency needs a budget", hint="give one or more of p50_ms, p90_ms, p95_ms, p99_ms")
    for quantile, budget in budgets:
        if not _positive(budget):
            raise UsageError(f"{quantile_name(quantile)}_ms must be a positive number of milliseconds, not {budget!r}")
    if not (_positive(confidence) and confidence < 1):
        raise UsageError(f"confidence must be between 0 and 1, e.g. 0.95, not {confidence!r}")
    if not _positive(max_s):
        raise UsageError(f"max_s must be a positive number of seconds, not {max_s!r}")
    return tuple(sorted(budgets, reverse=True))


def judge_budgets(timing: Timing, budgets: Sequence[tuple[float, float]]) -> tuple[BudgetResult, ...]:
    """Judge every budget, the gravest verdict first.

    The first budget is the one that was measured for, so its verdict is the
    measurement's own, which knows how often it looked; the others are judged on
    the series. A series that never settled shows nothing about any of them, but
    for budgets that not a single run kept.
    """
    results = [_judge(timing, *budget, measured=number == 0) for number, budget in enumerate(budgets)]
    return tuple(sorted(results, key=lambda one: _ORDER[one.verdict]))


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


def failure_text(model: ModelLike, timing: Timing, results: Sequence[BudgetResult]) -> str:
    """Word the gravest result and count the others; empty when all pass."""
    bad = [one for one in results if one.verdict != "pass"]
    if not bad:
        return ""
    headline, reason = _headline(timing, bad[0]), bad[0].reason
    if reason.startswith(headline.partition(":")[0]):
        # the measurement worded the same claim; its text tells more only where there is no bound
        headline, reason = (reason if bad[0].upper_ms is None else headline), ""
    lines = [headline, _setting(model, timing), *filter(None, [reason])]
    if bad[1:]:
        lines.append("; ".join(_headline(timing, one) for one in bad[1:]))
    return "\n  ".join(lines)


def evidence_numbers(
    timing: Timing, results: Sequence[BudgetResult], more: Mapping[float, Timing] | None = None
) -> dict[str, Any]:
    """The measurement, its raw series and every budget, JSON-ready; ``more`` are series for one quantile each."""
    plain = (
        "batch",
        "p50_ms",
        "p90_ms",
        "p95_ms",
        "p99_ms",
        "confidence",
        "load_ms",
        "first_ms",
        "warmup_runs",
    )
    return {
        **{name: json_ready(getattr(timing, name)) for name in plain},
        "runs": len(timing.samples_ns),
        "steady": timing.steady,
        "reason": timing.reason,
        "budgets": [
            {name: json_ready(getattr(one, name)) for name in BudgetResult.__slots__}
            for one in sorted(results, key=lambda one: one.quantile)
        ],
        "conditions": {moment: dict(facts) for moment, facts in timing.conditions.items()},
        "samples_ns": [int(sample) for sample in timing.samples_ns],
        "more_samples_ns": {
            quantile_name(quantile): [int(sample) for sample in one.samples_ns]
            for quantile, one in (more or {}).items()
        },
    }


def _judge(timing: Timing, quantile: float, budget_ms: float, *, measured: bool) -> BudgetResult:
    if not timing.samples_ns:
        reason = _one_line(timing.reason) or "not a single run was timed"
        return BudgetResult(quantile, budget_ms, "inconclusive", None, None, reason)
    if measured and timing.verdict is not None:
        verdict, reason = timing.verdict, _one_line(timing.reason)
        lower, upper = timing.lower_ms, timing.upper_ms
    else:
        found = judge_batches(
            timing.samples_ns,
            timing.batch,
            budget_ns=budget_ms * 1e6,
            quantile=quantile,
            confidence=timing.confidence,
        )
        verdict, reason = found.verdict, found.reason
        lower, upper = (None if bound is None else bound / 1e6 for bound in (found.lower_ns, found.upper_ns))
    if not timing.steady and min(timing.samples_ns) <= budget_ms * 1e6:
        verdict = "inconclusive"
        reason = _one_line(timing.reason) or "the series never settled, so it shows nothing"
    return BudgetResult(quantile, budget_ms, verdict, lower, upper, "" if verdict == "pass" else reason)


def _headline(timing: Timing, one: BudgetResult) -> str:
    name, budget = quantile_name(one.quantile), f"{one.budget_ms:.6g} ms"
    lower, upper = (None if bound is None else bound * 1e6 for bound in (one.lower_ms, one.upper_ms))
    interval = f"{timing.confidence * 100:.6g} % interval {interval_text(lower, upper)}, n={len(timing.samples_ns)}"
    claim = f"{name} is not < {budget}" if one.verdict == "fail" else f"cannot show {name} < {budget}"
    return f"{claim}: {interval}"


def _setting(model: ModelLike, timing: Timing) -> str:
    info = model.info
    threads = "1 thread" if info.threads == 1 else f"{info.threads} threads"
    quantiles = ", ".join(f"p{q} {getattr(timing, f'p{q}_ms'):.4g}" for q in (50, 90, 95, 99))
    batch = f", each a mean of {timing.batch} inferences" if timing.batch > 1 else ""
    where = f"{info.name!r} on {model.device_name!r} by {model.placement.proven}, {threads}"
    return f"{where}: {quantiles} ms{batch}"


def _positive(value: float) -> bool:
    try:
        return math.isfinite(value) and value > 0 and not isinstance(value, bool)
    except TypeError:
        return False


def _one_line(text: str) -> str:
    return " ".join(text.split())
