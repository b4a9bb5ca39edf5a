"""What a latency check is asked: budgets, confidence and limits, checked before anything is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.latency import quantile_name

LEAST_CONFIDENCE, MOST_CONFIDENCE = 0.5, 0.999999
MOST_MS = 1e12
MOST_BUDGETS = 100


@dataclass(frozen=True, slots=True)
class Asked:
    """What a latency check was asked, checked.

    Attributes:
        budgets: Quantile and milliseconds, the quantile that needs most runs first.
        singles: Budgets of single observations: ``load``, ``first`` or ``cold``, and milliseconds.
        confidence: Of each verdict.
        limits: Options for ``measure`` that differ from its own.
        allow_emulated: Whether times of an emulated device count.
    """

    budgets: tuple[tuple[float, float], ...]
    singles: tuple[tuple[str, float], ...]
    confidence: float
    limits: Mapping[str, Any]
    allow_emulated: bool


def budgets_of(named: Mapping[float, float | None], others: Any) -> dict[float, float | None]:
    """All budgets by quantile.

    Raises:
        UsageError: ``others`` is no mapping, or has a quantile that is named already.
    """
    if others is not None and not isinstance(others, Mapping):
        raise UsageError(f"quantiles_ms must map quantiles to milliseconds, e.g. {{0.999: 5}}, not {shown(others)}")
    for quantile in others or ():
        if named.get(quantile) is not None:
            raise UsageError(f"{quantile_name(quantile)} has two budgets: its own, and one in quantiles_ms")
    return {**named, **(others or {})}


def asked_for(
    quantiles: Mapping[float, float | None],
    singles: Mapping[str, float | None],
    *,
    confidence: float,
    allow_emulated: bool,
    **limits: Any,
) -> Asked:
    """Check what was asked.

    Raises:
        UsageError: No budget was given, or a number is out of its range.
    """
    budgets = [(quantile, budget) for quantile, budget in quantiles.items() if budget is not None]
    points = [(what, budget) for what, budget in singles.items() if budget is not None]
    if not budgets and not points:
        raise UsageError("latency needs a budget", hint="give one or more of p50_ms, p90_ms, p95_ms, p99_ms")
    if len(budgets) > MOST_BUDGETS:
        raise UsageError(f"latency takes up to {MOST_BUDGETS} budgets, not {len(budgets)}")
    for quantile, _ in budgets:
        check_quantile(quantile)
    for name, budget in [(f"{quantile_name(q)}_ms", b) for q, b in budgets] + [(f"{w}_ms", b) for w, b in points]:
        if not (_positive(budget) and budget < MOST_MS):
            raise UsageError(f"{name} must be a positive number of milliseconds up to {MOST_MS:g}, not {shown(budget)}")
    check_confidence(confidence)
    for name in ("max_s", "sustained_s"):
        if name in limits:
            limits[name] = _seconds(name, limits[name])
    plain = sorted(((quantile, float(budget)) for quantile, budget in budgets), reverse=True)
    return Asked(tuple(plain), tuple((what, float(one)) for what, one in points), confidence, limits, allow_emulated)


def check_quantile(quantile: Any) -> None:
    """Refuse what is no quantile.

    Raises:
        UsageError: It is none.
    """
    if not (_positive(quantile) and quantile < 1):
        raise UsageError(f"a quantile must be between 0 and 1, e.g. 0.95, not {shown(quantile)}")


def check_confidence(confidence: Any) -> None:
    """Refuse what is no confidence; below one half a bound is on the wrong side of the estimate.

    Raises:
        UsageError: It is none.
    """
    if not (_positive(confidence) and LEAST_CONFIDENCE <= confidence <= MOST_CONFIDENCE):
        limits = f"from {LEAST_CONFIDENCE} to {MOST_CONFIDENCE}"
        raise UsageError(f"confidence must be {limits}, e.g. 0.95, not {shown(confidence)}")


def _seconds(name: str, value: Any) -> float:
    if not _positive(value):
        raise UsageError(f"{name} must be a positive number of seconds, not {shown(value)}")
    return float(value)  # also of numpy


def _positive(value: float) -> bool:
    try:
        return math.isfinite(value) and value > 0 and not isinstance(value, bool)
    except (TypeError, OverflowError):
        return False
