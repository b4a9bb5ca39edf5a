"""Frames at a rate: what a camera would offer, and how many of them the model keeps up with.

A queue of one frame, always the latest, stands between the two: whoever is
late finds the newest frame, and those before it are lost. Since frames are
due at known times, no second thread is needed to make them: what is in the
queue follows from the clock. Pure over a clock, so that a test needs no time.
"""

from __future__ import annotations

import gc
import time
from array import array
from typing import Callable, Tuple

Series = Tuple["array[int]", "array[int]", "array[int]"]


def sleep_until(due_ns: int) -> None:
    """Wait until the clock shows ``due_ns``; whoever is late does not wait."""
    left = due_ns - time.perf_counter_ns()
    if left > 0:
        time.sleep(left / 1e9)


def stream(
    process: Callable[[int], None],
    *,
    interval_ns: int,
    count: int,
    clock: Callable[[], int] = time.perf_counter_ns,
    wait_until: Callable[[int], None] = sleep_until,
) -> Series:
    """Offer ``count`` frames, one each ``interval_ns``, to something that takes one after another.

    Args:
        process: Works on the frame of this number, and returns when its result could be used.
        interval_ns: From one frame to the next, nanoseconds; the first one is there at once.
        count: Frames offered.
        clock: Monotonic, nanoseconds.
        wait_until: Returns when the clock shows this time, or later.

    Returns:
        Of every frame that was taken: its number, when work on it began and when it ended, nanoseconds since the
        first frame. Numbers rise; those that are missing were dropped.
    """
    frames, begun, ended = array("q"), array("q"), array("q")
    collecting = gc.isenabled()
    gc.disable()
    try:
        first = now = clock()
        last = -1
        while last < count - 1:
            newest = min((now - first) // interval_ns, count - 1)
            if newest <= last:
                wait_until(first + (last + 1) * interval_ns)
                now = clock()
                continue
            process(newest)
            frames.append(newest)
            begun.append(now - first)
            now = clock()
            ended.append(now - first)
            last = newest
    finally:
        if collecting:
            gc.enable()
    return frames, begun, ended
