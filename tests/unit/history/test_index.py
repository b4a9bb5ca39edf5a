"""The index: up to date when it is opened, rebuilt when it is not to be trusted, and never the only copy."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.history.cells import cell_of
from pytest_edgedevice.history.index import INDEX, History
from pytest_edgedevice.history.journal import JOURNAL, Keep, prune, remember
from tests.made_records import close, latency, made

if TYPE_CHECKING:
    from pathlib import Path


def runs(folder: Path) -> list[str]:
    with History(folder) as history:
        return [run.id for run in history.runs()]


def test_runs_are_listed_in_the_order_in_which_they_ended(tmp_path: Path) -> None:
    for run in ("b", "a", "c"):
        remember(tmp_path, [latency(run=run), close(run=run)])
    assert runs(tmp_path) == ["b", "a", "c"]
    with History(tmp_path) as history:
        first = history.runs()[0]
        assert (first.records, first.commit) == (2, "c0ffee")


def test_the_records_of_a_run_come_back(tmp_path: Path) -> None:
    remember(tmp_path, [latency(run="a")])
    remember(tmp_path, [close(run="b"), latency(4.0, run="b")])
    with History(tmp_path) as history:
        found = history.records_of(history.runs()[1])
    assert [(record["check"], record["run"]["id"]) for record in found] == [("close", "b"), ("latency", "b")]


def test_what_was_appended_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    for number in range(3):
        remember(tmp_path, [latency(run=f"run{number}")])
        assert runs(tmp_path) == [f"run{one}" for one in range(number + 1)]


def test_a_metric_is_found_by_cell_and_machine_the_middle_one_of_a_run(tmp_path: Path) -> None:
    remember(tmp_path, [latency(p50, run="a") for p50 in (1.0, 9.0, 2.0)])
    remember(tmp_path, [latency(3.0, run="b"), latency(7.0, run="b", device="hall")])
    remember(tmp_path, [latency(5.0, run="c", facts={"host": "lab"})])
    with History(tmp_path) as history:
        cell = cell_of(latency())
        assert history.values(cell, "", "p50_ms") == {"a": 2.0, "b": 3.0}
        assert history.values(cell, "lab", "p50_ms") == {"c": 5.0}


def test_a_question_about_a_column_that_there_is_not_is_refused(tmp_path: Path) -> None:
    remember(tmp_path, [latency()])
    with History(tmp_path) as history, pytest.raises(ValueError, match="no column colour"):
        history.points(colour="red")


@pytest.mark.parametrize("damage", ["deleted", "garbage", "empty", "another version", "a table is missing", "cut"])
def test_an_index_that_cannot_be_trusted_is_rebuilt(tmp_path: Path, damage: str) -> None:
    path = tmp_path / INDEX
    remember(tmp_path, [latency(run=f"run{number}") for number in range(50)])
    expected = runs(tmp_path)
    whole = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    elif damage in ("another version", "a table is missing"):
        index = sqlite3.connect(path)
        index.execute("PRAGMA user_version = 99" if damage == "another version" else "DROP TABLE points")
        index.close()
    else:
        path.write_bytes({"garbage": b"x" * 5000, "empty": b"", "cut": whole[: len(whole) // 2]}[damage])
    with History(tmp_path) as history:
        assert [run.id for run in history.runs()] == expected
        assert len(history.values(cell_of(latency()), "", "p50_ms")) == 50
    assert path.exists()


def test_a_journal_that_was_pruned_is_indexed_anew(tmp_path: Path) -> None:
    for number in range(4):
        remember(tmp_path, [latency(run=f"run{number}", time="2999-01-01")])
        runs(tmp_path)
    prune(tmp_path, Keep(runs=2))
    for _ in range(3):
        remember(tmp_path, [latency(run="more", time="2999-01-01")])  # as long as before, and another
    assert runs(tmp_path) == ["run2", "run3", "more"]


def test_a_journal_that_was_put_back_is_indexed_anew(tmp_path: Path) -> None:
    remember(tmp_path, [latency(run="a")])
    before = (tmp_path / JOURNAL).read_bytes()
    for run in ("b", "c"):
        (tmp_path / JOURNAL).write_bytes(before)
        remember(tmp_path, [latency(run=run)])
        assert runs(tmp_path) == ["a", run]


def test_a_torn_line_is_not_indexed_and_its_place_is_read_again(tmp_path: Path) -> None:
    remember(tmp_path, [latency(run="a")])
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"schema": 1, "te')
    assert runs(tmp_path) == ["a"]
    remember(tmp_path, [latency(run="b")])
    assert runs(tmp_path) == ["a", "b"]


def test_lines_that_are_no_records_of_a_run_are_passed_over(tmp_path: Path) -> None:
    remember(tmp_path, [latency(run="a"), latency(run="")])
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b"garbage\n\xff\n")
    assert runs(tmp_path) == ["a"]


def test_names_that_no_database_takes_are_indexed(tmp_path: Path) -> None:
    record = latency(model="\ud800'; DROP TABLE runs; --", device="\x00", run="\udfff")
    record["engine"]["threads"] = 1 << 80
    record["model"]["size_bytes"] = 10**400
    remember(tmp_path, [record])
    with History(tmp_path) as history:
        ((_, point), *_) = history.points(metric="p50_ms")
    assert point["model"] == "?'; DROP TABLE runs; --"


def test_a_folder_that_cannot_be_written_has_its_index_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(tmp_path, [latency(run="a")])
    connect = sqlite3.connect

    def refused(place: Any, **options: Any) -> sqlite3.Connection:
        if place != ":memory:":
            raise sqlite3.OperationalError("unable to open database file")
        made: sqlite3.Connection = connect(place, **options)
        return made

    monkeypatch.setattr("sqlite3.connect", refused)
    assert runs(tmp_path) == ["a"]
    assert not (tmp_path / INDEX).exists()


def test_an_index_that_is_nowhere_possible_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(tmp_path, [latency(run="a")])

    def refused(*_: Any, **__: Any) -> sqlite3.Connection:
        raise sqlite3.OperationalError("no")

    monkeypatch.setattr("sqlite3.connect", refused)
    with pytest.raises(InfraError, match="cannot index"):
        History(tmp_path)


def test_a_place_without_a_history_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no history in .*: No such file.*\n.*hint: every run of device tests"):
        History(tmp_path)


def test_readers_beside_a_writer_never_fail(tmp_path: Path) -> None:
    remember(tmp_path, [latency(run="first")])
    seen: list[list[int]] = []

    def look() -> None:
        for _ in range(6):
            with History(tmp_path) as history:
                history.values(cell_of(latency()), "", "p50_ms")
                seen.append([len(history.records_of(run)) for run in history.runs()[1:]])

    readers = [threading.Thread(target=look) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(10):
        remember(tmp_path, [latency(run=f"run{number}"), latency(run=f"run{number}")])
    for reader in readers:
        reader.join(120)
    assert len(seen) == 18
    assert runs(tmp_path) == ["first", *(f"run{number}" for number in range(10))]


def test_the_size_of_a_model_is_known_whatever_was_checked(tmp_path: Path) -> None:
    remember(tmp_path, [made("close", {}, run="a")])
    with History(tmp_path) as history:
        assert history.values(cell_of(latency()), "", "size_bytes") == {"a": 640.0}
