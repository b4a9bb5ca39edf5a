"""The history on disk: records of every run, appended as JSON lines to one file that is never rewritten but to prune.

Runs that end at the same time wait for each other. A run that is killed while it
writes leaves a torn last line, which the next one mends; what was written before
stays. Raw series and device logs are not kept: they are in the reports.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.history.alone import alone
from pytest_edgedevice.records.shape import record_of
from pytest_edgedevice.records.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_edgedevice.records import Record

FOLDER = ".edgedevice"
JOURNAL = "history.jsonl"
MOST_BYTES = 64 << 20
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept: the newest runs, none older than so many days, and never more than 64 MiB.

    A tenth more than ``runs`` may be there, so that not every run has to rewrite the file.
    """

    runs: int = 200
    days: float = 365.0


def remember(folder: Path, records: Sequence[Record]) -> Path:
    """Append the records of a run; the file.

    Args:
        folder: Of the history; made where it is missing; one that is called ``.edgedevice`` keeps itself out of git.
        records: Each with the run that it is of.

    Raises:
        InfraError: The file cannot be written.
    """
    path = folder / JOURNAL
    lines = "".join(json.dumps(slim(record), allow_nan=False) + "\n" for record in records)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name == FOLDER:
            _keep_out_of_git(folder)
        with alone(path):
            _append(path, lines.encode())
    except OSError as error:
        hint = "--edge-history PATH names another folder, --edge-history off none"
        raise InfraError(f"cannot write the history {str(path)!r}: {error.strerror or error}", hint=hint) from error
    return path


def _keep_out_of_git(folder: Path) -> None:
    """Not done in a folder that somebody named: it may be a project's own, or in git on purpose."""
    with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as ignored:
        ignored.write("*\n")


def slim(record: Record) -> Record:
    """A record without raw series and device log."""
    numbers = {name: value for name, value in record["numbers"].items() if not str(name).endswith("samples_ns")}
    return {**record, "numbers": numbers, "device_log": {}}


def run_of(record: Record) -> str:
    """The id of the run that a record is of; empty where it has none."""
    return str((record.get("run") or {}).get("id", ""))


def _append(path: Path, content: bytes) -> None:
    """Write at the end, after mending a line that was torn there; all of it is on disk then."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        if _mend(handle):
            content = b"\n" + content
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _mend(handle: int) -> bool:
    """Cut off a line that was torn; whether a whole one lacks its end only."""
    end = os.lseek(handle, 0, os.SEEK_END)
    start, torn = end, b""
    while start and b"\n" not in torn:
        size = min(CHUNK, start)
        start -= size
        torn = os.pread(handle, size, start) + torn
    last = torn.rpartition(b"\n")[2]
    if not last:
        return False
    try:
        record_of(last.decode())
    except ValueError:
        os.ftruncate(handle, end - len(last))
        return False
    return True


def is_due(path: Path, *, runs: int, oldest: str, keep: Keep) -> bool:
    """Whether there is something to prune.

    Args:
        path: The file.
        runs: How many there are.
        oldest: Time of the oldest record, ISO 8601 in UTC; empty where there is none.
        keep: What is kept.
    """
    too_old = bool(oldest) and oldest < _since(keep, slack=1.1)
    return runs > keep.runs + keep.runs // 10 or too_old or path.stat().st_size > MOST_BYTES


def prune(folder: Path, keep: Keep) -> int:
    """Drop the oldest runs; how many. The file is replaced as a whole, by one process at a time.

    Raises:
        InfraError: It cannot be written.
    """
    path = folder / JOURNAL
    with alone(path):
        lines: dict[str, list[str]] = {}
        newest: dict[str, str] = {}
        for line, record in _records(path):
            run = run_of(record)
            lines.setdefault(run, []).append(line)
            newest[run] = max(newest.get(run, ""), str(record.get("time", "")))
        kept = _kept(lines, newest, keep)
        if len(kept) < len(lines):
            write_text(path, "".join(line for run in kept for line in lines[run]))
    return len(lines) - len(kept)


def _kept(lines: dict[str, list[str]], newest: dict[str, str], keep: Keep) -> list[str]:
    """The runs that stay, in their order; the newest stays whatever its size."""
    since, room = _since(keep), MOST_BYTES // 2
    kept: list[str] = []
    for run in reversed(lines):
        room -= sum(len(line) for line in lines[run])
        if kept and (len(kept) >= keep.runs or newest[run] < since or room < 0):
            break
        kept.insert(0, run)
    return kept


def _records(path: Path) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every whole line that is a record."""
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                yield (line if line.endswith("\n") else line + "\n"), record_of(line)


def _since(keep: Keep, *, slack: float = 1.0) -> str:
    """The time before which a run is too old; the earliest that can be told where that is longer ago."""
    try:
        return (datetime.now(UTC) - timedelta(days=keep.days * slack)).isoformat(timespec="milliseconds")
    except OverflowError:
        return ""
