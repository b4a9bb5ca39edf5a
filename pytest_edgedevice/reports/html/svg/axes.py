"""Scales, ticks and the frame of a plot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LOG_FROM = 20.0
"""Largest over smallest value from which an axis is logarithmic."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From a range of values to a range of pixels, which may run backwards.

    Attributes:
        low, high: Of the values; ``low`` < ``high``.
        start, end: Where these two are drawn.
        log: Whether equal ratios are equally far apart; then ``low`` > 0.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Where a value is drawn; what is outside is drawn at the edge."""
        inside = self.low if value < self.low else self.high if value > self.high else value  # noqa: FURB136 - called often
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * share

    def places(self, values: Iterable[float]) -> list[float]:
        """Where each of many values is drawn: what a picture has by the hundred."""
        if self.log:
            return [self(value) for value in values]
        low, high, start, rise = self.low, self.high, self.start, (self.end - self.start) / (self.high - self.low)
        return [start + ((low if value < low else high if value > high else value) - low) * rise for value in values]  # noqa: FURB136 - as above

    def ticks(self, about: int = 5) -> list[float]:
        """Round values within the range, roughly so many."""
        return _powers(self.low, self.high, about) if self.log else _steps(self.low, self.high, about)


def scale(values: Sequence[float], start: float, end: float, *, log: bool | None = None) -> Scale:
    """A scale that shows all values, with a little room.

    Args:
        values: At least one.
        start: Pixel of the lowest value.
        end: Pixel of the highest value.
        log: Whether it is logarithmic; by default where the values are positive and far apart.
    """
    low, high = min(values), max(values)
    if log is None:
        log = low > 0 and high / low > LOG_FROM
    if log and low > 0:
        return Scale(low / 1.25, high * 1.25, start, end, log=True)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Scale(low - room, high + room, start, end)


def _steps(low: float, high: float, about: int) -> list[float]:
    raw = (high - low) / max(about, 1)
    if not (raw > 0 and math.isfinite(raw)):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((factor * power for factor in (1, 2, 2.5, 5) if factor * power >= raw), 10 * power)
    first = math.ceil(low / step)
    return [round(number * step, 12) if abs(step) > 1e-9 else number * step for number in range(first, first + 12)
            if number * step <= high]  # fmt: skip


def _powers(low: float, high: float, about: int) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
        inside = [value for value in found if low <= value <= high]
        if len(inside) <= about + 2:
            return inside
    return inside[:: math.ceil(len(inside) / about)]


def short(value: float) -> str:
    """A coordinate in as few signs as a screen needs."""
    return f"{value:.1f}".removesuffix(".0")


def frame(across: Scale, up: Scale, *, x_text: Callable[[float], str], y_text: Callable[[float], str] | None) -> str:
    """Grid lines and what stands beside them; without ``y_text`` the upward axis has none."""
    parts = []
    if y_text is not None:
        for value in up.ticks(4):
            y = short(up(value))
            parts.append(f'<path class="grid" d="M{short(across.start)} {y}H{short(across.end)}"/>')
            parts.append(text(across.start - 6, up(value) + 4, y_text(value), anchor="end"))
    for value in across.ticks(5):
        last = across(value) > across.end - 24  # a label in the middle of its tick would be cut off
        parts.append(text(across(value) + 6 * last, up.start + 16, x_text(value), anchor="end" if last else "middle"))
    parts.append(f'<path class="axis" d="M{short(across.start)} {short(up.start)}H{short(across.end)}"/>')
    return "".join(parts)


def text(x: float, y: float, words: str, *, anchor: str = "", kind: str = "") -> str:
    """A text at a place, to the nearest pixel; ``anchor`` is ``middle`` or ``end``, ``kind`` a class."""
    placed = f' text-anchor="{anchor}"' if anchor else ""
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{placed}{named}>{escape(words)}</text>'


def picture(width: int, height: int, body: str, *, label: str, kind: str = "plot") -> str:
    """The whole picture; ``label`` is what it is for who cannot see it."""
    return f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{body}</svg>'
