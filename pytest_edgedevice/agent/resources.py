"""What a model costs the device while it runs: memory, processor time, energy.

Reads the process's own counters and leaves out what the system does not tell,
with the reason in its place: never zero. Standard library only.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Dict, Optional, Tuple

if TYPE_CHECKING:
    from pytest_edgedevice.agent.energy import Meter

STATUS = "/proc/self/status"
CLEAR_REFS = "/proc/self/clear_refs"
RESET_PEAK = b"5"
"""Written to ``clear_refs`` it sets the peak back to what is resident now (Linux 4.0)."""


class MemoryWatch:
    """Peak resident memory of this process, and what was resident before it loaded a model.

    Args:
        status: The process's own status file.
        clear_refs: Where its peak is reset.
    """

    def __init__(self, status: str = STATUS, clear_refs: str = CLEAR_REFS) -> None:
        self._status = status
        self._clear_refs = clear_refs
        self._reset = False
        self._before: Optional[int] = None

    def begin(self) -> None:
        """A model is about to be loaded: remember what is resident without it, and start its peak there."""
        self._before = _kilobytes(self._status, "VmRSS") or _max_rss()
        try:
            with open(self._clear_refs, "wb", buffering=0) as file:
                file.write(RESET_PEAK)
            self._reset = True
        except OSError:
            self._reset = False  # the peak is then that of the whole process, which the counter's name says

    def told(self) -> Tuple[Optional[Dict[str, Any]], str]:
        """Fields of the reply, or why there are none."""
        peak, counter = _kilobytes(self._status, "VmHWM"), "VmHWM"
        if peak is None:
            peak, counter = _max_rss(), "ru_maxrss"
        if peak is None or self._before is None:
            return None, "this system tells neither VmHWM nor ru_maxrss of a process"
        since = "since the load began" if self._reset else "since the agent started"
        before = min(self._before, peak)
        return {"peak_bytes": peak, "before_load_bytes": before, "counter": f"{counter} {since}"}, ""


def _kilobytes(path: str, key: str) -> Optional[int]:
    """A line of a status file, in bytes."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None


def _max_rss() -> Optional[int]:
    """The most that was ever resident, bytes; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    value = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if os.uname().sysname == "Darwin" else 1024
    return value * scale if value > 0 else None


@dataclass(frozen=True)
class Work:
    """So many inferences one after another, and what they took: nanoseconds, and microjoules where they are told."""

    inferences: int
    wall_ns: int
    cpu_ns: int
    energy_uj: Optional[int]
    energy_problem: str


def work(
    invoke: Callable[[], None],
    *,
    runs: int,
    max_ns: int,
    meter: Meter,
    clock: Callable[[], int] = time.perf_counter_ns,
    cpu_clock: Callable[[], int] = time.process_time_ns,
) -> Work:
    """Run a model back to back and read the counters before and after.

    Args:
        invoke: One inference that returns when its outputs could be read.
        runs: Inferences at most.
        max_ns: No inference is started later than this after the first, nanoseconds.
        meter: What tells the device's energy.
        clock: Monotonic, nanoseconds.
        cpu_clock: Processor time of all threads of this process, nanoseconds.
    """
    count = 0
    begin, cpu = clock(), cpu_clock()
    meter.start(begin)
    now = begin
    while count < runs and now - begin <= max_ns:
        invoke()
        count += 1
        now = clock()
        meter.tick(now)
    energy, problem = meter.stop(now)
    return Work(count, max(now - begin, 1), max(cpu_clock() - cpu, 0), energy, problem)
