"""What the index of the history holds, and how a line of the journal gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.history.cells import cell_of, found_in, machine_of
from pytest_edgedevice.history.journal import run_of
from pytest_edgedevice.records.shape import record_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.records import Record

VERSION = 1
MOST_THREADS = 1 << 31
RUN = ("number INTEGER PRIMARY KEY", "id TEXT UNIQUE", "time TEXT", "commit_id TEXT", "records INTEGER",
       "begins INTEGER", "ends INTEGER")  # fmt: skip
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


def add_line(index: sqlite3.Connection, line: bytes, begins: int, ends: int) -> None:
    """Add a line of the journal; one that is torn, of another schema or of no run is left out.

    Args:
        index: The database.
        line: With its end.
        begins: Where it lies, bytes.
        ends: Where the next one begins.
    """
    try:
        record = record_of(line.decode())
    except ValueError:
        return
    run = run_of(record)
    if not run:
        return
    known = index.execute("SELECT number FROM runs WHERE id = ?", (_text(run),)).fetchone()
    if known is None:
        commit = str(record["run"].get("commit", ""))
        values = (*map(_text, (run, str(record.get("time", "")), commit)), begins, ends)
        number = index.execute(
            "INSERT INTO runs (id, time, commit_id, records, begins, ends) VALUES (?, ?, ?, 1, ?, ?)", values
        ).lastrowid
    else:
        number = known[0]
        index.execute("UPDATE runs SET records = records + 1, ends = ? WHERE number = ?", (ends, number))
    rows = [(number, *row) for row in _points(record)]
    index.executemany(f"INSERT INTO points VALUES (?{', ?' * len(POINT)})", rows)  # noqa: S608 - question marks


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
