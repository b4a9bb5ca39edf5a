"""The timed loop: the inference, and nothing but the inference.

Statistics and verdicts are the host's business; this returns the series.
"""

from __future__ import annotations

import gc
import time
from array import array
from typing import Callable


def timed_runs(invoke: Callable[[], None], *, runs: int, batch: int, settle: int, max_ns: int) -> array[int]:
    """Time ``runs`` inferences one by one.

    Args:
        invoke: One inference that returns when its outputs could be read.
        runs: Entries wanted in the series.
        batch: Inferences averaged in one entry; more than 1 where one is too short for the clock.
        settle: Inferences before the first entry, untimed: they bring back the caches that
            the request itself has displaced.
        max_ns: No entry is started later than this after the first, nanoseconds.

    Returns:
        Nanoseconds for each entry in order, 64-bit integers; at least one entry.
    """
    clock = time.perf_counter_ns
    series = array("q")
    append = series.append
    inner = range(batch)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(settle):
            invoke()
        begin = end = clock()
        while len(series) < runs:
            if batch == 1:
                start = clock()
                invoke()
                end = clock()
                append(end - start)
            else:
                start = clock()
                for _ in inner:
                    invoke()
                end = clock()
                append((end - start) // batch)
            if end - begin > max_ns:
                break
    finally:
        if collecting:
            gc.enable()
    return series


def clock_tick_ns() -> int:
    """The smallest step of the clock that a thousand readings show, nanoseconds."""
    readings = [time.perf_counter_ns() for _ in range(1000)]
    return min((after - before for before, after in zip(readings, readings[1:]) if after > before), default=1_000_000)
