"""A recording stands in for its device: the same answers, and clear words for what it does not know."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import (
    AgentDiedError,
    DelegateImpossibleError,
    InfraError,
    InputError,
    ModelError,
    UsageError,
)
from pytest_edgedevice.interfaces import DeviceLike
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog, NoneFitsError, open_device
from pytest_edgedevice.replay import Recorder, open_replay, record
from pytest_edgedevice.replay.timing import judged_again
from tests.peers.board_in_process import BoardInProcess
from tests.unit.replay.conftest import PROFILE, RESOURCES, ROWS, SERIES, STAGES, STREAM, TIMING, TINY, Telling

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.replay import ReplayedDevice


def test_it_is_a_device_that_says_what_it_is(replayed: ReplayedDevice) -> None:
    assert isinstance(replayed, DeviceLike)
    assert (replayed.name, replayed.facts["replayed"], replayed.shared) == ("pixel (replayed)", True, False)
    assert (replayed.conditions(), replayed.waiters(), replayed.note_fault("x")) == ({"battery": 80}, 0, None)
    replayed.tell_waiters("test")
    replayed.note_health()
    assert "run.npz" in repr(replayed)


def test_answers_are_found_by_each_samples_inputs_in_any_order(model: Any) -> None:
    run = model.run({"x": ROWS[[7, 0, 3]]})
    assert np.array_equal(run.outputs["doubled"], 2 * ROWS[[7, 0, 3]])
    assert (run.samples, len(run.inference_ns), run.device) == (3, 3, "pixel (replayed)")
    assert run.model == model.info
    assert run.placement.requested == "xnnpack"


def test_inputs_that_were_not_run_are_an_error_that_counts_the_known_ones(model: Any) -> None:
    with pytest.raises(InputError, match=r"no answer of two_outputs\.tflite to sample 1: it knows 8 other samples"):
        model.run({"x": ROWS[[0, 9]]})


def test_nan_is_refused_as_on_the_device(model: Any) -> None:
    with pytest.raises(InputError, match="holds NaN"):
        model.run({"x": ROWS[:1] * np.nan})


@pytest.mark.parametrize(
    ("name", "options", "kind", "text"),
    [
        ("add_int8", {}, InputError, r"does not know add_int8\.tflite .* it knows: two_outputs\.tflite \(.*no_batch"),
        ("two_outputs", {"delegate": "cpu"}, DelegateImpossibleError, "with the delegates xnnpack, not with 'cpu'"),
        ("two_outputs", {"delegate": "xnnpack"}, InputError, "with threads 2, not 1"),
        ("two_outputs", {"delegate": "xnnpack", "threads": 2, "engine": "tflite"}, InputError, "with engine"),
        ("custom_op", {}, ModelError, r"(?s)custom op.*\(replayed\)"),
        ("two_outputs", {"threads": 0}, InputError, "threads"),
        ("no_such_file", {}, ModelError, "does not exist"),
    ],
)
def test_what_was_not_recorded_is_an_error_that_says_what_was(
    replayed: ReplayedDevice, name: str, options: dict[str, Any], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind, match=text):
        replayed.load(TINY / f"{name}.tflite", **options)


def test_an_engine_may_be_named_and_fallback_allowed_in_vain(replayed: ReplayedDevice) -> None:
    options: dict[str, Any] = {"delegate": "xnnpack", "threads": 2, "engine": "litert", "fallback": "allow"}
    assert replayed.load(TINY / "two_outputs.tflite", **options).info.engine == "litert"


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        ({"budget_ms": 2.5}, "pass"),
        ({"budget_ms": 1.5}, "fail"),
        ({"budget_ms": 2.0165}, "inconclusive"),
        ({"budget_ms": 2.5, "quantile": 0.5}, "pass"),
        ({"budget_ms": 2.5, "sustained_s": 60.0}, "pass"),
        ({}, None),
    ],
)
def test_a_recorded_series_is_judged_by_the_budget_of_now(model: Any, asked: dict[str, Any], verdict: str) -> None:
    timing = model.measure(**asked)
    assert (timing.verdict, timing.samples_ns) == (verdict, SERIES)
    assert timing.reason.endswith("(replayed)") == (verdict in ("fail", "inconclusive"))
    assert timing.conditions["before"] == {"load": 0.1, "governor": "performance", "replayed": True}
    assert timing.disturbances == TIMING.disturbances
    assert timing.quantile == asked.get("quantile", 0.95)


@pytest.mark.parametrize(("recorded_ms", "used"), [(99.5, 0.9875), (None, 0.975)])
def test_a_replay_shows_no_more_than_its_device_did(recorded_ms: float | None, used: float) -> None:
    series = tuple(int(value) * 1_000_000 for value in np.random.RandomState(0).permutation(np.arange(1, 101)))
    taken = dataclasses.replace(
        TIMING,
        samples_ns=series,
        batch=1,
        judged_from=0,
        budget_ms=recorded_ms,
        confidence=0.95,
        look_confidence=0.9875,
    )
    again = judged_again(taken, budget_ms=99.5, quantile=0.95, confidence=0.95)
    assert (again.verdict, again.look_confidence) == ("inconclusive", used)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"steady": False}, "inconclusive"),
        ({"disturbances": (dataclasses.replace(TIMING.disturbances[0], rule="inconclusive"),)}, "inconclusive"),
    ],
)
def test_what_took_the_verdict_away_then_does_so_now(tmp_path: Path, change: dict[str, Any], verdict: str) -> None:
    board: Any = Telling()
    with record(board, tmp_path / "run.npz"):
        board.load(TINY / "no_batch.tflite").measure(**change)
    with open_replay(str(tmp_path / "run.npz")) as device:
        assert device.load(TINY / "no_batch.tflite").measure(budget_ms=5).verdict == verdict


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"budget_ms": 0}, "positive number of milliseconds"),
        ({"budget_ms": 5, "confidence": 0.4}, "confidence must be from 0.5 to 0.999999"),
        ({"budget_ms": True}, "positive number of milliseconds"),
        ({"quantile": 1}, "quantile must lie between"),
        ({"confidence": "0.9"}, "confidence must lie between"),
        ({"inputs": ROWS.astype(int)}, "needs float32"),
    ],
)
def test_a_question_that_cannot_be_is_refused_as_on_the_device(model: Any, asked: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        model.measure(**asked)


def test_what_a_model_told_besides_is_told_again(model: Any) -> None:
    told = (model.resources(), model.stream(fps=30), model.profile(), model.stages())
    assert told == (RESOURCES, STREAM, PROFILE, STAGES)


def test_what_was_not_measured_is_not_recorded(replayed: ReplayedDevice) -> None:
    quiet = replayed.load(TINY / "no_batch.tflite")
    assert set(quiet.resources().problems.values()) == {"not recorded"}
    assert quiet.profile().problem == "not recorded"
    for ask in (quiet.stream, quiet.stages, quiet.measure):
        with pytest.raises(InputError, match="--edge-record-run"):
            ask()


@pytest.mark.parametrize(
    "ask", [("resources", {"seconds": 0}), ("stream", {"fps": 0}), ("profile", {"runs": 0}), ("stream", {"fps": 7})]
)
def test_a_rate_or_time_that_cannot_be_is_refused(model: Any, ask: tuple[str, dict[str, Any]]) -> None:
    with pytest.raises(InputError):
        getattr(model, ask[0])(**ask[1])


def test_models_end_with_their_block_and_with_the_device(recording: Path) -> None:
    device = open_replay(str(recording))
    first = device.load(TINY / "no_batch.tflite")
    device.reconnect(wait_s=1)
    assert device.recovered == ("lost and back",)
    with device.load(TINY / "no_batch.tflite") as second:
        assert second.info.name == "no_batch.tflite"
    third = device.load(TINY / "no_batch.tflite")
    device.close()
    device.close()
    for one in (first, second, third):
        with pytest.raises(AgentDiedError, match="has ended"):
            one.run(ROWS)
    with pytest.raises(InputError, match="is closed"):
        device.load(TINY / "no_batch.tflite")


def test_samples_of_varying_shape_come_back_as_a_list(tmp_path: Path) -> None:
    board: Any = BoardInProcess()
    images = [np.ones((2, 3, 3), np.float32), np.ones((4, 2, 3), np.float32)]
    with record(board, tmp_path / "run.npz"):
        board.load(TINY / "dynamic.tflite", delegate="cpu").run({"image": images})
    with open_replay(str(tmp_path / "run.npz")) as device:
        model = device.load(TINY / "dynamic.tflite", delegate="cpu")
        run = model.run({"image": images})
        assert [one.shape for one in run.outputs["doubled"]] == [(2, 3, 3), (4, 2, 3)]
        assert np.shape(model.run({"image": images[1:]}).outputs["doubled"]) == (1, 4, 2, 3)


def test_several_devices_in_one_recording_are_told_apart_by_name(tmp_path: Path) -> None:
    with Recorder(tmp_path / "run.npz") as recorder:
        for name in ("left", "right", "left"):
            board: Any = BoardInProcess(name)
            recorder.watch(board)
            board.load(TINY / "no_batch.tflite").run(ROWS)
        recorder.finish()
    address = str(tmp_path / "run.jsonl")
    with pytest.raises(UsageError, match="holds several devices: left, right") as caught:
        open_replay(address)
    assert caught.value.hint == "write replay:PATH#left"
    with open_replay(f"{address}#right") as device:
        assert device.name == "right (replayed)"
    with pytest.raises(UsageError, match="has no device 'up'"):
        open_replay(f"{address}#up")


def test_a_recording_that_ends_in_an_error_leaves_the_earlier_one(tmp_path: Path) -> None:
    (tmp_path / "run.npz").write_bytes(b"earlier")
    with pytest.raises(ZeroDivisionError), record(BoardInProcess(), tmp_path / "run.npz"):  # type: ignore[arg-type]
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
    assert (tmp_path / "run.npz").read_bytes() == b"earlier"


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InfraError, match="cannot write"):
        Recorder(tmp_path / "file" / "run.npz")


def test_a_spec_opens_it_without_a_lease(recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    with open_device(f"replay:{recording}") as one, open_device(f"replay:{recording}") as other:
        assert one.identity == other.identity
    assert not list(tmp_path.rglob("*.lock"))


def test_a_device_file_names_it_and_adds_its_facts(recording: Path) -> None:
    file = recording.parent / "edgedevice.toml"
    file.write_text('[devices.shelf]\nspec = "replay:run.jsonl"\ntags = ["camera"]\n')
    known = Catalog(load_inventory(recording.parent, explicit=file))
    with open_device("shelf", catalog=known) as device:
        assert (device.facts["camera"], device.facts["name"]) == (True, "shelf")
    (one,) = known.candidates(known.parse("shelf"))
    assert (one.name, one.elsewhere is not None) == ("shelf", True)
    with pytest.raises(InfraError, match="no device matches 'camera'"):
        known.candidates(known.parse("camera"))
    wish = known.expression("cores>=4000")
    with pytest.raises(NoneFitsError):
        open_device("shelf", catalog=known, requires=[wish])


def test_the_recording_holds_no_inputs(recording: Path) -> None:
    with np.load(recording.with_suffix(".npz"), allow_pickle=False) as archive:
        told = json.loads(bytes(archive["description"]))
        arrays = [archive[name] for name in archive.files if name != "description"]
    assert told["devices"][0]["loadings"][0]["name"] == "two_outputs.tflite"
    assert not any(np.array_equal(array, ROWS[: len(array)]) for array in arrays)
    assert len(arrays) == 4
