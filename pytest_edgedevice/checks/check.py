"""``edge_check``: what a test asserts with.

Every method makes exactly one ``Evidence``, hands it to ``record`` whether it
passes or not, and only then raises. A wrong argument raises ``UsageError`` and
is no evidence; so is a device that was lost.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from pytest_edgedevice.checks import close_numbers, close_text, latency_asked, latency_text, limits
from pytest_edgedevice.checks import latency as latencies
from pytest_edgedevice.checks.accuracy import AccuracyChecks
from pytest_edgedevice.checks.blamed import compared
from pytest_edgedevice.checks.faster import Comparing
from pytest_edgedevice.checks.numerals import json_ready
from pytest_edgedevice.checks.seams import check_loaded
from pytest_edgedevice.checks.settling import callers_level
from pytest_edgedevice.checks.singles import judge_singles
from pytest_edgedevice.checks.stages import StageChecks
from pytest_edgedevice.checks.variants import VariantChecks
from pytest_edgedevice.checks.verdict import BaselineWarning
from pytest_edgedevice.checks.watching import WatchingChecks
from pytest_edgedevice.validity import spoiling
from pytest_edgedevice.values import Run, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.checks.asking import Asked
    from pytest_edgedevice.checks.close import CloseResult
    from pytest_edgedevice.checks.limits import MetricResult, SizeResult
    from pytest_edgedevice.checks.seams import GoldenLike, Measurable, ModelLike
    from pytest_edgedevice.checks.settling import Subject
    from pytest_edgedevice.values import Outputs


class EdgeCheck(AccuracyChecks, Comparing, StageChecks, VariantChecks, WatchingChecks):
    """Checks that record what they saw and fail with what to do next.

    Args:
        record: Called once per check with its evidence, before a failure is raised.
        on_inconclusive: What a measurement that shows neither pass nor fail does: ``fail`` raises,
            ``warn`` warns with ``InconclusiveWarning``; ``xfail`` raises too, and whoever runs the
            test counts it as an expected failure.
        baseline: Compares a measured latency with earlier runs; a regression beyond their noise fails
            the latency check, one of unknown noise warns with ``BaselineWarning``. None compares nothing.
        investigate: Looks for the cause of a failed ``close``, for the last line of its message. None looks for none.
        keep: Writes both sides of a ``close`` to a file and gives its path; empty where it wrote none.
    """

    def close(
        self,
        run: Run,
        reference: GoldenLike | Outputs | Run,
        *,
        atol: float | None = None,
        rtol: float | None = None,
        metric: Asked | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        preset: str | None = None,
        outputs: Sequence[str] | str | None = None,
    ) -> CloseResult:
        """Assert that a run's outputs are close to their references.

        Names, number of samples, shapes and kind of dtype are compared first, then
        NaN and Inf, then whether the output carries information, then every
        tolerance and metric that was asked for. Where none is, a preset judges every
        element, by the model's variant and the delegate that ran it.

        Args:
            run: What the device produced.
            reference: A golden, or a mapping of output name to array with samples along the first
                axis (a list of one array a sample where shapes vary), or another run.
            atol: Absolute tolerance of every element, ``|actual - reference| <= atol + rtol * |reference|``,
                in the output's own unit; 0 when only ``rtol`` is given.
            rtol: Relative tolerance, dimensionless; 0 when only ``atol`` is given.
            metric: What else judges: a metric of ``pytest_edgedevice.metrics`` or its name, several of
                them, or such by a pattern of output names, of which the first that fits counts. An
                output that no pattern fits, and that has no ``atol`` or ``rtol``, is left to the preset.
            at_least: Bound of a metric that is given by its name.
            at_most: The same.
            preset: ``float32``, ``float16``, ``dynamic_int8``, ``int8`` or ``int16x8`` instead of the model's own.
            outputs: Compare these outputs only; by default both sides must have the same names.

        Raises:
            CheckFailed: Something differs; ``evidence`` holds the numbers of every output.
            UsageError: A tolerance, a metric, the reference or ``outputs`` cannot be used.
            GoldenError: The golden was recorded for another model.
        """
        __tracebackhide__ = True
        found = compared(
            run,
            reference,
            outputs=outputs,
            atol=atol,
            rtol=rtol,
            metric=metric,
            at_least=at_least,
            at_most=at_most,
            preset=preset,
        )
        result = found.result
        message, numbers = self._looked_into(
            found, close_text.failure_text(result), close_numbers.evidence_numbers(result)
        )
        self._settle(
            "close",
            "pass" if result.passed else "fail",
            message,
            numbers,
            subject=(run.model, run.placement, run.device),
        )
        return result

    def latency(
        self,
        model: Measurable,
        *,
        p50_ms: float | None = None,
        p90_ms: float | None = None,
        p95_ms: float | None = None,
        p99_ms: float | None = None,
        quantiles_ms: Mapping[float, float] | None = None,
        load_ms: float | None = None,
        first_ms: float | None = None,
        cold_ms: float | None = None,
        sustained_s: float | None = None,
        confidence: float = 0.95,
        inputs: Any = None,
        max_s: float = 30.0,
        max_runs: int | None = None,
        allow_emulated: bool = False,
    ) -> Timing:
        """Assert that the model's latency on its device stays within every budget given.

        One series is measured, for the highest quantile, and every budget is judged on it; a budget
        that it leaves open gets a series of its own.
        A budget passes only if the upper confidence bound is within it.

        Args:
            model: The loaded model.
            p50_ms: Budget of the median, milliseconds; at least one budget is needed.
            p90_ms: Budget of the 90th percentile.
            p95_ms: Budget of the 95th percentile.
            p99_ms: Budget of the 99th percentile.
            quantiles_ms: Budgets of any other quantiles, e.g. ``{0.999: 250}``.
            load_ms: Budget of loading the model; one observation.
            first_ms: Budget of its first inference; one observation, made before any ``run``.
            cold_ms: Budget of both together.
            sustained_s: Run for so long, seconds, and judge the last third: what is left of the speed of a hot device.
            confidence: Confidence of each bound.
            inputs: One sample to measure with, as for ``run``; the model's own choice by default.
            max_s: Longest time for the timed runs, seconds; ``sustained_s`` goes beyond it.
            max_runs: Timed runs at most; 5,000 by default.
            allow_emulated: Judge times that an emulated device took; otherwise they are inconclusive.

        Raises:
            CheckFailed: A budget is not met, or (by policy) could not be shown to be met.
            UsageError: No budget, or a number out of its range.
        """
        __tracebackhide__ = True
        check_loaded(model, "measure")
        optional = {"sustained_s": sustained_s, "max_runs": max_runs}
        asked = latency_asked.asked_for(
            latency_asked.budgets_of({0.5: p50_ms, 0.9: p90_ms, 0.95: p95_ms, 0.99: p99_ms}, quantiles_ms),
            {"load": load_ms, "first": first_ms, "cold": cold_ms},
            confidence=confidence,
            allow_emulated=allow_emulated,
            max_s=max_s,
            **{name: value for name, value in optional.items() if value is not None},
        )
        timing, results, more = latencies.take(model, asked, inputs=inputs)
        emulated = latencies.is_emulated(timing) and not allow_emulated
        singles = judge_singles(timing, asked.singles, emulated=emulated)
        sound = timing.steady and not emulated and not spoiling(timing.disturbances)
        before = self._baseline(model, timing) if self._baseline and sound else None
        parts: list[latencies.HasVerdict] = [*results, *singles, *latencies.regressions(before)]
        self._settle(
            "latency",
            latencies.gravest(parts),
            latency_text.failure_text(model, timing, results, singles, before),
            latency_text.evidence_numbers(timing, results, more, singles, before),
            subject=_subject(model),
        )
        if before is not None and before.verdict == "warn":
            warnings.warn(f"{model.info.name}: {before.reason}", BaselineWarning, stacklevel=callers_level())
        return timing

    def size(
        self,
        model: ModelLike | str | os.PathLike[str],
        *,
        max_bytes: float | None = None,
        max_mb: float | None = None,
    ) -> SizeResult:
        """Assert that a model is not too large.

        Args:
            model: The loaded model, or the path of a model file or folder.
            max_bytes: Largest size allowed, bytes; or
            max_mb: the same in MB of 1,000,000 bytes.

        Raises:
            CheckFailed: It is larger.
            UsageError: Not exactly one bound.
            ModelError: The file cannot be read.
        """
        __tracebackhide__ = True
        result = limits.size_result(model, max_bytes=max_bytes, max_mb=max_mb)
        subject: Subject = (None, None, "")
        if isinstance(model, str | os.PathLike):
            name = Path(model).name
        else:
            name, subject = model.info.name, _subject(model)
        numbers = {"name": name, "size_bytes": result.size_bytes, "max_bytes": result.max_bytes}
        self._settle(
            "size",
            "pass" if result.passed else "fail",
            limits.size_text(name, result),
            numbers,
            subject=subject,
        )
        return result

    def metric(
        self,
        name: str,
        value: SupportsFloat,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "",
        model: ModelLike | Run | None = None,
    ) -> MetricResult:
        """Record a number of the test's own, and assert its bounds where there are any.

        Args:
            name: What the number is, e.g. ``top1``.
            value: The number; NaN always fails.
            at_least: Smallest value that passes.
            at_most: Largest value that passes.
            unit: Unit for people, e.g. ``%``.
            model: The loaded model or the run that the number is about.

        Raises:
            CheckFailed: It is NaN or out of bounds.
            UsageError: The value or a bound is no number, or the bounds exclude each other.
        """
        __tracebackhide__ = True
        result = limits.metric_result(name, value, at_least=at_least, at_most=at_most, unit=unit)
        numbers = {key: json_ready(getattr(result, key)) for key in ("name", "value", "at_least", "at_most", "unit")}
        self._settle(
            "metric",
            "pass" if result.passed else "fail",
            limits.metric_text(result),
            numbers,
            subject=(None, None, "") if model is None else _subject(model),
        )
        return result


def _subject(model: ModelLike | Run) -> Subject:
    if isinstance(model, Run):
        return model.model, model.placement, model.device
    return model.info, model.placement, model.device_name
