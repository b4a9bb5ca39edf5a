"""Time two things in turn, A B B A, so that a machine's drift hits both."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def interleave(
    calls: Sequence[Callable[[], object]], rounds: int, *, after: Callable[[], object] = lambda: None
) -> list[list[float]]:
    """Seconds that each call took in each round; one round before, to warm pages and caches, is not counted.

    Args:
        calls: What is timed.
        rounds: How often.
        after: Tidies up after each call, outside of its time.
    """
    for call in calls:
        call()
        after()
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(rounds):
        order = range(len(calls)) if number % 2 == 0 else reversed(range(len(calls)))
        for at in order:
            start = time.perf_counter()
            calls[at]()
            taken[at].append(time.perf_counter() - start)
            after()
    return taken


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Median of the ratios of each round's pair."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def row(what: str, figure: str, goal: str, *, met: bool) -> bool:
    """Print one row of the table in the README; whether the goal was met."""
    load = os.getloadavg()[0]
    print(f"| {what} | {figure} | {goal} | {'yes' if met else 'NO'} | {load:.2f} |", flush=True)
    return met
