"""An index of the history's journal, for questions that would otherwise read all of it.

It knows nothing that the journal does not know: it may be deleted at any time, is
rebuilt where it is damaged, stale or of another version, and lies in memory where the
folder cannot be written. Opening it reads what was appended since it was last opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.history.journal import JOURNAL, run_of
from pytest_edgedevice.history.points import MOST_THREADS, POINT, VERSION, add_lines, begin_anew
from pytest_edgedevice.records.lines import without_waiting
from pytest_edgedevice.records.shape import record_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from pytest_edgedevice.history.cells import Cell
    from pytest_edgedevice.records import Record

INDEX = "history.sqlite"
PATIENCE_S = 30.0
END_BYTES = 4096


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that is remembered.

    Attributes:
        id: Its name.
        time: When its first record was made, ISO 8601 in UTC.
        commit: What it tested; empty where that is not known.
        records: How many there are.
        begins, ends: Where they lie in the journal, bytes.
    """

    id: str
    time: str
    commit: str
    records: int
    begins: int
    ends: int


class History:
    """What is remembered, opened for reading; a context manager.

    Args:
        folder: Of the history.

    Attributes:
        path: Of the journal.

    Raises:
        UsageError: There is none.
        InfraError: It cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL
        try:
            self._journal: BinaryIO = open(self.path, "rb", opener=without_waiting)  # noqa: SIM115 - closed by close
        except OSError as error:
            hint = "every run of device tests in pytest's root folder adds to it; --history names another folder"
            raise UsageError(f"no history in {str(folder)!r}: {error.strerror or error}", hint=hint) from error
        try:
            self._index = self._opened(folder / INDEX)
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of both files."""
        self._index.close()
        self._journal.close()

    def runs(self) -> list[PastRun]:
        """Every run, the oldest first."""
        rows = self._ask("SELECT id, time, commit_id, records, begins, ends FROM runs ORDER BY number")
        return [PastRun(*row) for row in rows]

    def records_of(self, run: PastRun) -> list[Record]:
        """The records of a run, without raw series."""
        self._journal.seek(run.begins)
        lines = self._journal.read(run.ends - run.begins).split(b"\n")
        records = []
        for line in lines:
            with contextlib.suppress(ValueError):
                record = record_of(line.decode())
                if run_of(record) == run.id:  # another's may lie between, on a file system without locks
                    records.append(record)
        return records

    def points(self, **asked: str | int) -> list[tuple[str, dict[str, str | int | float]]]:
        """Measurements with the id of their run, the oldest run first.

        Args:
            asked: Columns of the index and what they must be, e.g. ``model="digits.tflite"``.
        """
        unknown = set(asked) - set(POINT)
        if unknown:
            raise ValueError(f"the index has no column {', '.join(sorted(unknown))}")
        where = "".join(f" AND {name} = ?" for name in asked)
        columns = ", ".join(f"points.{name}" for name in POINT)
        query = f"SELECT id, {columns} FROM points JOIN runs ON runs.number = run WHERE 1{where}"  # noqa: S608 - checked
        rows = self._ask(f"{query} ORDER BY run, points.rowid", *asked.values())
        return [(row[0], dict(zip(POINT, row[1:], strict=True))) for row in rows]

    def values(self, cell: Cell, machine: str, metric: str) -> dict[str, float]:
        """A metric of a cell in every run that has it, by the run's id, the oldest first; the middle one of several."""
        asked = {**asdict(cell), "machine": machine, "metric": metric}
        asked["threads"] = min(cell.threads, MOST_THREADS)
        found: dict[str, list[float]] = {}
        for run, point in self.points(**asked):
            found.setdefault(run, []).append(float(point["value"]))
        return {run: statistics.median(several) for run, several in found.items()}

    def _ask(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        """Rows; what is found damaged only now is rebuilt, too."""
        try:
            return self._index.execute(query, values).fetchall()
        except sqlite3.DatabaseError:
            self._index.close()
            _remove(self.path.with_name(INDEX))
            self._index = self._opened(self.path.with_name(INDEX))
            return self._index.execute(query, values).fetchall()

    def _opened(self, path: Path) -> sqlite3.Connection:
        """The index, up to date: the file's, or a new one where that is damaged, or one in memory."""
        for place in (path, path, None):
            index = None
            try:
                index = sqlite3.connect(place or ":memory:", timeout=PATIENCE_S, isolation_level=None)
                self._catch_up(index)
            except (sqlite3.Error, OSError) as error:
                if index is not None:
                    index.close()
                if place is None:
                    raise InfraError(f"cannot index {str(self.path)!r}: {error}") from error
                if getattr(error, "sqlite_errorname", "").startswith(
                    ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_ERROR")
                ):
                    _remove(path)
            else:
                return index
        raise AssertionError("one in memory is there or was refused")

    def _catch_up(self, index: sqlite3.Connection) -> None:
        """Add what was appended to the journal; begin anew where it was pruned."""
        size = os.fstat(self._journal.fileno()).st_size
        if self._is_current(index, size):
            return
        index.execute("BEGIN IMMEDIATE")
        try:
            if index.execute("PRAGMA user_version").fetchone() != (VERSION,) or not self._follows(index, size):
                begin_anew(index, self._ends(0))
            start = index.execute("SELECT bytes FROM state").fetchone()[0]
            add_lines(index, self._lines(start))
            end = self._journal.tell()
            index.execute("UPDATE state SET bytes = ?, ends = ?", (end, self._ends(end)))
            index.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                index.execute("ROLLBACK")
            raise

    def _is_current(self, index: sqlite3.Connection, size: int) -> bool:
        if index.execute("PRAGMA user_version").fetchone() != (VERSION,):
            return False
        return self._follows(index, size) and bool(index.execute("SELECT bytes FROM state").fetchone()[0] == size)

    def _follows(self, index: sqlite3.Connection, size: int) -> bool:
        """Whether the journal still begins with what was indexed."""
        row = index.execute("SELECT bytes, ends FROM state").fetchone()
        return row is not None and row[0] <= size and self._ends(row[0]) == str(row[1])

    def _ends(self, size: int) -> str:
        """A print of both ends of the journal's first bytes: a file that was pruned or put back has others."""
        self._journal.seek(0)
        first = self._journal.read(min(END_BYTES, size))
        self._journal.seek(max(size - END_BYTES, 0))
        return hashlib.sha256(first + self._journal.read(min(END_BYTES, size))).hexdigest()

    def _lines(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Whole lines from a place on, after which the journal stands; one that is being written has no end yet."""
        self._journal.seek(start)
        at = start
        for line in self._journal:
            if not line.endswith(b"\n"):
                self._journal.seek(at)
                return
            yield at, line
            at += len(line)


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
        with contextlib.suppress(OSError):
            (path.parent / name).unlink()
