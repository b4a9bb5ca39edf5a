"""What ``benchmark_model`` tells of a model's cost and of its operators: by its log, and by the device's shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.findings import Operator, Profile, Resources
from pytest_edgedevice.runners.benchmark_model.flags import runs_flags
from pytest_edgedevice.runners.usage import Usage, Worked, resources_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.runners.benchmark_model.report import Log, Statistics
    from pytest_edgedevice.runners.benchmark_model.tool import Tool

MB = 1 << 20
FEWEST_RUNS, MOST_RUNS = 3, 100_000
WARMUP_RUNS = 1
COUNTER = "benchmark_model's own: the process's largest resident size, looked at now and then"
UNTOLD = {
    "memory": "this build of benchmark_model tells no peak of its memory",
    "energy": "benchmark_model tells no energy",
}
NO_PROFILE = "this build of benchmark_model has no --enable_op_profiling"
DELEGATED = "Delegate"


def watch(tool: Tool, flags: Mapping[str, str], *, seconds: float, timeout_s: float, cores: int | None) -> Resources:
    """See ``LoadedModel.resources``; ``flags`` are those of every process of the model."""
    flags = {**flags, **tool.build.known({"report_peak_memory_footprint": "true"})}
    short = _worked(tool, flags, runs=FEWEST_RUNS, timeout_s=timeout_s)
    typical_ns = max(short.timed_ns // short.timed, 1)
    runs = min(max(int(seconds * 1e9) // typical_ns, 2 * FEWEST_RUNS), MOST_RUNS)
    long = _worked(tool, flags, runs=runs, timeout_s=timeout_s + seconds)
    return resources_of(short, long, cores=cores, untold=UNTOLD)


def _worked(tool: Tool, flags: Mapping[str, str], *, runs: int, timeout_s: float) -> Worked:
    flags = {**flags, **runs_flags(tool.build, runs=runs, warmup_runs=WARMUP_RUNS, warmup_s=0)}
    log, told = tool.run(flags, runs=runs, operation="resources", timeout_s=timeout_s, exactly=False, watch=True)
    inferences = sum(one.count for one in log.series)
    return Worked(inferences, told.count, _sum_ns(told), log.processor_ns, _usage(log))


def _sum_ns(told: Statistics) -> int:
    return max(round(told.mean * told.count * 1000), 1)


def _usage(log: Log) -> Usage:
    """The peak, and by what the tool says that it grew since it began, what was there before."""
    peak, grown = log.memory_mb.get("peak", 0.0), log.memory_mb.get("overall", 0.0)
    if not peak:
        return Usage()
    before = peak - grown if 0 < grown < peak else None
    return Usage(round(peak * MB), None if before is None else round(before * MB), COUNTER)


def profile(
    tool: Tool, flags: Mapping[str, str], *, runs: int, seconds: float, timeout_s: float, delegate: str
) -> Profile:
    """See ``LoadedModel.profile``; ``delegate`` is what to call the one that took some operators."""
    profiling = tool.build.known({"enable_op_profiling": "true"})
    if not profiling:
        return Profile(problem=NO_PROFILE)
    flags = {**flags, **profiling, **runs_flags(tool.build, runs=runs, warmup_runs=WARMUP_RUNS, warmup_s=0)}
    flags |= tool.build.known({"max_secs": f"{max(seconds, 1):g}"})
    log, told = tool.run(flags, runs=runs, operation="profile", timeout_s=timeout_s + seconds, exactly=False)
    if not log.operators:
        return Profile(runs=told.count, problem="benchmark_model printed no table of operators")
    total_ms = sum(one.mean_ms for one in log.operators)
    operators = [
        Operator(
            one.name, delegate if DELEGATED in one.name else "cpu", max(one.nodes, 1), one.mean_ms, one.percent / 100
        )
        for one in log.operators
    ]
    return Profile(tuple(sorted(operators, key=lambda one: -one.time_ms)), told.count, total_ms)
