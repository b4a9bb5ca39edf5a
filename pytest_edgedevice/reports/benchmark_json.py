"""pytest-benchmark's JSON, for its ``compare`` and whatever else reads it.

Its statistics are computed as it does, from the raw series; what it lacks (p95 and its
like) is in ``extra_info``. Records without a series, such as those of the history, are left out.

Source:
    ``pytest_benchmark.stats.Stats``, version 5: quartiles are medians of the halves.
"""

from __future__ import annotations

import json
import statistics
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records import measurements, unpack, write_text
from pytest_edgedevice.reports.naming import commit_of, subject_of, told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record

NS = 1e9


def write_benchmark_json(records: Sequence[Record], path: Path) -> None:
    """Write the latencies of records.

    Raises:
        InfraError: The file cannot be written.
    """
    latencies = [record for record in records if record.get("check") == "latency"]
    benchmarks = [found for record in latencies if (found := _benchmark(record)) is not None]
    times = [str(record.get("time", "")) for record in latencies]
    content = {
        "machine_info": _machine(latencies),
        "commit_info": {"id": next(filter(None, map(commit_of, latencies)), "unversioned"), "dirty": False},
        "benchmarks": benchmarks,
        "datetime": max(times, default=""),
        "version": "5.0.0",  # of the form, not of a program
    }
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _machine(records: Sequence[Record]) -> dict[str, Any]:
    """What compares machines; records of several devices have no machine in common."""
    found = [record["device"].get("facts") or {} for record in records]
    first = found[0] if found and all(facts == found[0] for facts in found) else {}
    names = {"node": "host", "machine": "arch", "system": "os", "release": "kernel"}
    return {name: first[fact] for name, fact in names.items() if fact in first}


def _benchmark(record: Record) -> dict[str, Any] | None:
    numbers, about = record["numbers"], subject_of(record)
    if not measurements(record):
        return None
    try:
        samples = unpack(numbers.get("samples_ns"))
    except UsageError:
        return None
    start, batch = numbers.get("judged_from"), numbers.get("batch")
    samples = samples[start:] if type(start) is int and start >= 0 else samples
    if not samples:
        return None
    params = {
        "device": about.device,
        "model": about.model,
        "variant": about.variant,
        "delegate": about.delegate,
        "threads": about.threads,
    }
    params = {name: told(value) if isinstance(value, str) else value for name, value in params.items()}
    place, bracket, own = about.test.partition("[")
    return {
        "group": None,
        "name": told(f"{place.rpartition('::')[2] or place}[{about.title}]"),
        "fullname": told(f"{place}[{own.removesuffix(']') + '-' if bracket else ''}{about.title}]"),
        "params": params,
        "param": told(about.title),
        "extra_info": {one.metric: one.value for one in measurements(record)} | {"verdict": record["verdict"]},
        "options": {},
        "stats": {**statistics_of([one / NS for one in samples]), "iterations": batch if type(batch) is int else 1},
    }


def statistics_of(seconds: Sequence[float]) -> dict[str, Any]:
    """pytest-benchmark's statistics of a series.

    Args:
        seconds: At least one.
    """
    data, count = sorted(seconds), len(seconds)
    mean, spread = statistics.fmean(data), statistics.stdev(data) if count > 1 else 0.0
    first, third = _quartiles(data)
    fence = 1.5 * (third - first)
    outside = _outside(data, first - fence, third + fence)
    total = sum(data)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": spread,
        "rounds": count,
        "median": statistics.median(data),
        "iqr": third - first,
        "q1": first,
        "q3": third,
        "iqr_outliers": outside,
        "stddev_outliers": (beyond := _outside(data, mean - spread, mean + spread)),
        "outliers": f"{beyond};{outside}",
        "ld15iqr": data[bisect_left(data, first - fence)],
        "hd15iqr": data[bisect_right(data, third + fence) - 1],
        "ops": count / total if total else 0.0,
        "total": total,
    }


def _quartiles(data: Sequence[float]) -> tuple[float, float]:
    """Medians of the halves; where the count is odd, weighted between neighbours."""
    count = len(data)
    if count == 1:
        return data[0], data[0]
    if count % 2 == 0:
        return statistics.median(data[: count // 2]), statistics.median(data[count // 2 :])
    fourth, rest = divmod(count, 4)
    if rest == 1:
        return (
            0.25 * data[fourth - 1] + 0.75 * data[fourth],
            0.75 * data[3 * fourth] + 0.25 * data[3 * fourth + 1],
        )
    return (
        0.75 * data[fourth] + 0.25 * data[fourth + 1],
        0.25 * data[3 * fourth + 1] + 0.75 * data[3 * fourth + 2],
    )


def _outside(data: Sequence[float], low: float, high: float) -> int:
    return bisect_left(data, low) + len(data) - bisect_right(data, high)
