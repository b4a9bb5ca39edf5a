"""Budgets of what a sample takes on its way: code before the inference, the inference, code after it, and the sum."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.budgets import disturbance_numbers, limit_of, void_of
from pytest_edgedevice.checks.budgets_text import where_text
from pytest_edgedevice.checks.latency import gravest
from pytest_edgedevice.checks.latency_asked import check_confidence, check_quantile
from pytest_edgedevice.checks.latency_text import far_beyond
from pytest_edgedevice.checks.seams import check_loaded
from pytest_edgedevice.checks.settling import Settling
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.metrics.latency import explained, judge_run, quantile_name, sample_quantile

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.checks.seams import ModelLike, Stageable
    from pytest_edgedevice.findings import Stages
    from pytest_edgedevice.values import Verdict

NAMES = {
    "before": "pre-processing",
    "inference": "inference",
    "after": "post-processing",
    "total": "all stages together",
}
_ORDER: tuple[Verdict, ...] = ("fail", "inconclusive", "pass")


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage against its budget.

    Attributes:
        stage: ``before``, ``inference``, ``after``, or ``total`` for their sum, run by run.
        quantile: Which quantile was judged.
        budget_ms: Its budget.
        observed_ms: The quantile of the runs that were made.
        verdict: ``pass`` iff the upper bound is within the budget, ``fail`` iff the lower one is beyond it.
        lower_ms, upper_ms: Bounds of the quantile; None where there are too few runs.
        reason: Why it is not ``pass``; empty otherwise.
        needed: What would have decided it, where it is inconclusive.
    """

    stage: str
    quantile: float
    budget_ms: float
    observed_ms: float
    verdict: Verdict
    lower_ms: float | None
    upper_ms: float | None
    reason: str
    needed: str = ""


class StageChecks(Settling):
    """The check that times the whole way of a sample; ``EdgeCheck`` has it."""

    def stages(
        self,
        model: Stageable,
        module: str | os.PathLike[str] | None = None,
        sample: Any = None,
        *,
        total_ms: float | None = None,
        before_ms: float | None = None,
        inference_ms: float | None = None,
        after_ms: float | None = None,
        quantile: float = 0.95,
        confidence: float = 0.95,
        runs: int = 400,
        seconds: float = 30.0,
        allow_emulated: bool = False,
    ) -> Stages:
        """Assert that pre-processing, inference and post-processing stay within budgets, each and together.

        Args:
            model: The loaded model.
            module: A Python file with ``preprocess(inputs)``, ``postprocess(outputs)`` or both, which runs on the
                device; None for an executable of yours that times its own stages.
            sample: What ``preprocess`` is given, name to array; without a module what the executable takes.
            total_ms: Budget of the sum, milliseconds, run by run; at least one budget is needed.
            before_ms: Budget of what comes before the inference.
            inference_ms: Budget of the inference, with its inputs given and its outputs read.
            after_ms: Budget of what comes after it.
            quantile: Which quantile every budget is for.
            confidence: Confidence of each verdict.
            runs: Runs at most.
            seconds: Begin none later than this after the first.
            allow_emulated: Judge times that an emulated device took; otherwise they are inconclusive.

        Raises:
            CheckFailed: A budget is not met, or (by policy) could not be shown to be met.
            UsageError: No budget, or a number out of its range.
            InputError: The module or the sample is none, or nothing there can time stages.
        """
        __tracebackhide__ = True
        check_loaded(model, "stages")
        given = {"total": total_ms, "before": before_ms, "inference": inference_ms, "after": after_ms}
        budgets = {stage: limit_of(f"{stage}_ms", limit) for stage, limit in given.items() if limit is not None}
        if not budgets:
            raise UsageError("stages needs a budget", hint="give total_ms, or one of before_ms, inference_ms, after_ms")
        check_quantile(quantile)
        check_confidence(confidence)
        found = model.stages(module, sample, runs=runs, seconds=seconds)
        void = void_of(found, allow_emulated=allow_emulated)
        results = judge_stages(found, budgets, quantile=quantile, confidence=confidence, void=void)
        numbers = stage_numbers(found, results, quantile=quantile, confidence=confidence)
        subject = (model.info, model.placement, model.device_name)
        self._settle("stages", gravest(results), stages_text(model, found, results), numbers, subject=subject)
        return found


def series_of(found: Stages) -> dict[str, tuple[int, ...]]:
    """Every stage, and their sum in each run, nanoseconds."""
    parts = {"before": found.before_ns, "inference": found.inference_ns, "after": found.after_ns}
    return {**parts, "total": tuple(map(sum, zip(*parts.values(), strict=True)))}


def judge_stages(
    found: Stages, budgets: Mapping[str, float], *, quantile: float, confidence: float, void: str
) -> tuple[StageResult, ...]:
    """Judge every budget, the gravest verdict first.

    Args:
        found: What was timed.
        budgets: Stage to milliseconds.
        quantile: Which quantile.
        confidence: Of each verdict.
        void: Why no time counts; empty where they do.
    """
    series = series_of(found)
    results = []
    for stage, budget_ms in budgets.items():
        asked = {"budget_ns": budget_ms * 1e6, "quantile": quantile, "confidence": confidence}
        judged = explained(judge_run(series[stage], 1, **asked), series[stage], **asked)
        lower, upper = (None if bound is None else bound / 1e6 for bound in (judged.lower_ns, judged.upper_ns))
        observed_ms = sample_quantile(series[stage], quantile) / 1e6
        verdict, reason, needed = judged.verdict, judged.reason, judged.needed
        if void:
            claim = f"cannot show {quantile_name(quantile)} < {budget_ms:.6g} ms"
            verdict, reason, needed = "inconclusive", f"{claim}: {void}", ""
        elif not any(series[stage]):
            verdict, reason, needed = "inconclusive", f"there is no {NAMES[stage]} in what was timed", ""
        results.append(StageResult(stage, quantile, budget_ms, observed_ms, verdict, lower, upper, reason, needed))
    return tuple(sorted(results, key=lambda one: _ORDER.index(one.verdict)))


def stages_text(model: ModelLike, found: Stages, results: Sequence[StageResult]) -> str:
    """Word every budget that is not kept, and what each stage took; four lines at most, empty when all pass."""
    bad = [one for one in results if one.verdict != "pass"]
    if not bad:
        return ""
    series = series_of(found)
    quantile = bad[0].quantile
    each = [f"{NAMES[stage]} {sample_quantile(one, quantile) / 1e6:.4g}" for stage, one in series.items()]
    lines = [
        f"{model.info.name!r}: {'; '.join(dict.fromkeys(_claim(one) for one in bad))}",
        f"{quantile_name(quantile)} in ms: {', '.join(each)}; {len(found.before_ns)} runs",
        "; ".join(dict.fromkeys(filter(None, (one.needed for one in bad)))),
        where_text(model, () if far_beyond(bad) else found.disturbances, said=bad[0].reason),
    ]
    return "\n  ".join(filter(None, lines))


def _claim(one: StageResult) -> str:
    return f"{NAMES[one.stage]}: {one.reason}"


def stage_numbers(
    found: Stages, results: Sequence[StageResult], *, quantile: float, confidence: float
) -> dict[str, Any]:
    """What goes into the record: quantiles, budgets, and every raw series."""
    return {
        "runs": len(found.inference_ns),
        "quantile": quantile,
        "confidence": confidence,
        "p50_ms": dict(found.p50_ms),
        "p95_ms": dict(found.p95_ms),
        "budgets": [asdict(one) for one in results],
        "emulated": found.emulated,
        **disturbance_numbers(found),
        "stage_samples_ns": {name: list(one) for name, one in series_of(found).items() if name != "total"},
    }
