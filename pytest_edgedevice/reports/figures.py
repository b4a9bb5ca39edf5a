"""Numbers for people: values with their units, a series as a line of bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def value_text(value: float | None, unit: str) -> str:
    """A value with its unit, three digits; empty for None."""
    if value is None:
        return ""
    if unit == "ms":
        return f"{value:.3g} ms" if abs(value) >= 0.1 or value == 0 else f"{value * 1000:.3g} us"
    if unit == "B":
        return f"{value / 1e6:.2f} MB" if abs(value) >= 1e6 else f"{value / 1e3:.1f} kB"
    return f"{value:.3g} {unit}".rstrip()


def sparkline(values: Sequence[float]) -> str:
    """A bar a value, the lowest of them for the smallest.

    Args:
        values: Finite.
    """
    low, high = min(values, default=0.0), max(values, default=0.0)
    if high == low:
        return BARS[3] * len(values)
    return "".join(BARS[int((value - low) / (high - low) * (len(BARS) - 1))] for value in values)
