"""A raw series as a distribution, in the order of its runs, and with what the device told meanwhile."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.svg.axes import Scale, frame, picture, scale, short, text
from pytest_edgedevice.reports.html.wording import counted, milliseconds, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 460, 170
LEFT, RIGHT, BOTTOM = 56, 10, 24
BINS = 40
MOST_DOTS = 160
BUCKETS = 40
BETWEEN_WORDS = 10

Mark = tuple[str, float, str]
"""A line at a value: its label, the value, its class."""


def histogram(values: Sequence[float], marks: Sequence[Mark], *, label: str) -> str:
    """How often each value was measured, with lines at some of them."""
    ranked = sorted(values)
    low, top = ranked[0], _top(ranked)
    shown = [value for _, value, _ in marks if value <= 2 * top]
    across = scale([low, top, *shown], LEFT - 40, WIDTH - RIGHT, log=False)
    edges = [across.low + (across.high - across.low) * place / BINS for place in range(BINS + 1)]
    below = [0, *(bisect_right(ranked, edge) for edge in edges[1:])]
    counts = [last - first for first, last in itertools.pairwise(below)]
    up = Scale(0, max(*counts, 1), HEIGHT - BOTTOM, 42)
    bars = f'<path class="fill" d="{_steps(edges, counts, across, up)}"/>'
    bars += frame(across, up, x_text=milliseconds, y_text=None)
    beyond = len(ranked) - below[-1]
    more = text(WIDTH - RIGHT, 11, f"{counted(beyond, 'run')} beyond", anchor="end", kind="quiet") if beyond else ""
    lines = _marks([mark for mark in marks if mark[1] <= across.high], across)
    return picture(WIDTH, HEIGHT, bars + lines + more, label=label)


def counted_bins(edges: Sequence[float], counts: Sequence[int], *, label: str) -> str:
    """A histogram that was counted elsewhere: one edge more than there are counts, in rising order.

    Bins are equally wide whatever their edges are: those of errors are powers of two, and the first begins at 0.
    """
    across, up = Scale(0, len(counts), LEFT - 40, WIDTH - RIGHT), Scale(0, max(*counts, 1), HEIGHT - BOTTOM, 10)
    body = f'<path class="fill" d="{_steps(list(range(len(edges))), counts, across, up)}"/>'
    every = math.ceil(len(edges) / 7)
    for place in range(0, len(edges), every):
        anchor = {0: "", len(edges) - 1: "end"}.get(place, "middle")
        body += text(across(place), up.start + 16, significant(edges[place]), anchor=anchor)
    body += f'<path class="axis" d="M{across.start} {up.start}H{across.end}"/>'
    return picture(WIDTH, HEIGHT, body, label=label)


def _steps(edges: Sequence[float], counts: Sequence[int], across: Scale, up: Scale) -> str:
    """The path of a histogram's bars, which are equally wide."""
    ground, places = f"{up.start:.0f}", across.places(edges)
    wide = f"{places[1] - places[0] - 0.5:.2f}"
    return "".join(
        f"M{left:.1f} {ground}V{top:.0f}h{wide}V{ground}z"
        for left, top, count in zip(places[:-1], up.places(counts), counts, strict=True)
        if count
    )


def _marks(marks: Sequence[Mark], across: Scale) -> str:
    parts, rows = [], [-math.inf] * 3
    for words, value, kind in sorted(marks, key=lambda mark: mark[1]):
        x = across(value)
        row = next((place for place, end in enumerate(rows) if end < x), 0)
        wide = 7 * len(words)
        turned = x + wide > WIDTH - RIGHT
        rows[row] = x if turned else x + wide + BETWEEN_WORDS
        y = 11 + row * 13
        parts.append(f'<path class="mark {kind}" d="M{short(x)} {y + 2}V{HEIGHT - BOTTOM}"/>')
        parts.append(text(x - 3 if turned else x + 3, y, words, anchor="end" if turned else ""))
    return "".join(parts)


def in_order(values: Sequence[float], *, judged_from: int, limits: Sequence[Mark], label: str) -> str:
    """Every run in its order; of a long series the range and the median of each of ``BUCKETS`` parts."""
    across = Scale(0, max(len(values), 2), LEFT, WIDTH - RIGHT)
    ranked = sorted(values)
    low, top = ranked[0], _top(ranked)
    up = scale([low, top, *(value for _, value, _ in limits if value <= 2 * top)], HEIGHT - BOTTOM, 8, log=False)
    body = frame(across, up, x_text=lambda value: f"{value:,.0f}", y_text=milliseconds)
    if 0 < judged_from < len(values):
        wide = short(across(judged_from) - across.start)
        body += f'<path class="shade" d="M{short(across.start)} 8h{wide}V{HEIGHT - BOTTOM}h-{wide}z"/>'
        body += text(across.start + 4, 20, "not judged", kind="quiet")
    if len(values) <= MOST_DOTS:
        drawn = zip(across.places(place + 0.5 for place in range(len(values))), up.places(values), strict=True)
        dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in drawn)
        body += f'<path class="dots" d="{dots}"/>'
    else:
        body += _envelope(values, across, up)
    for words, value, kind in limits:
        if up.low <= value <= up.high:
            y = up(value)
            body += f'<path class="mark {kind}" d="M{short(across.start)} {short(y)}H{short(across.end)}"/>'
            body += text(across.end, y - 4, words, anchor="end")
    return picture(WIDTH, HEIGHT, body, label=label)


def _envelope(values: Sequence[float], across: Scale, up: Scale) -> str:
    edges = [place * len(values) // BUCKETS for place in range(BUCKETS + 1)]
    spans = list(itertools.pairwise(edges))
    parts = [sorted(values[first:last]) for first, last in spans]
    places = [round(x) for x in across.places((first + last) / 2 for first, last in spans)]
    highest, lowest, middle = (
        up.places(told) for told in zip(*((one[-1], one[0], one[len(one) // 2]) for one in parts), strict=True)
    )
    band = [f"{x} {y:.0f}" for x, y in zip(places, highest, strict=True)]
    band += [f"{x} {y:.0f}" for x, y in zip(reversed(places), reversed(lowest), strict=True)]
    line = [f"{x} {y:.1f}" for x, y in zip(places, middle, strict=True)]
    return f'<path class="band" d="M{"L".join(band)}z"/><path class="line" d="M{"L".join(line)}"/>'


def moments(told: Sequence[tuple[str, float]], *, unit: str, label: str) -> str:
    """What the device told at some moments, in their order."""
    height = 96
    across = Scale(0, len(told) - 1, LEFT + 20, WIDTH - RIGHT - 30)
    up = scale([value for _, value in told], height - BOTTOM - 4, 16)
    body = f'<path class="axis" d="M{LEFT} {height - BOTTOM}H{WIDTH - RIGHT}"/>'
    points = [(across(place), up(value)) for place, (_, value) in enumerate(told)]
    body += f'<path class="line" d="M{"L".join(f"{short(x)} {short(y)}" for x, y in points)}"/>'
    body += f'<path class="dots" d="{"".join(f"M{short(x)} {short(y)}h0" for x, y in points)}"/>'
    every = math.ceil(len(told) / 5)
    for place, ((moment, value), (x, y)) in enumerate(zip(told, points, strict=True)):
        last = place == len(told) - 1
        if (place % every == 0 and place + every / 2 < len(told)) or last:
            body += text(x, height - 8, moment.replace("during ", "+"), anchor="middle")
            body += text(x, y - 7, f"{significant(value)} {unit}", anchor="middle", kind="strong")
    return picture(WIDTH, height, body, label=label)


def _top(ranked: Sequence[float]) -> float:
    """Up to where an axis of sorted values goes: few far outliers must not press all others together."""
    most, usual = ranked[-1], ranked[min(int(len(ranked) * 0.99), len(ranked) - 1)]
    return most if most <= 3 * usual else 1.5 * usual
