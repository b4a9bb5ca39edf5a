"""The likely cause outside pytest; and what becomes of a question that cannot be asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice import find_blame
from pytest_edgedevice.blame import asking
from pytest_edgedevice.errors import DeviceLostError
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.metrics import cosine
from pytest_edgedevice.transports.local import local_identity
from tests.peers.board_in_process import BoardInProcess

if TYPE_CHECKING:
    from pytest_edgedevice.values import Run

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"
X = np.random.default_rng(1).standard_normal((6, 4)).astype(np.float32)
RIGHT = {"doubled": 2 * X, "negated": -X}


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setattr(asking, "LEASE_S", 0.0)


@pytest.fixture
def board() -> BoardInProcess:
    return BoardInProcess()


def run_on(board: BoardInProcess, **options: Any) -> Run:
    with board.load(TINY / "two_outputs.tflite", **options) as model:
        return model.run({"x": X})


def blame(board: Any, run: Run, reference: Any = None, **more: Any) -> Any:
    given = {"path": TINY / "two_outputs.tflite", "inputs": {"x": X}, "atol": 1e-4, **more}
    return find_blame(run, RIGHT if reference is None else reference, device=board, **given)


def test_a_run_that_is_close_has_nobody_to_blame(board: BoardInProcess) -> None:
    assert blame(board, run_on(board)) is None


def test_a_delegate_is_found_and_nothing_stays_loaded(board: BoardInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "scaled")
    monkeypatch.setenv("WRONG", "xnnpack")
    found = blame(board, run_on(board, delegate="xnnpack"), delegate="xnnpack")
    assert (found.likely, board.open_models) == ("delegate", 0)
    assert [one.kind for one in found.observations] == ["again", "delegate", "delegate", "delegate"]


def test_a_metric_judges_every_answer(board: BoardInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULT", "scaled")
    monkeypatch.setenv("WRONG", "xnnpack")
    run = run_on(board, delegate="xnnpack")
    found = blame(board, run, atol=None, metric="psnr", at_least=60, delegate="xnnpack")
    assert (found.likely, found.observations[1].close) == ("delegate", True)
    assert blame(board, run, atol=None, metric=cosine(gain=None), delegate="xnnpack") is None


def test_a_host_that_is_held_by_others_is_not_waited_for_and_not_guessed(board: BoardInProcess) -> None:
    lease = acquire([local_identity()], holder=Holder.here(test="a measurement"), wait_s=0, wanted="local")
    try:
        found = blame(board, run_on(board), {"doubled": X, "negated": X})
    finally:
        lease.release(untouched=True)
    assert found.likely == "unknown"
    assert "on this host cannot be asked (device 'local' is held by" in found.text


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"deadline_s": 1e-9}, "no time was left of the 1e-09 s"),
        ({"inputs": {"x": X[:3]}}, "different numbers of samples"),
        ({"inputs": {}, "path": "nowhere"}, "nowhere has changed since it was loaded"),
    ],
)
def test_what_cannot_be_asked_is_unknown_with_the_reason(
    board: BoardInProcess, more: dict[str, Any], text: str
) -> None:
    found = blame(board, run_on(board), {"doubled": X, "negated": X}, **more)
    assert (found.likely, text in found.text) == ("unknown", True), found.text


def test_a_device_that_is_lost_meanwhile_is_no_new_error(
    board: BoardInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_on(board)

    def lost(*_: Any, **__: Any) -> None:
        raise DeviceLostError("the cable was pulled")

    monkeypatch.setattr(board, "load", lost)
    found = blame(board, run, {"doubled": X, "negated": X})
    assert (found.likely, "the cable was pulled" in found.text) == ("unknown", True)


def test_a_mistake_of_ours_is_no_new_error(board: BoardInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_on(board)
    monkeypatch.setattr(board, "load", lambda *_, **__: 7)
    found = blame(board, run, {"doubled": X, "negated": X})
    assert found.text.startswith("unknown: TypeError: ")


DIGITS = TINY.parent / "models" / "digits_float32.tflite"
IMAGES = np.random.default_rng(3).random((6, 8, 8), dtype=np.float32)


def test_kernels_that_give_the_same_but_for_rounding_are_the_same_where_a_side_is_nan(board: BoardInProcess) -> None:
    with board.load(DIGITS, delegate="xnnpack") as model:
        run = model.run({"image": IMAGES})
    reference = np.array(run.outputs["probabilities"])
    reference[2, 3] = np.nan
    wrong = {"probabilities": reference}
    found = blame(board, run, wrong, path=DIGITS, inputs={"image": IMAGES}, delegate="xnnpack")
    assert found.likely == "conversion", found.text
    assert [one.same for one in found.observations if one.kind == "delegate"] == [True, True, True]


def test_a_pre_processing_is_to_blame_only_where_all_samples_agree_with_it(board: BoardInProcess) -> None:
    images = IMAGES[2:]  # of which two are looked at first
    with board.load(DIGITS) as model:
        run, other = model.run({"image": images}), model.run({"image": images * 255})
    reference = np.array(other.outputs["probabilities"])
    given = {"path": DIGITS, "inputs": {"image": images}}
    found = blame(board, run, {"probabilities": reference}, **given)
    assert found.likely == "pre-processing", found.text
    apart = np.abs(reference - run.outputs["probabilities"]).max(axis=1)
    least = int(apart.argmin())
    reference[least] = run.outputs["probabilities"][least] + 0.01
    found = blame(board, run, {"probabilities": reference}, **given)
    assert found.likely == "conversion", found.text
