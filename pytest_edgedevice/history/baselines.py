"""Baselines on disk: medians of earlier runs, one line a configuration.

Read with suspicion, written whole or not at all, by one run at a time. A run adds one
number to each configuration that it measured, however many tests did.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import statistics
from dataclasses import asdict, astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.history.alone import alone
from pytest_edgedevice.records import write_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pytest_edgedevice.records import Record

SCHEMA = 1
MOST_BYTES = 16 << 20
MOST_RUNS = 50
"""Runs that are kept of each configuration; the oldest are dropped first."""
BUILDS = ("build", "fingerprint", "kernel")
"""Facts that name a device's software, the most exact first."""


@dataclass(frozen=True, slots=True)
class Key:
    """What must be the same for two latencies to be compared.

    Attributes:
        device: Its name, and its maker's name for it, and its cores.
        build: Its software.
        engine: Runtime and version.
        delegate: The one that was proven.
        threads: Threads of the engine.
        model: File name, so that a new version of a model is compared with the one before.
        how: ``sustained`` for the last third of such a run; empty otherwise.
    """

    device: str
    build: str
    engine: str
    delegate: str
    threads: int
    model: str
    how: str = ""

    def __str__(self) -> str:
        return ", ".join(str(part) for part in astuple(self) if part)


Baselines = dict[Key, list[float]]
"""Medians of earlier runs in milliseconds, the oldest first."""


def key_of(
    facts: Mapping[str, Any], *, device: str, engine: str, delegate: str, threads: int, model: str, sustained: bool
) -> Key:
    """The key of a measurement.

    Args:
        facts: Of the device.
        device: Its name.
        engine: Runtime and version.
        delegate: As proven.
        threads: Of the engine.
        model: Its file name.
        sustained: Whether only the last part of a long run was judged.
    """
    cores = f"{facts['cores']} cores" if "cores" in facts else ""
    named = ", ".join(filter(None, (device, str(facts.get("model", "")), cores)))
    build = next((str(facts[name]) for name in BUILDS if facts.get(name)), "")
    return Key(named, build, engine, delegate, threads, model, "sustained" if sustained else "")


def key_of_record(record: Record) -> Key | None:
    """The key of a record that may become a baseline: a latency that was measured and counts; None for any other."""
    numbers, engine = record["numbers"], record.get("engine") or {}
    model, delegate = record.get("model") or {}, record.get("delegate") or {}
    counts = record["check"] == "latency" and record["verdict"] == "pass" and record.get("outcome") == "passed"
    if not (counts and model and engine and not numbers.get("emulated") and numbers.get("steady")):
        return None
    return key_of(
        record["device"].get("facts", {}),
        device=str(record["device"].get("name", "")),
        engine=f"{engine['name']} {engine['version']}".strip(),
        delegate=str(delegate.get("proven", "")),
        threads=int(engine["threads"]),
        model=str(model["name"]),
        sustained=bool(numbers.get("judged_from")),
    )


def read_baselines(path: Path) -> Baselines:
    """Read a file of baselines; lines of one configuration, as a merge may leave them, are taken together.

    Raises:
        UsageError: It is missing, too large or no file, or a line is no baseline; which one is said.
    """
    try:
        with open(path, "rb", opener=_plain) as file:
            content = file.read(MOST_BYTES + 1)
        lines = content.decode("utf-8").split("\n") if len(content) <= MOST_BYTES else []
    except (OSError, ValueError) as error:  # ValueError: no text, or a name that no file can have
        hint = "make it with: pytest --edge-baseline PATH --edge-update-baseline"
        raise UsageError(f"cannot read baselines from {str(path)!r}: {error}", hint=hint) from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"{path} is larger than {MOST_BYTES} bytes, too large for baselines")
    found: Baselines = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            key, medians = _baseline(line, f"{path}:{number}")
            found[key] = [*found.get(key, []), *medians][-MOST_RUNS:]
    return found


def _plain(path: str, flags: int) -> int:
    """Open a file and nothing else; a named pipe would wait for its writer."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def update_baselines(path: Path, records: Iterable[Record]) -> int:
    """Add the medians of a run to a file of baselines; how many configurations got one.

    Runs that end at the same time wait for each other, so that the medians of all of them are kept.

    Raises:
        UsageError: The file is there and cannot be read.
        InfraError: It cannot be written, or another run does not let go of it.
    """
    seen: dict[Key, list[float]] = {}
    for record in records:
        key, median_ms = key_of_record(record), record["numbers"].get("p50_ms")
        if key is not None and isinstance(median_ms, int | float) and median_ms > 0:
            seen.setdefault(key, []).append(float(median_ms))
    with alone(path):
        known = read_baselines(path)
        for key, medians in seen.items():
            known[key] = [*known.get(key, []), statistics.median(medians)][-MOST_RUNS:]
        write_lines(path, [{"baseline": SCHEMA, "key": asdict(key), "p50_ms": runs} for key, runs in known.items()])
    return len(seen)


def _baseline(line: str, where: str) -> tuple[Key, list[float]]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("baseline") != SCHEMA:
        raise UsageError(f"{where}: no baseline of schema {SCHEMA}")
    return _key(found.get("key"), where), _medians(found.get("p50_ms"), where)


def _key(told: Any, where: str) -> Key:
    kinds = {field.name: int if field.name == "threads" else str for field in fields(Key)}
    if not isinstance(told, dict) or told.keys() != kinds.keys():
        raise UsageError(f"{where}: 'key' must have exactly {', '.join(kinds)}")
    for name, kind in kinds.items():
        if type(told[name]) is not kind:
            raise UsageError(f"{where}: {name!r} of the key is no {kind.__name__}")
    return Key(**told)


def _medians(told: Any, where: str) -> list[float]:
    def is_time(one: Any) -> bool:
        return isinstance(one, int | float) and not isinstance(one, bool) and 0 < one < 1e12 and math.isfinite(one)

    if not isinstance(told, list) or not told or not all(map(is_time, told)):
        raise UsageError(f"{where}: 'p50_ms' is no list of milliseconds")
    return [float(one) for one in told[-MOST_RUNS:]]
