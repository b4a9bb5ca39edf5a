"""Take a latency series from whatever runs a model until a verdict can be given.

Checks what was asked and puts the answer together; the series grows in
``growing``, and the gate of ``metrics`` decides when that is enough.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.metrics.latency import bounds, drift, quantile_name, runs_needed, sample_quantile
from pytest_edgedevice.metrics.looks import plan_looks
from pytest_edgedevice.runners.growing import Decision, GrowingSeries
from pytest_edgedevice.values import Timing

if TYPE_CHECKING:
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Fact

MIN_TICKS = 20
MOST_CONFIDENCE = 0.999999
"""Beyond it numbers of 64 bits cannot tell a look's share of the error from none."""
LEAST_CONFIDENCE = 0.5
"""Below it a bound is on the wrong side of the estimate, and a series over its budget would pass."""
MAX_SUSTAINED_S = 24 * 3600.0
MOST_S = 1e8
MOST_MS = 1e12
MOST_RUNS = 1_000_000
"""Entries of a series that a record takes, and that can be judged again from there."""


class TimingSource(Protocol):
    """Whatever times inferences on a device.

    Attributes:
        tick_ns: Resolution of the device's clock, nanoseconds; 0 where it is not known.
    """

    tick_ns: int

    def conditions(self) -> dict[str, Fact]:
        """Conditions of the device now."""

    def take(
        self, runs: int, *, sample: Batch | None = None, batch: int = 1, settle: int = 0, max_ns: int
    ) -> tuple[int, list[int]]:
        """Time inferences on the device, one after another.

        Args:
            runs: Entries of the series.
            sample: What to run from now on; given once, with the first call.
            batch: Inferences averaged in one entry.
            settle: Inferences to make and not to time before.
            max_ns: Begin no further run after this time, nanoseconds.

        Returns:
            The very first inference of the sample and the series: 1 to ``runs`` entries, all nanoseconds.
        """


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for, checked.

    Attributes:
        budget_ns: Budget, nanoseconds; None for no verdict.
        quantile: Which quantile.
        confidence: Of the verdict.
        looks: Lengths of the series at which it is looked at.
        max_s: Time limit of the timed runs, seconds.
        sustained_s: How long to run before the last third is judged, seconds; 0 to judge the series as it grows.
    """

    budget_ns: float | None
    quantile: float
    confidence: float
    looks: tuple[int, ...]
    max_s: float
    sustained_s: float = 0.0


def measure(
    source: TimingSource,
    sample: Batch,
    *,
    budget_ms: float | None,
    quantile: float,
    confidence: float,
    min_runs: int,
    max_runs: int,
    max_s: float,
    load_ms: float,
    sustained_s: float = 0.0,
    cold: bool = True,
) -> Timing:
    """See ``LoadedModel.measure``.

    Args:
        source: What times inferences.
        sample: What to run.
        budget_ms: See there.
        quantile: See there.
        confidence: See there.
        min_runs: See there.
        max_runs: See there.
        max_s: See there.
        load_ms: Time that loading took, milliseconds.
        sustained_s: See there.
        cold: Whether nothing was run since the model was loaded.
    """
    plan = _plan(budget_ms, quantile, confidence=confidence, min_runs=min_runs, max_runs=max_runs, max_s=max_s)
    plan = _sustained(plan, sustained_s)
    if plan.budget_ns is not None and plan.budget_ns < MIN_TICKS * source.tick_ns:
        raise InputError(
            f"a budget of {budget_ms:g} ms is under {MIN_TICKS} ticks of the device's clock ({source.tick_ns} ns)",
            hint="give a budget for several inferences, or for a larger model",
        )
    series = GrowingSeries(source)
    before = source.conditions()
    warmup_runs, settled = series.warm_up(sample)
    decision = series.decide(plan)
    judged_from = len(series.samples) - max(len(series.samples) // 3, 1) if plan.sustained_s else 0
    judged = series.samples[judged_from:]
    settled = settled or bool(plan.sustained_s and not drift(judged).shown)
    if decision.verdict is not None and not settled and not _all_over(plan, judged):
        decision = Decision(
            "inconclusive", f"the latency never settled in {warmup_runs} warm-up runs", decision.confidence
        )
    lower, upper = decision.lower_ns, decision.upper_ns
    if lower is None and upper is None:
        lower, upper = bounds(judged, quantile=quantile, confidence=decision.confidence)
    return Timing(
        verdict=decision.verdict,
        samples_ns=tuple(series.samples),
        batch=series.batch,
        p50_ms=sample_quantile(judged, 0.5) / 1e6,
        p90_ms=sample_quantile(judged, 0.9) / 1e6,
        p95_ms=sample_quantile(judged, 0.95) / 1e6,
        p99_ms=sample_quantile(judged, 0.99) / 1e6,
        lower_ms=None if lower is None else lower / 1e6,
        upper_ms=None if upper is None else upper / 1e6,
        budget_ms=budget_ms,
        quantile=quantile,
        confidence=confidence,
        load_ms=load_ms,
        first_ms=series.first_ns / 1e6,
        warmup_runs=warmup_runs,
        steady=settled,
        reason=decision.reason,
        conditions={
            "before": before,
            **{f"during {number}": told for number, told in enumerate(series.during, 1)},
            "after": source.conditions(),
        },
        cold=cold,
        judged_from=judged_from,
        look_confidence=decision.confidence,
        drift=drift(series.samples).shown,
        needed=decision.needed,
    )


def _plan(
    budget_ms: float | None, quantile: float, *, confidence: float, min_runs: int, max_runs: int, max_s: float
) -> Plan:
    """Check the arguments and lay out the looks: each doubles the series.

    Raises:
        InputError: One is out of range, or no series that short can decide.
    """
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
    if not (is_number(max_s) and 0 < max_s <= MOST_S):
        raise InputError(f"max_s must be a positive number of seconds up to {MOST_S:g}, not {shown(max_s)}")
    if type(min_runs) is not int or type(max_runs) is not int or not 0 <= min_runs <= max_runs or max_runs < 1:
        asked = f"0 <= {shown(min_runs)} <= {shown(max_runs)}"
        raise InputError(f"min_runs and max_runs must be whole numbers, {asked}, 1 at least")
    if max_runs > MOST_RUNS:
        raise InputError(f"max_runs must be {MOST_RUNS:,} at most, not {shown(max_runs)}: a record holds no more")
    least = runs_needed(quantile, confidence)
    if budget_ms is not None and max_runs < least:
        remedy = f"allow at least max_runs={least}" if least <= MOST_RUNS else "ask for a quantile that fewer runs show"
        raise InputError(
            f"{max_runs} runs cannot show {quantile_name(quantile)} with {confidence * 100:g} % confidence", hint=remedy
        )
    looks = plan_looks(quantile=quantile, confidence=confidence, min_runs=min_runs, max_runs=max_runs)
    if budget_ms is None:
        return Plan(None, quantile, confidence, (looks[0] if min_runs else min(2 * looks[0], max_runs),), max_s)
    return Plan(budget_ms * 1e6, quantile, confidence, looks, max_s)


def _sustained(plan: Plan, sustained_s: float) -> Plan:
    if not (is_number(sustained_s) and 0 <= sustained_s <= MAX_SUSTAINED_S):
        raise InputError(f"sustained_s must be a number of seconds up to {MAX_SUSTAINED_S:g}, not {shown(sustained_s)}")
    return dataclasses.replace(plan, sustained_s=float(sustained_s))


def _all_over(plan: Plan, samples: list[int]) -> bool:
    """Whether not a single run was within the budget: then it matters little that the series never settled."""
    return plan.budget_ns is not None and min(samples) > plan.budget_ns
