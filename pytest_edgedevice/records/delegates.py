"""The delegate of a record as people are told of it; what it says may come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_edgedevice.values import plan_text


def delegate_text(told: Mapping[str, Any]) -> str:
    """The delegate that ran, or the one that was only requested, which says so: ``cpu_and_ne (requested)``."""
    name = str(told.get("proven") or "")
    return f"{name} (requested)" if told.get("requested_only") is True else name


def plan_of(told: Mapping[str, Any]) -> str:
    """The plan in words: ``neural engine 212, cpu 4``; empty without one."""
    plan = told.get("plan")
    counts = {
        str(device)[:40]: count
        for device, count in (list(plan.items())[:8] if isinstance(plan, Mapping) else ())
        if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 1 << 64
    }
    return plan_text(counts)
