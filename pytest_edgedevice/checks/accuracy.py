"""A metric over a data set against what is wanted of it: by the bound of an interval, never by the plain value.

Owns gates, of the whole set and of its slices. The wording is next door, in ``accuracy_text``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.accuracy_text import failure_text
from pytest_edgedevice.checks.settling import Settling
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.evaluation import Evaluation
from pytest_edgedevice.given import is_number, shown

if TYPE_CHECKING:
    from pytest_edgedevice.evaluation import Score
    from pytest_edgedevice.values import Verdict


GRAVEST = ("fail", "inconclusive", "pass")


@dataclass(frozen=True, slots=True)
class Gate:
    """A metric over samples against what is wanted of it.

    Attributes:
        tag: Of the slice; empty for the whole set.
        score: The metric.
        lower, upper: Its one-sided bounds at the confidence of the gate; None where there are too few samples.
        at_least, at_most: What is wanted; None for no such bound.
        verdict: ``pass`` iff the bound that matters is within what is wanted, ``fail`` iff the other one is beyond it.
        needed: About how many samples would decide a verdict that is inconclusive; None where that is not known.
    """

    tag: str
    score: Score
    lower: float | None
    upper: float | None
    at_least: float | None
    at_most: float | None
    verdict: Verdict
    needed: int | None = None


class AccuracyChecks(Settling):
    """The check of ``edge_check`` that judges data sets."""

    def accuracy(
        self,
        evaluation: Evaluation,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        confidence: float = 0.95,
        slices: Mapping[str, float] | None = None,
    ) -> Evaluation:
        """Assert that a metric over a data set, as ``model.evaluate`` gives it, is good enough with that confidence.

        Passes where the bound of the interval is good enough, not merely the value: Clopper and Pearson's for rates
        such as accuracy, Student's for means, a bootstrap for what is neither. Fails where the other bound shows that
        it is not; in between it is inconclusive and says about how many samples would decide it.

        Args:
            evaluation: What was found.
            at_least: Smallest value that is good enough, e.g. 0.96; or
            at_most: the largest, for errors.
            confidence: Of each bound, one-sided.
            slices: Tag to what is wanted of the samples that carry it, of the same kind as the other bound. A test
                may ask for slices alone; without any bound the evaluation is recorded, and passes if it is a number.

        Raises:
            CheckFailed: It is not good enough, or (by policy) neither could be shown.
            UsageError: A bound is no number, or cannot be reached, or no sample carries a tag.
        """
        __tracebackhide__ = True
        slices = {} if slices is None else slices
        gates = judge(evaluation, at_least=at_least, at_most=at_most, confidence=confidence, slices=slices)
        verdict = min((one.verdict for one in gates), key=GRAVEST.index)
        self._settle(
            "accuracy",
            verdict,
            failure_text(evaluation, gates, confidence),
            numbers(evaluation, gates, confidence),
            subject=(evaluation.model, evaluation.placement, evaluation.device),
        )
        return evaluation


def judge(
    evaluation: Evaluation,
    *,
    at_least: float | None,
    at_most: float | None,
    confidence: float,
    slices: Mapping[str, float],
) -> list[Gate]:
    """The gate of the whole set, then those of the slices that were asked for, then the other slices without one.

    Raises:
        UsageError: See ``AccuracyChecks.accuracy``.
    """
    if not isinstance(evaluation, Evaluation):
        raise UsageError(f"a data set's evaluation is needed, not a {type(evaluation).__name__}",
                         hint="edge_check.accuracy(model.evaluate(dataset, metric), at_least=0.96)")  # fmt: skip
    if at_least is not None and at_most is not None:
        raise UsageError("give at_least or at_most, not both: a metric is good where it is high, or where it is low")
    if not is_number(confidence) or not 0.5 <= confidence < 1:
        raise UsageError(f"confidence must be from 0.5 to below 1, e.g. 0.95, not {confidence!r:.60}")
    if not isinstance(slices, Mapping):
        raise UsageError(f"slices must be tags with what is wanted of each, not {shown(slices)}",
                         hint='slices={"night": 0.9}')  # fmt: skip
    for name, value in (("at_least", at_least), ("at_most", at_most), *slices.items()):
        if not is_number(value) and (value is not None or name in slices):
            raise UsageError(f"what is wanted of {name!r} must be a number, not {shown(value)}")
    if unknown := [tag for tag in slices if tag not in evaluation.slices]:
        known = ", ".join(map(repr, list(evaluation.slices)[:20])) or "none"
        raise UsageError(f"no sample of {evaluation.dataset!r} has the tag {unknown[0]!r}", hint=f"tags are: {known}")
    high = at_most is None and (at_least is not None or evaluation.higher_is_better)
    most = max((value for value in (at_least, *slices.values()) if value is not None), default=0)
    if high and evaluation.total.kind == "rate" and most > 1:
        raise UsageError(f"{evaluation.metric} is a rate, from 0 to 1, and can never be at least {most:g}",
                         hint="0.96 is 96 %")  # fmt: skip
    gates = [_gate("", evaluation.total, at_least if high else at_most, confidence, high=high)]
    gates += [_gate(tag, evaluation.slices[tag], wanted, confidence, high=high) for tag, wanted in slices.items()]
    others = [tag for tag in evaluation.slices if tag not in slices]
    return [*gates, *(_gate(tag, evaluation.slices[tag], None, confidence, high=high) for tag in others)]


def _gate(tag: str, score: Score, wanted: float | None, confidence: float, *, high: bool) -> Gate:
    lower, upper = score.bounds(confidence)
    verdict = _verdict(score, wanted, lower, upper, high=high, asked=wanted is not None or not tag)
    needed = score.needed(wanted, confidence) if wanted is not None and verdict == "inconclusive" else None
    return Gate(tag, score, lower, upper, wanted if high else None, None if high else wanted, verdict, needed)


def _verdict(
    score: Score, wanted: float | None, lower: float | None, upper: float | None, *, high: bool, asked: bool
) -> Verdict:
    if not math.isfinite(score.value):
        return "fail" if asked else "pass"
    if wanted is None:
        return "pass"
    if lower is None or upper is None:
        return "inconclusive"
    if (lower >= wanted) if high else (upper <= wanted):
        return "pass"
    return "fail" if ((upper < wanted) if high else (lower > wanted)) else "inconclusive"


def numbers(evaluation: Evaluation, gates: list[Gate], confidence: float) -> dict[str, Any]:
    """What goes into the record."""
    whole, *parts = gates
    return {
        "dataset": evaluation.dataset,
        "metric": evaluation.metric,
        "higher_is_better": evaluation.higher_is_better,
        "method": whole.score.method,
        "confidence": confidence,
        **_numbers(whole),
        "slices": [{"tag": one.tag, **_numbers(one), "verdict": one.verdict} for one in parts],
        "worst": [{"id": one.id, "score": one.score} for one in evaluation.worst],
        "resumed": evaluation.resumed,
        "seconds": evaluation.seconds,
    }


def _numbers(gate: Gate) -> dict[str, Any]:
    return {
        "samples": gate.score.samples,
        "value": gate.score.value,
        "lower": gate.lower,
        "upper": gate.upper,
        "at_least": gate.at_least,
        "at_most": gate.at_most,
        "needed": gate.needed,
        "not_finite": gate.score.not_finite,
    }
