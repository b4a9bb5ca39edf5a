"""What the index of the history holds, and how lines of the journal get there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.history.cells import cell_of, found_in, machine_of
from pytest_edgedevice.history.journal import run_of
from pytest_edgedevice.records.shape import record_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_edgedevice.records import Record

VERSION = 1
MOST_THREADS = 1 << 31
RUN = ("number INTEGER PRIMARY KEY", "id TEXT UNIQUE", "time TEXT", "commit_id TEXT", "records INTEGER",
       "begins INTEGER", "ends INTEGER")  # fmt: skip
RECORDS, ENDS = 4, 6
"""Places in ``RUN``."""
POINT = ("time", "model", "variant", "device", "machine", "delegate", "threads", "engine", "metric", "value", "unit",
         "better", "verdict")  # fmt: skip
TABLES = (
    "CREATE TABLE state (bytes INTEGER, ends TEXT)",
    f"CREATE TABLE runs ({', '.join(RUN)})",
    f"CREATE TABLE points (run INTEGER, {', '.join(POINT)})",
    "CREATE INDEX by_model ON points (model, metric)",
)


def begin_anew(index: sqlite3.Connection, ends: str) -> None:
    """Empty tables, in a transaction of the caller's.

    Args:
        index: The database.
        ends: Print of a journal of which nothing was read.
    """
    for (name,) in index.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        index.execute(f'DROP TABLE "{name}"')
    for table in TABLES:
        index.execute(table)
    index.execute("INSERT INTO state VALUES (0, ?)", (ends,))
    index.execute(f"PRAGMA user_version = {VERSION}")


def add_lines(index: sqlite3.Connection, lines: Iterable[tuple[int, bytes]]) -> None:
    """Add lines of the journal; what is torn, of another schema or of no run is left out.

    Args:
        index: The database.
        lines: Where each begins, bytes, and the line with its end.
    """
    runs = {row[1]: list(row) for row in index.execute("SELECT * FROM runs")}
    touched: dict[str, list[Any]] = {}
    index.executemany(
        f"INSERT INTO points VALUES (?{', ?' * len(POINT)})",  # noqa: S608 - question marks
        _rows(lines, runs, touched),
    )
    index.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", touched.values())


def _rows(
    lines: Iterable[tuple[int, bytes]], runs: dict[str, list[Any]], touched: dict[str, list[Any]]
) -> Iterator[tuple[str | int | float, ...]]:
    """The measurements of each line with the number of its run, which is noted, too."""
    for begins, line in lines:
        try:
            record = record_of(line.decode())
        except ValueError:
            continue
        id_ = _text(run_of(record))
        if not id_:
            continue
        if id_ not in runs:
            commit = str(record["run"].get("commit", ""))
            runs[id_] = [len(runs) + 1, id_, _text(str(record.get("time", ""))), _text(commit), 0, begins, begins]
        run = touched[id_] = runs[id_]
        run[RECORDS] += 1
        run[ENDS] = begins + len(line)
        for point in _points(record):
            yield (run[0], *point)


def _points(record: Record) -> Iterator[Sequence[str | int | float]]:
    engine, cell = record.get("engine") or {}, cell_of(record)
    subject: tuple[str | int, ...] = (
        *map(_text, (cell.model, cell.variant, cell.device, machine_of(record), cell.delegate)),
        min(cell.threads, MOST_THREADS),
        _text(f"{engine.get('name', '')} {engine.get('version', '')}".strip()),
    )
    for one in found_in(record):
        told = map(_text, (one.metric, one.unit, one.better, record["verdict"]))
        metric, unit, better, verdict = told
        yield (_text(record.get("time", "")), *subject, metric, one.value, unit, better, verdict)


def _text(text: str) -> str:
    """A text that a database can hold: names come from elsewhere."""
    return text.encode("utf-8", "replace").decode("utf-8")
