"""Which of several variants is good enough under a user's limits, and which of those is best."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.metrics.latency import judge_batches, quantile_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.evaluation.variants import Variant, VariantTable
    from pytest_edgedevice.values import Verdict

Preference = Literal["latency", "size", "accuracy"]
PREFERENCES = ("latency", "size", "accuracy")
POSITIVE = ("max_mb", "p50_ms", "p95_ms", "min_speed_up")
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a variant must keep to be admissible; None for no such limit.

    Attributes:
        max_mb: Size, MB of 1,000,000 bytes.
        p50_ms, p95_ms: Latency: its upper bound must be within.
        min_accuracy: The metric, where high is good: its lower bound must reach it.
        max_error: The metric, where low is good: its upper bound must be within.
        max_loss: By how much the metric may be worse than the first variant's, plainly, on the same samples.
        min_speed_up: How many times as fast as the first variant, by medians.
        max_abs_error: Largest error of an output.
    """

    max_mb: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    min_accuracy: float | None = None
    max_error: float | None = None
    max_loss: float | None = None
    min_speed_up: float | None = None
    max_abs_error: float | None = None

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and not is_number(value):
                raise UsageError(f"limit {field.name} must be a number, not {shown(value)}")
            if value is not None and value <= 0 and field.name in POSITIVE:
                raise UsageError(f"limit {field.name} must be above 0, not {shown(value)}")

    def given(self) -> dict[str, float]:
        """The limits that there are."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a table of variants comes to.

    Attributes:
        verdict: ``pass`` where a variant is admissible, ``fail`` where none is, ``inconclusive`` where none is shown
            to be, and one at least may be.
        best: The variant to take; None where none is admissible.
        rows: Rows of the table, with ``admissible``, ``best`` and ``reasons`` why not.
        limits: What was asked.
        best_by: What decided between those that are admissible.
    """

    verdict: Verdict
    best: Variant | None
    rows: list[dict[str, Any]]
    limits: Limits
    best_by: Preference


def choose(table: VariantTable, limits: Limits, *, best_by: Preference = "latency") -> Choice:
    """Judge every variant by the limits, and take the best of those that keep them.

    Args:
        table: The variants.
        limits: What they must keep.
        best_by: What decides between those that are admissible: least p95 latency, least size, or the best metric.

    Raises:
        UsageError: A limit is for a metric, and there is none, or of the other kind.
    """
    if best_by not in PREFERENCES:
        raise UsageError(f"best_by must be one of {', '.join(PREFERENCES)}, not {best_by!r:.60}")
    _check(table, limits, best_by)
    reasons = {one.name: list(_reasons(table, one, limits)) for one in table.variants}
    admissible = [one for one in table.variants if not reasons[one.name]]
    best = min(admissible, key=lambda one: _cost(one, best_by), default=None)
    maybe = any(found and not any(sure for sure, _ in found) for found in reasons.values())
    verdict: Verdict = "pass" if best is not None else "inconclusive" if maybe else "fail"
    rows = [
        {
            **row,
            "admissible": not reasons[row["variant"]],
            "best": best is not None and row["variant"] == best.name,
            "reasons": [text for _, text in reasons[row["variant"]]],
        }
        for row in table.rows()
    ]
    return Choice(verdict, best, rows, limits, best_by)


def _check(table: VariantTable, limits: Limits, best_by: str) -> None:
    given, found = limits.given(), table.variants[0].evaluation
    of_metric = [name for name in ("min_accuracy", "max_error", "max_loss", "max_abs_error") if name in given]
    if found is None and (of_metric or best_by == "accuracy"):
        what = f"limit {of_metric[0]}" if of_metric else "best_by='accuracy'"
        raise UsageError(f"{what} needs a data set: the variants were compared without one")
    if found is not None:
        wrong = "max_error" if found.higher_is_better else "min_accuracy"
        if wrong in given:
            right = "min_accuracy" if found.higher_is_better else "max_error"
            high = "high" if found.higher_is_better else "low"
            raise UsageError(f"metric {found.metric!r} is good where it is {high}: its limit is {right}, not {wrong}")


def _reasons(table: VariantTable, one: Variant, limits: Limits) -> Iterator[tuple[bool, str]]:
    """Why a variant is not admissible, and whether that was shown (or could merely not be ruled out)."""
    if limits.max_mb is not None and one.model.size_bytes > limits.max_mb * MB:
        yield True, f"size {one.model.size_bytes / MB:.4g} MB > {limits.max_mb:g} MB"
    for quantile, budget_ms in ((0.5, limits.p50_ms), (0.95, limits.p95_ms)):
        if budget_ms is not None:
            yield from _slow(one, quantile, budget_ms, table.confidence)
    yield from _wrong(table, one, limits)
    if limits.min_speed_up is not None and not table.speed_up(one) >= limits.min_speed_up:
        yield True, f"speed-up {table.speed_up(one):.3g} < {limits.min_speed_up:g}"


def _slow(one: Variant, quantile: float, budget_ms: float, confidence: float) -> Iterator[tuple[bool, str]]:
    if one.emulated:
        yield False, f"cannot show {quantile_name(quantile)} < {budget_ms:g} ms: the device is emulated"
        return
    found = judge_batches(
        one.samples_ns, one.batch, budget_ns=budget_ms * 1e6, quantile=quantile, confidence=confidence
    )
    if found.verdict != "pass":
        yield found.verdict == "fail", found.reason


def _wrong(table: VariantTable, one: Variant, limits: Limits) -> Iterator[tuple[bool, str]]:
    found, error, loss = one.evaluation, one.max_abs_error, table.loss(one)
    if found is None:
        return
    lower, upper = found.total.bounds(table.confidence)
    if not math.isfinite(found.value):
        yield True, f"{found.metric} is no number"
        return
    if (least := limits.min_accuracy) is not None and (lower is None or lower < least):
        short = upper is not None and upper < least
        yield short, f"{found.metric} {found.value:.4g} {'<' if short else 'is not shown to be >='} {least:g}"
    if (most := limits.max_error) is not None and (upper is None or upper > most):
        over = lower is not None and lower > most
        yield over, f"{found.metric} {found.value:.4g} {'>' if over else 'is not shown to be <='} {most:g}"
    if limits.max_loss is not None and not (loss is not None and loss <= limits.max_loss):
        yield True, f"loss {loss:.3g} > {limits.max_loss:g}"
    if limits.max_abs_error is not None and not (error is not None and error <= limits.max_abs_error):
        told = "cannot be told" if error is None else f"{error:.3g} > {limits.max_abs_error:g}"
        yield True, f"max error {told}"


def _cost(one: Variant, best_by: str) -> tuple[float, ...]:
    found = one.evaluation
    metric = 0.0 if found is None else -found.value if found.higher_is_better else found.value
    costs = {"latency": one.p95_ms, "size": float(one.model.size_bytes), "accuracy": metric}
    return (costs.pop(best_by), *costs.values())
