"""Conditions as an agent tells them: checked, and the worst of several. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Fact

TIMED = frozenset({"measure", "resources", "stream"})
"""Operations whose replies tell of the time that they took."""
MOST_CONDITIONS = 64
MOST_CHARS = 200
ORDER: dict[str, tuple[Fact, ...]] = {
    "app_state": ("active", "inactive", "background"),
    "thermal_state": ("nominal", "fair", "serious", "critical"),
    "low_power_mode": (False, True),
}
"""Values from best to worst."""


def plain_conditions(told: Any) -> dict[str, Fact]:
    """Conditions that came in a header.

    Raises:
        ValueError: They are none, or too many.
    """
    if not isinstance(told, dict) or not all(isinstance(value, str | int | float) for value in told.values()):
        raise ValueError("no conditions as names and plain values")
    if len(told) > MOST_CONDITIONS:
        raise ValueError(f"{len(told)} conditions, more than {MOST_CONDITIONS}")
    return {
        str(name)[:MOST_CHARS]: value[:MOST_CHARS] if isinstance(value, str) else value for name, value in told.items()
    }


def worse(before: Mapping[str, Fact], now: Mapping[str, Fact]) -> dict[str, Fact]:
    """What was told now, with what was worse before where values have an order."""
    found = dict(now)
    for name, order in ORDER.items():
        told = [one[name] for one in (before, now) if one.get(name) in order]
        if told:
            found[name] = max(told, key=order.index)
    return found
