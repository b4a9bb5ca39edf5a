"""Budgets of what happens once: loading a model, its first inference, and both together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.checks.latency import EMULATED
from pytest_edgedevice.validity import spoiling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.values import Timing, Verdict

_NAMES = {"load": "loading", "first": "the first inference", "cold": "loading and the first inference"}


@dataclass(frozen=True, slots=True)
class SingleResult:
    """One observation against its budget.

    Attributes:
        what: ``load``, ``first`` or ``cold``, which is both together.
        budget_ms: Its budget.
        observed_ms: What it took, this once.
        verdict: ``pass`` or ``fail``; ``inconclusive`` where it was not observed.
        reason: Why it is not ``pass``; empty otherwise.
    """

    what: str
    budget_ms: float
    observed_ms: float
    verdict: Verdict
    reason: str


def judge_singles(timing: Timing, budgets: Sequence[tuple[str, float]], *, emulated: bool) -> tuple[SingleResult, ...]:
    """Judge what was observed once; one observation has no interval, and the text says so.

    Args:
        timing: The measurement.
        budgets: ``load``, ``first`` or ``cold``, and milliseconds.
        emulated: Whether the times say nothing about the device.
    """
    return tuple(_judge(timing, what, budget_ms, emulated=emulated) for what, budget_ms in budgets)


def _judge(timing: Timing, what: str, budget_ms: float, *, emulated: bool) -> SingleResult:
    observed_ms = sum([timing.load_ms] * (what != "first") + [timing.first_ms] * (what != "load"))
    name = _NAMES[what]
    if emulated:
        return SingleResult(what, budget_ms, observed_ms, "inconclusive", EMULATED)
    if spoiled := spoiling(timing.disturbances):
        return SingleResult(what, budget_ms, observed_ms, "inconclusive", spoiled)
    if not math.isfinite(observed_ms):
        reason = f"cannot show {name} < {budget_ms:.6g} ms: whatever runs the model does not tell how long it took"
        return SingleResult(what, budget_ms, observed_ms, "inconclusive", reason)
    if what != "load" and not timing.cold:
        reason = (
            f"cannot show {name} < {budget_ms:.6g} ms: the model had run before; "
            "needed: this check before any run of the model"
        )
        return SingleResult(what, budget_ms, observed_ms, "inconclusive", reason)
    if observed_ms <= budget_ms:
        return SingleResult(what, budget_ms, observed_ms, "pass", "")
    reason = f"{name} took {observed_ms:.4g} ms, over {budget_ms:.6g} ms; one observation"
    return SingleResult(what, budget_ms, observed_ms, "fail", reason)
