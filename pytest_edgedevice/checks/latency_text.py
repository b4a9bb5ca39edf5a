"""What a latency check says: failure texts for people, evidence for records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pytest_edgedevice.checks.latency import BudgetResult, is_emulated
from pytest_edgedevice.checks.numerals import json_ready
from pytest_edgedevice.metrics.latency import interval_text, quantile_name
from pytest_edgedevice.validity import causes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.checks.seams import ModelLike
    from pytest_edgedevice.checks.singles import SingleResult
    from pytest_edgedevice.values import Regression, Timing, Verdict

NEAR = 2.0
"""A failure beyond so many budgets is the model's: others on a machine were seen to make times up to twice as long."""
_MORE_FIELDS = ("batch", "steady", "judged_from", "look_confidence", "drift")
_BUDGET_FIELDS = ("quantile", "budget_ms", "verdict", "lower_ms", "upper_ms", "reason")


def failure_text(
    model: ModelLike,
    timing: Timing,
    results: Sequence[BudgetResult],
    singles: Sequence[SingleResult] = (),
    before: Regression | None = None,
) -> str:
    """Word the gravest result, what would have decided it, and the others; four lines at most, empty when all pass."""
    bad = [one for one in results if one.verdict != "pass"]
    points = [one.reason for one in singles if one.verdict != "pass"]
    points += [before.reason] if before is not None and before.verdict == "fail" else []
    if not bad:
        if not points:
            return ""
        return "\n  ".join([points[0], _setting(model, timing), *_joined([*points[1:], _causes(timing, points[0])])])
    headline, reason = _headline(timing, bad[0]), bad[0].reason
    if reason.startswith(headline.partition(":")[0]):
        # the measurement worded the same claim; its text tells more only where there is no bound
        headline, reason = (reason if bad[0].upper_ms is None else headline), ""
    known = "" if far_beyond(bad) else _causes(timing, reason)
    notes = _joined([known, reason or bad[0].needed, _drift_note(timing, reason)])
    others = _joined([*(_headline(timing, one) for one in bad[1:]), *points])
    return "\n  ".join([headline, _setting(model, timing), *notes, *others])


def _joined(clauses: Sequence[str]) -> list[str]:
    """One line of what there is, or none."""
    text = "; ".join(filter(None, clauses))
    return [text] if text else []


class Bounded(Protocol):
    """A quantile that was judged."""

    @property
    def verdict(self) -> Verdict:
        """Its verdict."""

    @property
    def budget_ms(self) -> float:
        """Its budget."""

    @property
    def lower_ms(self) -> float | None:
        """Its lower bound."""


def far_beyond(bad: Sequence[Bounded]) -> bool:
    """Whether every budget that was missed was missed by more than what else went on there can explain."""
    return all(
        one.verdict == "fail" and one.lower_ms is not None and one.lower_ms > NEAR * one.budget_ms for one in bad
    )


def _causes(timing: Timing, said: str) -> str:
    """What may have made the times longer than they are, as the device told, and how long that was waited for."""
    met = tuple(one for one in timing.disturbances if one.text not in said)
    waited = f"it was waited for {timing.waited_s:.0f} s to pass" if timing.waited_s and met else ""
    return "; ".join(filter(None, [causes(met), waited]))


def _drift_note(timing: Timing, said: str) -> str:
    if not timing.drift or "slower in its last third" in said:
        return ""
    share = abs(timing.drift) * 100
    word = "slower" if timing.drift > 0 else "faster"
    return f"it got {share:{'.0f' if share >= 10 else '.2g'}} % {word} while it was measured"


def evidence_numbers(
    timing: Timing,
    results: Sequence[BudgetResult],
    more: Mapping[float, Timing] | None = None,
    singles: Sequence[SingleResult] = (),
    before: Regression | None = None,
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
        "judged_from",
        "look_confidence",
        "drift",
        "cold",
    )
    return {
        **{name: json_ready(getattr(timing, name)) for name in plain},
        "runs": len(timing.samples_ns),
        "steady": timing.steady,
        "emulated": is_emulated(timing),
        "reason": timing.reason,
        "budgets": [
            {name: json_ready(getattr(one, name)) for name in _BUDGET_FIELDS}
            for one in sorted(results, key=lambda one: one.quantile)
        ],
        "needed": {quantile_name(one.quantile): one.needed for one in results if one.needed},
        "singles": [{name: json_ready(getattr(one, name)) for name in one.__slots__} for one in singles],
        "baseline": None if before is None else {name: json_ready(getattr(before, name)) for name in before.__slots__},
        "disturbances": [{name: getattr(one, name) for name in one.__slots__} for one in timing.disturbances],
        "waited_s": json_ready(timing.waited_s),
        "conditions": {moment: dict(facts) for moment, facts in timing.conditions.items()},
        "samples_ns": [int(sample) for sample in timing.samples_ns],
        "more_samples_ns": {
            quantile_name(quantile): [int(sample) for sample in one.samples_ns]
            for quantile, one in (more or {}).items()
        },
        "more": {
            quantile_name(quantile): {name: json_ready(getattr(one, name)) for name in _MORE_FIELDS}
            for quantile, one in (more or {}).items()
        },
    }


def _headline(timing: Timing, one: BudgetResult) -> str:
    name, budget = quantile_name(one.quantile), f"{one.budget_ms:.6g} ms"
    lower, upper = (None if bound is None else bound * 1e6 for bound in (one.lower_ms, one.upper_ms))
    count = len(timing.samples_ns) - timing.judged_from
    interval = f"{timing.confidence * 100:.6g} % interval {interval_text(lower, upper)}, n={count}"
    claim = f"{name} is not < {budget}" if one.verdict == "fail" else f"cannot show {name} < {budget}"
    return f"{claim}: {interval}"


def _setting(model: ModelLike, timing: Timing) -> str:
    info = model.info
    threads = "1 thread" if info.threads == 1 else f"{info.threads} threads"
    quantiles = ", ".join(f"p{q} {getattr(timing, f'p{q}_ms'):.4g}" for q in (50, 90, 95, 99))
    batch = f", each a mean of {timing.batch} inferences" if timing.batch > 1 else ""
    where = f"{info.name!r} on {model.device_name!r} by {model.placement.shown}, {threads}"
    return f"{where}: {quantiles} ms{batch}"
