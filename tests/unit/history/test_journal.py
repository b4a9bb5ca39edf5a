"""The journal: concurrent runs, kills in mid-write, torn lines, and what is pruned."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.history import journal
from pytest_edgedevice.history.journal import JOURNAL, Keep, is_due, number_of, prune, remember
from pytest_edgedevice.records import read_lines, read_what_is_there, write_lines
from tests.made_records import latency

WRITER = """
import sys
from pathlib import Path
from pytest_edgedevice.history.journal import remember
from tests.made_records import latency
folder, name, runs, records = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for number in range(runs):
    run = f"{name}-{number}"
    remember(folder, [latency(run=run, test=f"t.py::test_{index}") for index in range(records)])
    print(run, flush=True)
"""


def writer(folder: Path, name: str, *, runs: int, records: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(runs), str(records)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


def counted(folder: Path) -> dict[str, int]:
    """How many records each run has."""
    found: dict[str, int] = {}
    for record in read_what_is_there(folder / JOURNAL).records:
        run = record["run"]["id"]
        found[run] = found.get(run, 0) + 1
    return found


def test_a_run_is_appended_without_its_raw_series_and_logs(tmp_path: Path) -> None:
    record = {**latency(samples_ns=[1, 2]), "device_log": {"logcat": "x"}}
    remember(tmp_path, [latency(run="before")])
    remember(tmp_path, [record])
    first, second = read_lines(tmp_path / JOURNAL)
    assert first["run"]["id"] == "before"
    assert "samples_ns" not in second["numbers"]
    assert second["device_log"] == {}
    assert second["numbers"]["p95_ms"] == 3.0


def test_the_folder_keeps_itself_out_of_git(tmp_path: Path) -> None:
    remember(tmp_path / "a" / ".edgedevice", [latency()])
    assert (tmp_path / "a" / ".edgedevice" / ".gitignore").read_text() == "*\n"


def test_a_folder_that_was_named_is_not_taken_out_of_git(tmp_path: Path) -> None:
    """It may be the project's own, of which git would forget every new file."""
    remember(tmp_path / "a" / "b", [latency()])
    assert not (tmp_path / "a" / "b" / ".gitignore").exists()


def test_a_gitignore_of_the_users_stays(tmp_path: Path) -> None:
    folder = tmp_path / ".edgedevice"
    folder.mkdir()
    (folder / ".gitignore").write_text("mine\n")
    remember(folder, [latency()])
    assert (folder / ".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize("torn", ['{"schema": 1, "te', "x" * 200_000, "\x00\x00"])
def test_a_torn_last_line_is_cut_off_and_nothing_else(tmp_path: Path, torn: str) -> None:
    remember(tmp_path, [latency(run="before")])
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(torn)
    remember(tmp_path, [latency(run="after")])
    assert [record["run"]["id"] for record in read_lines(tmp_path / JOURNAL)] == ["before", "after"]


def test_a_last_line_that_lacks_its_end_only_is_kept(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL
    remember(tmp_path, [latency(run="before"), latency(run="last")])
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    remember(tmp_path, [latency(run="after")])
    assert [record["run"]["id"] for record in read_lines(path)] == ["before", "last", "after"]


def test_runs_that_end_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, runs=8, records=40) for name in "abc"]
    for one in writers:
        one.communicate(timeout=120)
    assert counted(tmp_path) == {f"{name}-{number}": 40 for name in "abc" for number in range(8)}
    read_lines(tmp_path / JOURNAL)  # every line is whole


def test_a_kill_in_mid_write_loses_nothing_that_was_written_before(tmp_path: Path) -> None:
    """Killed at whatever it does just then, again and again, beside a writer that goes on."""
    told: set[str] = set()
    neighbour = writer(tmp_path, "neighbour", runs=25, records=20)
    for number in range(5):
        killed = writer(tmp_path, f"killed{number}", runs=1000, records=400)
        assert killed.stdout is not None
        told |= {killed.stdout.readline().strip() for _ in range(1 + number % 3)}
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    neighbour.communicate(timeout=120)
    found = counted(tmp_path)
    assert {run: found.get(run) for run in told} == dict.fromkeys(told, 400)
    assert {run: count for run, count in found.items() if run.startswith("neighbour")} == {
        f"neighbour-{number}": 20 for number in range(25)
    }
    remember(tmp_path, [latency(run="after")])
    read_lines(tmp_path / JOURNAL)  # healed: every line is whole


@pytest.mark.parametrize("kind", ["file in its place", "folder in the file's place"])
def test_a_history_that_cannot_be_written_is_said(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "history"
    if kind == "file in its place":
        folder.touch()
    else:
        (folder / JOURNAL).mkdir(parents=True)
    with pytest.raises(InfraError, match=r"cannot write"):
        remember(folder, [latency()])


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(tmp_path, [latency(run="before")])

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.write", full)
        with pytest.raises(InfraError, match="No space left on device"):
            remember(tmp_path, [latency()])
    assert counted(tmp_path) == {"before": 1}


def past(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="milliseconds")


def test_the_oldest_runs_are_dropped_by_count(tmp_path: Path) -> None:
    for number in range(5):
        remember(tmp_path, [latency(run=f"run{number}", time=past(0)), latency(run=f"run{number}", time=past(0))])
    assert prune(tmp_path, Keep(runs=2)) == 3
    assert counted(tmp_path) == {"run3": 2, "run4": 2}
    assert prune(tmp_path, Keep(runs=2)) == 0


def test_runs_are_dropped_by_age_but_not_the_newest(tmp_path: Path) -> None:
    for run, days in (("oldest", 30), ("older", 20), ("newest", 10)):
        remember(tmp_path, [latency(run=run, time=past(days))])
    prune(tmp_path, Keep(days=15))
    assert counted(tmp_path) == {"newest": 1}
    prune(tmp_path, Keep(days=1))
    assert counted(tmp_path) == {"newest": 1}


def test_runs_are_dropped_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        remember(tmp_path, [latency(run=f"run{number}", time=past(0))])
    monkeypatch.setattr(journal, "MOST_BYTES", (tmp_path / JOURNAL).stat().st_size // 2)
    prune(tmp_path, Keep())
    assert counted(tmp_path) == {"run6": 1, "run7": 1}


def test_pruning_drops_what_is_no_record(tmp_path: Path) -> None:
    remember(tmp_path, [latency(run="run0", time=past(0))])
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b"garbage \xff\n")
    remember(tmp_path, [latency(run="run1", time=past(0))])
    prune(tmp_path, Keep(runs=1))
    assert [json.loads(line)["run"]["id"] for line in (tmp_path / JOURNAL).read_text().splitlines()] == ["run1"]


def numbers(folder: Path) -> list[int]:
    return [record["run"]["number"] for record in read_lines(folder / JOURNAL)]


def test_runs_are_numbered_in_their_order_also_after_some_were_dropped(tmp_path: Path) -> None:
    for run in "abc":
        remember(tmp_path, [latency(run=run, time=past(0)), latency(run=run, time=past(0))])
    prune(tmp_path, Keep(runs=1))
    remember(tmp_path, [latency(run="d")])
    assert numbers(tmp_path) == [3, 3, 4]


def test_numbers_go_on_where_earlier_versions_wrote_none(tmp_path: Path) -> None:
    write_lines(tmp_path / JOURNAL, [latency(run="old")])
    remember(tmp_path, [latency(run="a")])
    remember(tmp_path, [latency(run="b")])
    assert [number_of(record) for record in read_lines(tmp_path / JOURNAL)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("runs", "days_old", "due"), [(20, 0, False), (22, 0, False), (23, 0, True), (1, 10.5, False), (1, 12, True)]
)
def test_pruning_is_due_when_a_tenth_too_much_is_there(tmp_path: Path, runs: int, days_old: float, due: bool) -> None:
    for number in range(runs):
        remember(tmp_path, [latency(run=f"run{number}", time=past(days_old))] * 2)
    assert is_due(tmp_path / JOURNAL, Keep(runs=20, days=10)) == due


def test_what_is_no_record_hides_no_age(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"garbage \xff\n")
    remember(tmp_path, [latency(time=past(12))])
    assert is_due(tmp_path / JOURNAL, Keep(days=10))


@pytest.mark.parametrize(("most_bytes", "due"), [(9, True), (10, False)])
def test_a_file_without_records_is_pruned_for_its_size_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int, due: bool
) -> None:
    (tmp_path / JOURNAL).write_bytes(b"garbage \xff\n")
    monkeypatch.setattr(journal, "MOST_BYTES", most_bytes)
    assert is_due(tmp_path / JOURNAL, Keep()) == due


def test_nothing_is_due_in_a_file_that_went_away(tmp_path: Path) -> None:
    assert not is_due(tmp_path / JOURNAL, Keep())


def test_a_history_of_more_days_than_time_has_keeps_all(tmp_path: Path) -> None:
    remember(tmp_path, [latency(time="1970-01-01")])
    assert not is_due(tmp_path / JOURNAL, Keep(days=1e9))
