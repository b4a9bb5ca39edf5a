"""What a program cost its device: by its own word, and by what the device's shell says of its processes.

For runners that have no agent there to ask. Pure but for what the caller runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.findings import Resources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_CORES = 4096
SHELL = '"$@"; r=$?; times; exit $r'
"""Runs a program and prints what its processes took of the processors; both lines are POSIX's."""
SHELL_NAME = "edgedevice-times"
TIMES = re.compile(rb"(\d{1,7})m(\d{1,2}(?:[.,]\d{1,9})?)s\s+(\d{1,7})m(\d{1,2}(?:[.,]\d{1,9})?)s\s*\Z")
COARSE = "the processor time of its processes did not grow with the number of inferences; measure for longer"
UNTOLD = "nobody tells what its processes took: it has no word for it, and the device no shell that does"
UNKNOWN_CORES = "nobody tells how many processors the device has"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the program told; None and empty where it did not.

    Attributes:
        peak_bytes: Most memory that was resident at a time.
        before_load_bytes: What was resident before the model was loaded.
        counter: Which counter told both.
        cpu_ns: Processor time of all entries of the series, every thread.
        energy_uj: Energy of the same time, microjoules.
        energy_source: Which sensor told it.
    """

    peak_bytes: int | None = None
    before_load_bytes: int | None = None
    counter: str = ""
    cpu_ns: int | None = None
    energy_uj: int | None = None
    energy_source: str = ""


def watched(command: Sequence[str]) -> list[str]:
    """The arguments that run a program under a shell that tells its processor time afterwards."""
    return ["sh", "-c", SHELL, SHELL_NAME, *command]


def processor_ns(said: bytes) -> int | None:
    """Processor time of what ``watched`` ran, nanoseconds, by the last line that it printed; None without one."""
    found = TIMES.search(said[-256:])
    if found is None:
        return None
    minutes, seconds = (found[1], found[3]), (found[2], found[4])
    total = sum(60 * int(one) for one in minutes) + sum(float(one.replace(b",", b".")) for one in seconds)
    return round(total * 1e9)


@dataclass(frozen=True, slots=True)
class Worked:
    """One process that ran a series.

    Attributes:
        inferences: All of them, the warm-up included.
        timed: Those of the series.
        timed_ns: What those took.
        processor_ns: What the whole process took of the processors; None where nobody tells.
        usage: What the program told of the series; None where it did not.
    """

    inferences: int
    timed: int
    timed_ns: int
    processor_ns: int | None
    usage: Usage | None


def resources_of(short: Worked, long: Worked, *, cores: int | None, untold: Mapping[str, str]) -> Resources:
    """What an inference cost, by two processes that differ in the number of inferences alone.

    The difference leaves out what starting, loading and reading files take.

    Args:
        short: A process of few inferences.
        long: One of many.
        cores: Processors of the device; None where that is not known.
        untold: Why ``memory`` and ``energy`` are not told, where they are not.
    """
    told = long.usage or Usage()
    each_ns = told.cpu_ns / long.timed if told.cpu_ns is not None else _each_ns(short, long)
    wall_ns = long.timed_ns / long.timed
    known = cores if cores is not None and 0 < cores <= MOST_CORES else None
    problems = {
        "cpu": _why_no_processor_time(short, long) if each_ns is None else "" if known else UNKNOWN_CORES,
        "energy": untold["energy"] if told.energy_uj is None else "",
        "memory": untold["memory"] if told.peak_bytes is None else "",
    }
    return Resources(
        model_bytes=0,
        load_ms=0.0,
        inferences=long.timed,
        wall_ms=long.timed_ns / 1e6,
        peak_bytes=told.peak_bytes,
        before_load_bytes=told.before_load_bytes,
        memory_counter=told.counter,
        cpu_ms=None if each_ns is None else each_ns / 1e6,
        cpu_load_percent=None if each_ns is None or known is None else 100 * each_ns / wall_ns / known,
        cores=known,
        energy_mj=None if told.energy_uj is None else told.energy_uj / long.timed / 1e3,
        power_mw=None if told.energy_uj is None else told.energy_uj / long.timed_ns * 1e6,
        energy_source=told.energy_source,
        problems={name: why for name, why in problems.items() if why},
    )


def _each_ns(short: Worked, long: Worked) -> float | None:
    """Processor time of one inference."""
    more = long.inferences - short.inferences
    if short.processor_ns is None or long.processor_ns is None or more <= 0:
        return None
    found = (long.processor_ns - short.processor_ns) / more
    return found if found > 0 else None


def _why_no_processor_time(short: Worked, long: Worked) -> str:
    return UNTOLD if short.processor_ns is None or long.processor_ns is None else COARSE
