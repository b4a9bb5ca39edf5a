"""A latency series out of a tool that tells statistics only."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import ContractError, InfraError
from pytest_edgedevice.runners.benchmark_model.flags import runs_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.runners.benchmark_model.report import Statistics
    from pytest_edgedevice.runners.benchmark_model.tool import Tool
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Fact

CLOCK_NS = 1000
"""The tool counts whole microseconds."""
TOLD_RUNS = 3
"""Timed runs of a process: of three, each can be told from their first, last, least, most and mean."""
AT_ONCE = 15
"""Entries of a series at most before whoever asked may look."""
WARMUP_S = 0.02


class BenchmarkSeries:
    """Inferences that the tool times; see ``TimingSource``.

    The tool tells statistics, and no times. Of three runs the statistics are the times: first, last, and the middle one
    by least, most or mean. So each process makes three timed runs after a warm-up of its own, and what is
    judged is a series of real times, slower to take than the tool's own thousands, and never made up. Of a build that
    makes more runs than it is told to, the first and the last are taken.
    """

    tick_ns = CLOCK_NS

    def __init__(
        self,
        tool: Tool,
        flags: Mapping[str, str],
        *,
        timeout_s: float,
        conditions: Callable[[], dict[str, Fact]],
    ) -> None:
        self._tool = tool
        self._flags = flags
        self._timeout_s = timeout_s
        self._first_ns = 0
        self._left: list[int] = []
        self._batch = 1
        self.conditions = conditions

    def take(
        self,
        runs: int,
        *,
        sample: Batch | None = None,  # noqa: ARG002 - it is in the flags
        batch: int = 1,
        settle: int = 0,  # noqa: ARG002 - every process settles by itself
        max_ns: int,
    ) -> tuple[int, list[int]]:
        """See ``TimingSource``."""
        series, self._left, self._batch = (self._left if batch == self._batch else []), [], batch
        begin = time.monotonic_ns()
        while len(series) < min(runs, AT_ONCE) and (not series or time.monotonic_ns() - begin < max_ns):
            wanted = batch if batch > 1 else TOLD_RUNS
            flags = {**self._flags, **runs_flags(self._tool.build, runs=wanted, warmup_runs=1, warmup_s=WARMUP_S)}
            log, statistics = self._tool.run(
                flags, runs=wanted, operation="measure", timeout_s=self._timeout_s, exactly=batch > 1
            )
            self._first_ns = self._first_ns or round((log.first_us or 0) * 1000) or nanoseconds(statistics.first)
            if batch > 1:
                series.append(max(round(statistics.mean * 1000), nanoseconds(statistics.most) // batch))
            else:
                series += times_told(statistics, self._tool.name)
        series, self._left = series[:runs], series[runs:]
        return self._first_ns, series


def times_told(found: Statistics, tool: str) -> list[int]:
    """The times that statistics tell one by one, in order, nanoseconds: all of three runs, else the first and the last.

    Raises:
        ContractError, InfraError: As ``three_times``.
    """
    if found.count == TOLD_RUNS:
        return three_times(found, tool)
    return [nanoseconds(time_us) for time_us in (found.first, found.last)[: found.count]]


def three_times(found: Statistics, tool: str) -> list[int]:
    """The times of three runs in order, nanoseconds, from their statistics.

    Raises:
        ContractError: No three times have such statistics.
        InfraError: They are too short for the tool's clock.
    """
    ends = sorted((found.first, found.last))
    if found.least < ends[0] or found.most > ends[1]:
        middle = found.least if found.least < ends[0] else found.most
    else:
        middle = min(max(round(3 * found.mean) - sum(ends), ends[0]), ends[1])
    times = (found.first, middle, found.last)
    # the mean has six digits
    close = abs(sum(times) - 3 * found.mean) <= 1.5 + 3e-5 * sum(times)
    if not close or (min(times), max(times)) != (found.least, found.most):
        raise ContractError(f"{tool} told statistics of three runs that no three runs have: {found}")
    return [nanoseconds(time_us) for time_us in times]


def nanoseconds(time_us: int) -> int:
    """A time of the tool's clock.

    Raises:
        InfraError: It is none: the clock is too coarse.
    """
    if time_us < 1:
        raise InfraError("the model runs within one microsecond, the step of benchmark_model's clock")
    return time_us * 1000
