"""Baselines: keyed by what must be the same, failing only where their noise is known, read with suspicion."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.history import alone, baselines
from pytest_edgedevice.history.baselines import Key, key_of, key_of_record, read_baselines, update_baselines
from pytest_edgedevice.history.regression import compare
from pytest_edgedevice.records import Record, build, with_outcome
from pytest_edgedevice.values import Evidence, ModelInfo, Placement

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.values import Fact

KEY = Key("desk, Xeon, 4 cores", "6.1", "litert 2.1", "xnnpack", 1, "m.tflite")
FACTS: dict[str, Fact] = {"model": "Xeon", "cores": 4, "kernel": "6.1"}
STEADY = [10.0, 10.1, 9.9, 10.05, 9.95] * 2
NOISY = [10.0, 12.0, 9.0, 11.0, 10.5] * 2


def record(median_ms: float = 10.0, *, outcome: Any = "passed", verdict: Any = "pass", **numbers: Any) -> Record:
    model = ModelInfo("m.tflite", "a" * 64, 640, "float32", (), (), "litert", "2.1", 1)
    placement = Placement("cpu", "xnnpack", 1, 1, 1, {}, "counted")
    told = {"p50_ms": median_ms, "steady": True, "emulated": False, "judged_from": 0, **numbers}
    evidence = Evidence("latency", verdict, "", told, model, placement, "desk")
    return with_outcome(build(evidence, test="t", facts=FACTS, version="1", time="now"), outcome)


def test_medians_of_a_damaged_file_that_are_worlds_apart_fail_nothing() -> None:
    assert compare(1.0, [5e-324, 1e11] * 5).verdict == "pass"


def test_a_new_configuration_is_compared_with_nothing() -> None:
    assert compare(10, []).verdict == "new"


@pytest.mark.parametrize(("median_ms", "verdict"), [(10.4, "pass"), (10.6, "fail"), (5.0, "pass")])
def test_where_the_noise_is_known_and_small_five_percent_are_allowed(median_ms: float, verdict: str) -> None:
    assert compare(median_ms, STEADY).verdict == verdict


@pytest.mark.parametrize(("median_ms", "verdict"), [(13.5, "pass"), (18.0, "fail")])
def test_where_the_noise_is_large_it_is_allowed(median_ms: float, verdict: str) -> None:
    assert compare(median_ms, NOISY).verdict == verdict


@pytest.mark.parametrize(("median_ms", "verdict"), [(10.9, "pass"), (11.1, "warn"), (99.0, "warn")])
def test_where_the_noise_is_not_known_it_only_warns(median_ms: float, verdict: str) -> None:
    assert compare(median_ms, [10.0] * 9).verdict == verdict


def test_a_regression_says_by_how_much_and_why_it_counts() -> None:
    assert compare(12.0, STEADY).reason == (
        "median 12 ms is 20 % over its baseline of 10 ms (limit 10.5 ms by 10 runs)"
    )
    assert compare(12.0, [10.0]).reason == (
        "median 12 ms is 20 % over its baseline of 10 ms (a warning only, as it has 1 runs)"
    )


def test_without_a_change_hardly_any_run_fails() -> None:
    random = np.random.RandomState(1)
    runs = np.exp(0.08 * random.standard_normal((2000, 11))) * 10
    failed = sum(compare(float(one[-1]), [float(value) for value in one[:-1]]).verdict == "fail" for one in runs)
    assert failed / 2000 <= 0.005


def test_the_key_names_device_software_engine_delegate_threads_and_model() -> None:
    assert key_of_record(record()) == KEY
    assert str(KEY) == "desk, Xeon, 4 cores, 6.1, litert 2.1, xnnpack, 1, m.tflite"


def test_a_build_is_a_better_name_of_the_software_than_a_kernel() -> None:
    key = key_of(
        {"kernel": "5", "build": "b1"}, device="d", engine="", delegate="", threads=1, model="", sustained=True
    )
    assert (key.device, key.build, key.how) == ("d", "b1", "sustained")


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "failed"},
        {"outcome": None},
        {"verdict": "inconclusive"},
        {"emulated": True},
        {"steady": False},
    ],
    ids=str,
)
def test_what_did_not_pass_or_does_not_count_becomes_no_baseline(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert update_baselines(tmp_path / "b.jsonl", [record(**changes)]) == 0
    assert read_baselines(tmp_path / "b.jsonl") == {}


def test_other_checks_become_no_baseline() -> None:
    evidence = Evidence("metric", "pass", "", {"value": 1})
    assert key_of_record(with_outcome(build(evidence, test="t", facts={}, version="1", time="now"), "passed")) is None


def test_a_run_adds_one_median_however_many_tests_measured(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    assert update_baselines(path, [record(9.0), record(10.0), record(30.0)]) == 1
    assert update_baselines(path, [record(11.0), record(5.0, judged_from=3)]) == 2
    found = read_baselines(path)
    assert found[KEY] == [10.0, 11.0]
    assert [key.how for key in found] == ["", "sustained"]


def test_the_oldest_runs_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    for median in range(1, 53):
        update_baselines(path, [record(float(median))])
    assert read_baselines(path)[KEY] == [float(value) for value in range(3, 53)]


@pytest.mark.parametrize("median", [0, None, "10", -1])
def test_a_median_that_is_none_is_not_kept(tmp_path: Path, median: Any) -> None:
    assert update_baselines(tmp_path / "b.jsonl", [record(p50_ms=median)]) == 0


LINE: dict[str, Any] = {
    "baseline": 1,
    "key": dict.fromkeys(("device", "build", "engine", "delegate", "model", "how"), "x") | {"threads": 1},
    "p50_ms": [1.0],
}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "b.jsonl:1: not JSON"),
        ("[" * 100_000, "b.jsonl:1: not JSON"),
        ("[1]", "b.jsonl:1: no baseline of schema 1"),
        ('{"baseline": 2}', "no baseline of schema 1"),
        (json.dumps({**LINE, "key": None}), "'key' must have exactly device, build"),
        (json.dumps({**LINE, "key": {**LINE["key"], "more": 1}}), "'key' must have exactly"),
        (json.dumps({**LINE, "key": {**LINE["key"], "threads": "1"}}), "'threads' of the key is no int"),
        (json.dumps({**LINE, "key": {**LINE["key"], "model": 1}}), "'model' of the key is no str"),
        (json.dumps({**LINE, "p50_ms": []}), "'p50_ms' is no list of milliseconds"),
        (json.dumps({**LINE, "p50_ms": [0]}), "'p50_ms' is no list"),
        (json.dumps({**LINE, "p50_ms": [True]}), "'p50_ms' is no list"),
        (json.dumps({**LINE, "p50_ms": [float("nan")]}), "'p50_ms' is no list"),
        (json.dumps({**LINE, "p50_ms": [10**400]}), "'p50_ms' is no list"),
        (json.dumps({**LINE, "p50_ms": "1"}), "'p50_ms' is no list"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_line_is_refused_with_a_sentence(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "b.jsonl").write_text(line)
    with pytest.raises(UsageError, match=why):
        read_baselines(tmp_path / "b.jsonl")


def test_a_good_line_among_empty_ones_is_read(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(f"\n{json.dumps(LINE)}\n\n")
    assert list(read_baselines(tmp_path / "b.jsonl").values()) == [[1.0]]


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "b", tmp_path / "none"):
        with pytest.raises(UsageError, match="cannot read baselines"):
            read_baselines(path)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "b").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="too large for baselines"):
        read_baselines(tmp_path / "b")


def test_lines_of_one_configuration_are_taken_together(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text(f"{json.dumps(LINE)}\n{json.dumps({**LINE, 'p50_ms': [2.0, 3.0]})}\n")
    assert list(read_baselines(tmp_path / "b.jsonl").values()) == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize("made", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, made: Callable[[Path], None]) -> None:
    made(tmp_path / "b")
    with pytest.raises(UsageError, match="cannot read baselines"):
        read_baselines(tmp_path / "b")
    with pytest.raises(InfraError, match="cannot write"):
        update_baselines(tmp_path / "b", [record()])


def test_runs_that_end_at_once_all_leave_their_median(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    workers = [threading.Thread(target=update_baselines, args=(path, [record(float(at))])) for at in range(1, 17)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert sorted(read_baselines(path)[KEY]) == [float(at) for at in range(1, 17)]
    assert [one.name for one in tmp_path.iterdir()] == ["b.jsonl"]


def test_a_run_that_does_not_let_go_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "b.jsonl"
    monkeypatch.setattr(alone, "PATIENCE_S", 0.05)
    with alone.alone(path), pytest.raises(InfraError, match=r"b.jsonl': another process has held it for 0.05 s"):
        update_baselines(path, [record()])


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert update_baselines(tmp_path / "b.jsonl", [record()]) == 1


def test_a_failure_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise InfraError("full")

    monkeypatch.setattr(baselines, "write_lines", refuse)
    with pytest.raises(InfraError):
        update_baselines(tmp_path / "b.jsonl", [record()])
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((InfraError, UsageError)):
        update_baselines(tmp_path / "file" / "b.jsonl", [record()])
