"""The history on disk: records of every run, appended as JSON lines to one file that is never rewritten but to prune.

Runs that end at the same time wait for each other. A run that is killed while it
writes leaves a torn last line, which the next one mends; what was written before
stays. Raw series and device logs are not kept: they are in the reports.
"""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.history.alone import alone
from pytest_edgedevice.records.lines import line_of
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


class Keep(NamedTuple):
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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.name == FOLDER:
            _keep_out_of_git(folder)
        with alone(path):
            _append(path, records)
    except OSError as error:
        hint = "--edge-history PATH names another folder, --edge-history off none"
        raise InfraError(f"cannot write the history {str(path)!r}: {error.strerror or error}", hint=hint) from error
    return path


def _keep_out_of_git(folder: Path) -> None:
    """Not done in a folder that somebody named: it may be a project's own, or in git on purpose."""
    with contextlib.suppress(FileExistsError), (folder / ".gitignore").open("x", encoding="utf-8") as ignored:
        ignored.write("*\n")


def slim(record: Record, number: int) -> Record:
    """A record without raw series and device log, with the place of its run in the history."""
    numbers = {name: value for name, value in record["numbers"].items() if not str(name).endswith("samples_ns")}
    return {**record, "numbers": numbers, "device_log": {}, "run": {**(record.get("run") or {}), "number": number}}


def run_of(record: Record) -> str:
    """The id of the run that a record is of; empty where it has none."""
    return str((record.get("run") or {}).get("id", ""))


def number_of(record: Record) -> int:
    """The place of a record's run in the history, counted from the first that there ever was; 0 where it has none."""
    number = (record.get("run") or {}).get("number")
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def _append(path: Path, records: Sequence[Record]) -> None:
    """Write at the end, after mending a line that was torn there; all of it is on disk then."""
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        begins, line = _last_line(handle)
        last = _record(line)
        if line and last is None:
            os.ftruncate(handle, begins)
        number = (number_of(last) if last else 0) + 1
        lines = "".join(line_of(slim(record, number)) for record in records)
        content = memoryview((lines if last is None or line.endswith(b"\n") else "\n" + lines).encode())
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _last_line(handle: int) -> tuple[int, bytes]:
    """Where the last line begins, and the line, which has no end if it was torn there."""
    start = os.lseek(handle, 0, os.SEEK_END)
    line = b""
    while start and b"\n" not in line[:-1]:
        size = min(CHUNK, start)
        start -= size
        line = os.pread(handle, size, start) + line
    cut = line[:-1].rfind(b"\n") + 1
    return start + cut, line[cut:]


def _record(line: bytes) -> Record | None:
    """The record of a line; nothing where it holds none."""
    try:
        return record_of(line.decode())
    except ValueError:
        return None


def is_due(path: Path, keep: Keep) -> bool:
    """Whether there is something to prune, by size and both ends of the file, so that a long one costs no more.

    Args:
        path: The file.
        keep: What is kept.
    """
    try:
        with path.open("rb") as file:
            first = next(filter(None, map(_record, file)), None)
            last = _record(_last_line(file.fileno())[1])
            size = os.fstat(file.fileno()).st_size
    except OSError:  # somebody took it away
        return False
    if first is None or last is None:  # no record, or somebody writes at this moment
        return size > MOST_BYTES
    runs = number_of(last) - number_of(first) + 1
    too_old = "" < str(first.get("time", "")) < _since(keep, slack=1.1)
    return runs > keep.runs + keep.runs // 10 or too_old or size > MOST_BYTES


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
