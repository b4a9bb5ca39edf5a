"""Budgets of what a model costs its device, and of how it keeps up with a stream: from findings to verdicts.

Texts are in ``budgets_text``; nothing here measures.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.validity import spoiling

if TYPE_CHECKING:
    from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
    from pytest_edgedevice.values import Verdict

MB = 1_000_000
MOST = 1e12
TOP_OPERATORS = 10
EMULATED = "the device is emulated, so this says nothing of it; allow_emulated=True judges it all the same"
MemoryOf = Literal["model", "process"]


@dataclass(frozen=True, slots=True)
class Budget:
    """One observation against its budget.

    Attributes:
        what: What was observed, for people.
        observed: The number, in ``unit``; None where it was not measured.
        limit: Largest that is allowed.
        unit: Of both.
        verdict: ``inconclusive`` where nothing was observed.
        reason: Why nothing was observed, or what was does not count; empty otherwise.
    """

    what: str
    observed: float | None
    limit: float
    unit: str
    verdict: Verdict
    reason: str = ""


def limit_of(name: str, value: Any, *, zero: bool = False) -> float:
    """Check a budget.

    Raises:
        UsageError: It is no positive number, or too large for any sum with it.
    """
    if not is_number(value) or not 0 <= value <= MOST or (not zero and value == 0):
        raise UsageError(f"{name} must be a {'' if zero else 'positive '}number up to {MOST:g}, not {shown(value)}")
    return float(value)


def check_of(of: Any) -> None:
    """Refuse what is no part of memory.

    Raises:
        UsageError: It is none.
    """
    if not (isinstance(of, str) and of in ("model", "process")):
        raise UsageError(f"of must be 'model' or 'process', not {shown(of)}")


def void_of(found: Resources | Stream | Stages | Profile, *, allow_emulated: bool) -> str:
    """Why nothing that was found counts: an emulator, or a device that its own rules call disturbed; mostly empty."""
    return EMULATED if found.emulated and not allow_emulated else spoiling(found.disturbances)


def judge(what: str, observed: float | None, limit: float, unit: str, *, reason: str, void: str) -> Budget:
    """Judge one observation.

    Args:
        what: What was observed.
        observed: The number; None where it was not measured.
        limit: Largest that is allowed; itself is.
        unit: Of both.
        reason: Why it was not measured.
        void: Why what was observed does not count; empty where it does.
    """
    if observed is None or not math.isfinite(observed):
        return Budget(what, None, limit, unit, "inconclusive", reason or "it was not measured")
    if void:
        return Budget(what, observed, limit, unit, "inconclusive", void)
    return Budget(what, observed, limit, unit, "pass" if observed <= limit else "fail")


def memory_budget(found: Resources, max_mb: float, *, of: MemoryOf, void: str) -> Budget:
    """Judge the peak of resident memory: what the model added to it, or all of its process."""
    size = found.peak_bytes if of == "process" else found.model_share_bytes
    what = "memory of its process" if of == "process" else "memory"
    reason = found.problems.get("memory", "")
    if size is None and found.peak_bytes is not None:
        reason = "nobody tells what was resident before the load; of='process' judges all of it"
    return judge(what, None if size is None else size / MB, max_mb, "MB", reason=reason, void=void)


def cpu_budget(found: Resources, max_percent: float, *, void: str) -> Budget:
    """Judge the share of all processors that was busy."""
    reason = found.problems.get("cpu", "")
    return judge("processor load", found.cpu_load_percent, max_percent, "%", reason=reason, void=void)


def energy_budget(found: Resources, max_mj: float, *, void: str) -> Budget:
    """Judge the energy of one inference."""
    reason = found.problems.get("energy", "")
    return judge("energy of an inference", found.energy_mj, max_mj, "mJ", reason=reason, void=void)


def resource_numbers(budget: Budget, found: Resources) -> dict[str, Any]:
    """What goes into the record."""
    return {**budget_numbers(budget), "resources": dataclasses.asdict(found)}


def budget_numbers(budget: Budget) -> dict[str, Any]:
    """One budget for the record."""
    return {"observed": budget.observed, "limit": budget.limit, "unit": budget.unit, "reason": budget.reason}


def disturbance_numbers(found: Profile | Stages) -> dict[str, Any]:
    """What was met around the work, for the record."""
    return {
        "disturbances": [dataclasses.asdict(one) for one in found.disturbances],
        "waited_s": found.waited_s,
        "conditions": {moment: dict(facts) for moment, facts in found.conditions.items()},
    }


@dataclass(frozen=True, slots=True)
class Pace:
    """What was asked of a stream.

    Attributes:
        max_drop: Largest share of frames that may be dropped.
        max_age_ms: Largest age of a result, or rather of its ``age_quantile``.
        age_quantile: Which quantile; 1 for the oldest.
    """

    max_drop: float
    max_age_ms: float
    age_quantile: float

    @classmethod
    def of(cls, max_drop: Any, max_age_ms: Any, age_quantile: Any) -> Pace:
        """Check what was asked.

        Raises:
            UsageError: A number is out of its range.
        """
        pace = cls(
            limit_of("max_drop", max_drop, zero=True),
            limit_of("max_age_ms", max_age_ms),
            limit_of("age_quantile", age_quantile),
        )
        if pace.max_drop >= 1 or pace.age_quantile > 1:
            raise UsageError("max_drop is a share below 1, e.g. 0.01, and age_quantile one of at most 1")
        return pace


def age_ms(found: Stream, quantile: float) -> float:
    """An order statistic of the ages: the smallest that this share of all results does not exceed."""
    ages = sorted(found.ages_ns)
    return ages[max(math.ceil(quantile * len(ages) - 1e-9), 1) - 1] / 1e6


def judge_stream(found: Stream, pace: Pace, *, void: str) -> tuple[Verdict, str]:
    """Whether a model keeps up, and why that cannot be told.

    A device that itself begins late on frames that it has waited for is busy with something else: what it drops
    then does not count against the model.
    """
    kept = found.dropped_share <= pace.max_drop + 1e-12 and age_ms(found, pace.age_quantile) <= pace.max_age_ms
    if void:
        return "inconclusive", void
    if kept:
        return "pass", ""
    if found.wake_p95_ms > 500 / found.fps:
        late = f"{found.wake_p95_ms:.3g} ms late (p95)"
        return "inconclusive", f"the device began {late} on frames that it had waited for; something else keeps it busy"
    return "fail", ""


def stream_numbers(found: Stream, pace: Pace, reason: str) -> dict[str, Any]:
    """What goes into the record; ages in order, so that the verdict can be computed again."""
    told = dataclasses.asdict(found)
    for series in ("frames", "begun_ns", "ended_ns"):
        del told[series]
    asked = dataclasses.asdict(pace)
    return {**told, **asked, "age_ms": age_ms(found, pace.age_quantile), "reason": reason,
            "age_samples_ns": list(found.ages_ns)}  # fmt: skip


def profile_reason(found: Profile) -> str:
    """Why a profile shows nothing; empty where it does, also on an emulator: shares are worth something there."""
    return found.problem or spoiling(found.disturbances)
