"""Quantities for people: three significant digits, and a unit that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html.reading import number

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = "\N{EN DASH}"


def milliseconds(value: Any) -> str:
    """A time given in milliseconds."""
    found = number(value)
    if found is None:
        return ""
    if abs(found) >= 10_000:
        return f"{significant(found / 1000)} s"
    return (
        f"{significant(found)} ms" if abs(found) >= 0.1 or not found else f"{significant(found * 1000)} \N{MICRO SIGN}s"
    )


def size(value: Any) -> str:
    """A number of bytes, in units of 1,000."""
    found = number(value)
    if found is None:
        return ""
    for factor, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(found) >= factor:
            return f"{significant(found / factor)} {unit}"
    return f"{found:.0f} B"


def percent(value: Any) -> str:
    """A share of 1 as percent."""
    found = number(value)
    return "" if found is None else f"{significant(found * 100)} %"


def times(value: Any) -> str:
    """A ratio."""
    found = number(value)
    return "" if found is None else f"{significant(found)}\N{MULTIPLICATION SIGN}"


def plain(value: Any) -> str:
    """A number without a unit."""
    found = number(value)
    return "" if found is None else significant(found)


def exact(value: Any) -> str:
    """A number that is compared with another one: six digits."""
    found = number(value)
    return "" if found is None else f"{found:.6g}"


def unit(name: str) -> Callable[[Any], str]:
    """Numbers with a unit of their own."""

    def worded(value: Any) -> str:
        return f"{plain(value)} {name}".strip() if number(value) is not None else ""

    return worded


def significant(value: float) -> str:
    """Three digits that say something, without an exponent where people can read it."""
    if value == 0 or 1e-4 <= abs(value) < 1000:
        short = f"{value:.3g}"
        return f"{value:.2f}" if "e" in short else short
    if 1000 <= abs(value) < 1e7:
        return f"{value:,.0f}"
    return f"{value:.2e}".replace("e-0", "e-").replace("e+0", "e+")


def counted(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"
