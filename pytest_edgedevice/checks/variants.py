"""The check that chooses between conversions of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.settling import Settling
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.evaluation.choosing import Limits, choose
from pytest_edgedevice.evaluation.variants import VariantTable

if TYPE_CHECKING:
    from pytest_edgedevice.evaluation.choosing import Choice, Preference

MOST_NAMED = 3


class VariantChecks(Settling):
    """Part of ``EdgeCheck``."""

    def variants(
        self,
        table: VariantTable,
        *,
        max_mb: float | None = None,
        p50_ms: float | None = None,
        p95_ms: float | None = None,
        min_accuracy: float | None = None,
        max_error: float | None = None,
        max_loss: float | None = None,
        min_speed_up: float | None = None,
        max_abs_error: float | None = None,
        best_by: Preference = "latency",
    ) -> Choice:
        """Assert that one of several conversions keeps every limit, and record them all with the best of those.

        Latencies and the metric keep a limit only if the bound of their interval does.

        Args:
            table: What ``edge_variants(...).compare(dataset, metric)`` found.
            max_mb: Largest size, MB of 1,000,000 bytes.
            p50_ms: Largest median latency, milliseconds.
            p95_ms: Largest 95th percentile.
            min_accuracy: Least value of a metric that is good where it is high.
            max_error: Largest value of one that is good where it is low.
            max_loss: By how much the metric may be worse than the first variant's, on the same samples.
            min_speed_up: How many times as fast as the first variant it must be, by medians.
            max_abs_error: Largest error of an output.
            best_by: What decides between several: ``latency`` (p95), ``size`` or ``accuracy``.

        Raises:
            CheckFailed: None keeps every limit, or (by policy) none is shown to.
            UsageError: A limit is no number, or for a metric that there is not.
        """
        __tracebackhide__ = True
        if not isinstance(table, VariantTable):
            raise UsageError(f"a table of variants is needed, not a {type(table).__name__}",
                             hint="edge_check.variants(edge_variants(...).compare(dataset, metric))")  # fmt: skip
        limits = Limits(max_mb, p50_ms, p95_ms, min_accuracy, max_error, max_loss, min_speed_up, max_abs_error)
        choice = choose(table, limits, best_by=best_by)
        of = choice.best or table.variants[0]
        self._settle(
            "variants",
            choice.verdict,
            failure_text(table, choice),
            numbers(table, choice),
            subject=(of.model, of.placement, table.device),
        )
        return choice


def failure_text(table: VariantTable, choice: Choice) -> str:
    """Four lines at most; empty where a variant is admissible."""
    if choice.verdict == "pass":
        return ""
    limits = ", ".join(f"{name}={value:g}" for name, value in choice.limits.given().items())
    what = "keeps every limit" if choice.verdict == "fail" else "is shown to keep every limit"
    lines = [f"none of {len(table.variants)} variants on {table.device!r} {what}: {limits}"]
    told = [f"{row['variant']}: {'; '.join(row['reasons'])}" for row in choice.rows]
    lines += told if len(told) <= MOST_NAMED else [*told[: MOST_NAMED - 1], " | ".join(told[MOST_NAMED - 1 :])]
    return "\n  ".join(lines)


def numbers(table: VariantTable, choice: Choice) -> dict[str, Any]:
    """What goes into the record."""
    found = table.variants[0].evaluation
    return {
        "rows": choice.rows,
        "limits": choice.limits.given(),
        "best": None if choice.best is None else choice.best.name,
        "best_by": choice.best_by,
        "dataset": None if found is None else found.dataset,
        "metric": None if found is None else found.metric,
        "higher_is_better": None if found is None else found.higher_is_better,
        "samples": None if found is None else found.samples,
        "confidence": table.confidence,
        "error_against": table.error_against,
    }
