"""What a comparison of two models says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_edgedevice.checks.faster import Comparison
    from pytest_edgedevice.checks.seams import ModelLike
    from pytest_edgedevice.metrics.comparison import Ratio
    from pytest_edgedevice.values import Verdict

FEWEST_BLOCKS = 8


def verdict_of(found: Ratio, at_most: float, *, confidence: float, blocks: int) -> tuple[Verdict, str, str]:
    """Verdict, reason and what is needed.

    Args:
        found: The ratio and its bounds.
        at_most: What was asked.
        confidence: Of the verdict, for the text.
        blocks: Of each model.
    """
    bounds = (found.lower, found.upper)
    low, high = ("?" if bound is None else f"{bound:.4g}" for bound in bounds)
    interval = f"{confidence * 100:.6g} % interval [{low}, {high}], {blocks} blocks each"
    if found.upper is not None and found.upper <= at_most * (1 + 1e-9):  # a ratio comes out of logarithms
        return "pass", "", ""
    if found.lower is not None and found.lower > at_most:
        return "fail", f"new / old is not <= {at_most:.6g}: {interval}", ""
    return "inconclusive", f"cannot show new / old <= {at_most:.6g}: {interval}", _needed(found, at_most, blocks)


def _needed(found: Ratio, at_most: float, blocks: int) -> str:
    """What would have decided it: an interval narrows with the root of the number of blocks."""
    if found.lower is None or found.upper is None:
        return f"needed: {FEWEST_BLOCKS} blocks of each at least; raise max_s"
    side = found.upper if found.estimate < at_most else found.lower
    gap = abs(math.log(at_most / found.estimate))
    more = (abs(math.log(side / found.estimate)) / gap) ** 2 * blocks if gap > 1e-4 else math.inf
    quieter = f"at_most={math.ceil(found.upper * 1000) / 1000:g}, or a steadier device"
    return f"needed: about {math.ceil(more):,} blocks like these, {quieter}" if more < 10_000 else f"needed: {quieter}"


def failure_text(new: ModelLike, old: ModelLike, found: Comparison) -> str:
    """Four lines at most; empty on a pass."""
    if found.verdict == "pass":
        return ""
    sides = f"{_side('new', new, found.new_ms)}; {_side('old', old, found.old_ms)}"
    chance = f"Mann-Whitney p {found.p_over:.2g} for slower, {found.p_within:.2g} for within"
    lines = [found.reason, f"on {new.device_name!r}: {sides}", chance, found.needed]
    return "\n  ".join(filter(None, lines))


def _side(name: str, model: ModelLike, values: tuple[float, ...]) -> str:
    threads = "1 thread" if model.info.threads == 1 else f"{model.info.threads} threads"
    median_ms = sorted(values)[len(values) // 2]
    return f"{name} {model.info.name!r} by {model.placement.shown}, {threads}, {median_ms:.4g} ms"
