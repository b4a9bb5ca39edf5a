"""Latency against error or accuracy: one point a cell, the front of those that nothing beats, the budgets."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.svg.axes import Scale, frame, picture, scale, short, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 42, 44
SHAPES = (
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0-9 0z",
    "m-4-4h8v8h-8z",
    "m0-5.5l5 9h-10z",
    "m0-5.5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
    "m0 5.5l5-9h-10z",
    "m-1.5-5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
    "m-5-2.5l2.5-2.5h5l2.5 2.5v5l-2.5 2.5h-5l-2.5-2.5z",
    "m-5-3h10v6h-10z",
)
"""One for each colour, so that neither has to be told by its colour."""
MOST_LABELS = 5
WIDTH_OF_A_SIGN = 6.5
"""Of a label, about."""


@dataclass(frozen=True, slots=True)
class Point:
    """One cell.

    Attributes:
        x, y: Latency, and error or accuracy.
        place: The cell's number.
        slug: Its link.
        kind: Number of its colour and shape.
        hollow: Whether it did not pass.
        label: A short name.
        title: All that it stands for.
    """

    x: float
    y: float
    place: int
    slug: str
    kind: int
    hollow: bool
    label: str
    title: str


def scatter(
    points: Sequence[Point],
    budgets: Sequence[tuple[str, float]],
    *,
    low: bool,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    names: tuple[str, str],
) -> str:
    """The picture.

    Args:
        points: At least one.
        budgets: Lines at a latency, with their labels.
        low: Whether a small y is the better one.
        x_text: Words a latency.
        y_text: Words the other value.
        names: Of the axes.
    """
    positive = [point.y for point in points if point.y > 0]
    across = scale([point.x for point in points] + [value for _, value in budgets], LEFT, WIDTH - RIGHT)
    up = scale([point.y for point in points] if not low else positive or [0.0, 1.0], HEIGHT - BOTTOM, TOP)
    body = frame(across, up, x_text=x_text, y_text=y_text)
    body += text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, names[0], anchor="middle", kind="strong")
    body += text(4, 13, names[1], kind="strong")
    for words, value in budgets:
        x = across(value)
        turned = x > WIDTH * 0.7
        body += f'<path class="mark limit" d="M{short(x)} {TOP - 18}V{HEIGHT - BOTTOM}"/>'
        body += text(x - 4 if turned else x + 4, TOP - 10, words, anchor="end" if turned else "")
    ahead = front(points, low=low)
    steps = _steps([(across(one.x), up(one.y)) for one in ahead])
    body += f'<path class="front" d="{steps}"/>'
    body += _labels(ahead, across, up)
    body += "".join(_marker(point, across(point.x), up(point.y)) for point in points)
    better = "less is better on both axes" if low else "less latency is better, more of the other"
    label = f"{names[1]} against {names[0]} of {len(points)} cells; {better}"
    return picture(WIDTH, HEIGHT, body, label=label, kind="plot scatter")


def front(points: Sequence[Point], *, low: bool) -> list[Point]:
    """The points that no other one beats in both, from the fastest on."""
    found: list[Point] = []
    for point in sorted(points, key=lambda one: (one.x, one.y if low else -one.y)):
        if not found or (point.y < found[-1].y if low else point.y > found[-1].y):
            found.append(point)
    return found


def _steps(places: Sequence[tuple[float, float]]) -> str:
    """Between two points of a front everything in their corner is beaten."""
    first, *others = places
    return f"M{short(first[0])} {short(first[1])}" + "".join(f"H{short(x)}V{short(y)}" for x, y in others)


def _marker(point: Point, x: float, y: float) -> str:
    hollow = " hollow" if point.hollow else ""
    return (
        f'<a href="#cell={point.slug}" data-cell={point.place} data-x={x:.0f} data-y={y:.0f}>'
        f'<path class="point c{point.kind}{hollow}" d="M{x:.0f} {y:.0f}{SHAPES[point.kind]}"/>'
        f"<title>{escape(point.title)}</title></a>"
    )


def _labels(points: Sequence[Point], across: Scale, up: Scale) -> str:
    """Names of the first points of the front, where they do not cover each other."""
    parts: list[str] = []
    taken: list[tuple[float, float, float]] = []
    for point in points:
        x, y = across(point.x), up(point.y)
        turned, wide = x > WIDTH * 0.6, len(point.label) * WIDTH_OF_A_SIGN
        first = x - 9 - wide if turned else x + 9
        free = all(abs(y - row) > 13 or first > end or first + wide < begin for begin, end, row in taken)
        if free and len(taken) < MOST_LABELS:
            parts.append(
                text(x - 9 if turned else x + 9, y - 5, point.label, anchor="end" if turned else "", kind="tag")
            )
            taken.append((first, first + wide, y))
    return "".join(parts)


def sample(kind: int) -> str:
    """A marker alone, for the legend."""
    point = f'<path class="point c{kind}" d="M0 0{SHAPES[kind]}"/>'
    return f'<svg class="key" viewBox="-7 -7 14 14" aria-hidden="true">{point}</svg>'
