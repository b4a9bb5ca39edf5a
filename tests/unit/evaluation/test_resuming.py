"""An evaluation that was cut goes on from there; what is left of it is scores, and is read with suspicion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.evaluation import Sample, state
from tests.unit.evaluation.conftest import NumpyModel, one_hot

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30
ENDLESS = """
import sys, time
import numpy as np
from tests.unit.evaluation.test_resuming import samples
from tests.unit.evaluation.conftest import NumpyModel

def slowly():
    for at, sample in enumerate(samples()):
        if at == 40:
            time.sleep(600)
        yield sample

NumpyModel().evaluate(slowly, batch=8, resume=sys.argv[1])
"""


class CutError(Exception):
    pass


def samples(count: int = 60) -> Iterator[Sample]:
    """Every fifth one is wrong."""
    for at in range(count):
        inputs = one_hot(at % 3) * np.float32(at + 1)
        yield Sample(inputs, (at + (at % 5 == 0)) % 3, f"photo {at}", ("even",) if at % 2 == 0 else ())


def cut_after(count: int) -> Iterator[Sample]:
    yield from list(samples())[:count]
    raise CutError


def cut(model: NumpyModel, path: Path, count: int = 30, **options: Any) -> None:
    with pytest.raises(CutError):
        model.evaluate(lambda: cut_after(count), batch=5, resume=path, **options)


def finished(path: Path) -> int:
    return len(path.read_bytes().splitlines()) - 1 if path.exists() else 0


def test_what_was_finished_when_the_process_was_killed_is_not_run_again(tmp_path: Path, model: NumpyModel) -> None:
    path = tmp_path / "state.jsonl"
    child = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)], cwd=ROOT)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while finished(path) < 40 and child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == -signal.SIGKILL
    found = model.evaluate(samples, batch=7, resume=path)
    whole = NumpyModel().evaluate(samples, resume=False)
    assert (found.resumed, sum(model.ran)) == (40, 20)
    assert (found.total, found.slices, found.worst) == (whole.total, whole.slices, whole.worst)
    assert not path.exists()


def test_scores_and_hashes_are_all_that_is_kept(tmp_path: Path, model: NumpyModel) -> None:
    cut(model, tmp_path / "state.jsonl", 10)
    head, *lines = [json.loads(line) for line in (tmp_path / "state.jsonl").read_text().splitlines()]
    assert head["key"]["model"] == model.info.sha256
    assert [len(name) for name, *_ in lines] == [32] * 10
    assert [score for _, score, _ in lines] == [float(at % 5 != 0) for at in range(10)]
    assert "photo" not in json.dumps(lines)
    assert (tmp_path / "state.jsonl").stat().st_mode & 0o777 == 0o600


def test_samples_are_known_by_content_in_whatever_order_they_come(tmp_path: Path, model: NumpyModel) -> None:
    path = tmp_path / "state.jsonl"
    cut(model, path)
    model.ran.clear()
    found = model.evaluate(lambda: list(samples())[::-1], batch=8, resume=path)
    assert (found.resumed, sum(model.ran), found.total.successes) == (30, 30, 48)


def other_model(model: NumpyModel) -> NumpyModel:
    other = NumpyModel()
    other.device_name = "another desk"
    return other


@pytest.mark.parametrize("changed", ["metric", "device", "output"])
def test_scores_of_something_else_are_of_no_use(tmp_path: Path, model: NumpyModel, changed: str) -> None:
    path = tmp_path / "state.jsonl"
    cut(model, path)
    again = other_model(model) if changed == "device" else NumpyModel()
    options: dict[str, Any] = {"metric": {"metric": "top-2"}, "output": {"output": "y"}}.get(changed, {})
    found = again.evaluate(samples, resume=path, **options)
    assert (found.resumed, sum(again.ran)) == (0, 60)


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path, model: NumpyModel) -> None:
    path = tmp_path / "state.jsonl"
    cut(model, path)
    with path.open("ab") as file:
        file.write(b'["00ff')
    assert model.evaluate(samples, resume=path).resumed == 30


@pytest.mark.parametrize(
    "line",
    ['["zz", 1.0, 1]', '["00", NaN, 1]', "[" * 5000, "5", '{"a": 1}', '["{hash}", "1.0", {sum}]', "\\xff"],
)
def test_lines_that_are_no_scores_count_for_nothing(tmp_path: Path, model: NumpyModel, line: str) -> None:
    path = tmp_path / "state.jsonl"
    cut(model, path)
    content = path.read_text().splitlines()
    name, _, checked = json.loads(content[1])
    kept = [content[0], line.replace("{hash}", name).replace("{sum}", str(checked)), *content[2:]]
    path.write_text("\n".join(kept) + "\n")
    found = model.evaluate(samples, resume=path)
    assert (found.resumed, found.total.successes) == (29, 48)


@pytest.mark.parametrize("score", ["0.5", "1" + 400 * "0", "[1.0]"])
def test_a_score_that_was_changed_counts_for_nothing(tmp_path: Path, model: NumpyModel, score: str) -> None:
    path = tmp_path / "state.jsonl"
    cut(model, path)
    path.write_text(path.read_text().replace(" 1.0,", f" {score},", 1))
    found = model.evaluate(samples, resume=path)
    assert (found.resumed, found.total.successes) == (29, 48)


@pytest.mark.parametrize("path", [5, "", "a\0b", b"state"])
def test_what_is_no_path_is_no_state(model: NumpyModel, path: Any) -> None:
    with pytest.raises(UsageError, match="resume must be a path"):
        model.evaluate(samples, resume=path)


def test_a_result_that_fails_costs_no_sample(tmp_path: Path, model: NumpyModel) -> None:
    class Share:
        fails = True

        def observe(self, output: Any, label: Any) -> bool:
            return bool(output.argmax() == label)

        def result(self, observations: Any) -> float:
            return 1 / 0 if type(self).fails else float(np.mean(observations))

    with pytest.raises(UsageError, match="metric 'Share' failed over 60 samples: ZeroDivisionError"):
        model.evaluate(samples, Share(), resume=tmp_path / "state.jsonl")
    assert len((tmp_path / "state.jsonl").read_text().splitlines()) == 61


@pytest.mark.parametrize("content", [b"file,label\n", b"\x00\x01", b'{"schema": 1}\n'])
def test_a_file_of_something_else_is_never_written_over(tmp_path: Path, model: NumpyModel, content: bytes) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="it holds something else"):
        model.evaluate(samples, resume=path)
    assert path.read_bytes() == content


def test_a_state_that_another_evaluation_uses_is_refused(tmp_path: Path, model: NumpyModel) -> None:
    path = tmp_path / "state.jsonl"
    held = state.State(path, {"a": 1})
    try:
        with pytest.raises(UsageError, match="cannot keep the state"):
            model.evaluate(samples, resume=path)
    finally:
        held.close(finished=True)


def test_a_folder_is_no_state(tmp_path: Path, model: NumpyModel) -> None:
    with pytest.raises(UsageError, match="cannot keep the state"):
        model.evaluate(samples, resume=tmp_path)


def test_labels_that_cannot_be_hashed_are_no_state(tmp_path: Path, model: NumpyModel) -> None:
    data = [(one_hot(0), object())]
    with pytest.raises(InputError, match="is no plain value"):
        model.evaluate(data, lambda output, label: 1.0, resume=tmp_path / "state.jsonl")
    with pytest.raises(InputError, match="bytes of its own"):
        model.evaluate([(one_hot(0), np.array([None]))], lambda output, label: 1.0, resume=True)


class TestByItself:
    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state, "WORTH_S", -1.0)

    def cut(self, model: NumpyModel) -> list[Path]:
        with pytest.raises(CutError):
            model.evaluate(lambda: cut_after(30), batch=5)
        return list(state.FOLDER.glob("*.jsonl"))

    def test_what_takes_long_can_be_resumed_without_being_asked(self, model: NumpyModel) -> None:
        (path,) = self.cut(model)
        assert (state.FOLDER.parent / ".gitignore").read_text() == "*\n"
        found = model.evaluate(samples, batch=5)
        assert (found.resumed, found.total.successes) == (30, 48)
        assert not path.exists()

    def test_it_leaves_nothing_where_that_is_not_wanted(self, model: NumpyModel) -> None:
        with pytest.raises(CutError):
            model.evaluate(lambda: cut_after(30), batch=5, resume=False)
        assert not state.FOLDER.parent.exists()

    def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(self, model: NumpyModel) -> None:
        state.FOLDER.parent.write_text("a file")
        assert model.evaluate(samples).samples == 60

    def test_labels_that_cannot_be_hashed_are_no_reason_to_stop(self, model: NumpyModel) -> None:
        assert model.evaluate([(one_hot(0), object())] * 9, lambda output, label: 1.0, batch=2).samples == 9

    def test_what_nobody_came_back_for_is_removed(self, model: NumpyModel) -> None:
        (path,) = self.cut(model)
        old = path.with_name("old.jsonl")
        path.rename(old)
        os.utime(old, (0, 0))
        model.evaluate(samples)
        assert not list(state.FOLDER.iterdir())


def test_a_disk_that_fills_up_ends_only_what_asked_for_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state.State, "add", full)
    with pytest.raises(UsageError, match="No space left on device"):
        NumpyModel().evaluate(samples, resume=tmp_path / "state.jsonl")
    monkeypatch.setattr(state, "WORTH_S", -1.0)
    assert NumpyModel().evaluate(samples).samples == 60


@pytest.mark.parametrize(
    "label",
    [np.float32(1), {"boxes": [[1, 2]], "n": None}, (1, "a", b"b", True), Sample(np.zeros(2), 1), np.zeros((0, 4))],
)
def test_labels_of_any_plain_kind_are_told_apart(tmp_path: Path, label: Any) -> None:
    path, model = tmp_path / "state.jsonl", NumpyModel()

    def twice() -> Iterator[Any]:
        yield one_hot(0), label
        yield one_hot(0), "another"
        raise CutError

    with pytest.raises(CutError):
        model.evaluate(twice, lambda output, label: 1.0, batch=2, resume=path)
    assert len(set(path.read_text().splitlines()[1:])) == 2
