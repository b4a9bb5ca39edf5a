"""Chunks run one after the other on a real agent: drawn ahead, given up early, and in constant memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import pytest_edgedevice
from pytest_edgedevice.errors import AgentDiedError, InputError, ModelError
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice import Device, LoadedModel

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture(scope="module", autouse=True)
def _forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Agents that need not start from nothing."""
    with forked_agents(tmp_path_factory.mktemp("agents")):
        yield


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEDEVICE_LOCKS", str(tmp_path_factory.mktemp("locks")))
        with pytest_edgedevice.open_device("local") as opened:
            yield opened


@pytest.fixture(scope="module")
def model(device: Device) -> LoadedModel:
    return device.load(TINY / "two_outputs.tflite", delegate="cpu")


def chunks(count: int, size: int = 3) -> Iterator[dict[str, Any]]:
    for at in range(count):
        yield {"x": np.full((size, 4), at, np.float32)}


def is_of_use(model: LoadedModel) -> bool:
    found = np.asarray(model.run({"x": np.ones((2, 4), np.float32)}).outputs["negated"])
    return bool(found.shape == (2, 4) and (found == -1).all())


def test_each_chunk_gives_a_run_of_its_own_in_order(model: LoadedModel) -> None:
    runs = list(model.run_each(chunks(40)))
    assert [np.asarray(run.outputs["doubled"])[0, 0] for run in runs] == [2 * at for at in range(40)]
    assert {run.samples for run in runs} == {3}


def test_chunks_may_differ_in_size_and_shape(device: Device) -> None:
    with device.load(TINY / "dynamic.tflite", delegate="cpu") as dynamic:
        given = [{"image": np.ones((count, side, 2, 3), np.float32)} for count, side in ((1, 2), (5, 4), (2, 1))]
        shapes = [np.shape(run.outputs["doubled"]) for run in dynamic.run_each(given)]
    assert shapes == [(1, 2, 2, 3), (5, 4, 2, 3), (2, 1, 2, 3)]


def test_chunks_are_drawn_only_a_few_ahead(model: LoadedModel) -> None:
    drawn: list[int] = []

    def counted() -> Iterator[dict[str, Any]]:
        for at, chunk in enumerate(chunks(50, size=1)):
            drawn.append(at)
            yield chunk

    ahead = [len(drawn) - taken for taken, _ in enumerate(model.run_each(counted()))]
    assert max(ahead) <= 4


def test_whoever_stops_early_leaves_the_model_of_use(model: LoadedModel) -> None:
    runs = model.run_each(chunks(100, size=200))
    next(runs)
    runs.close()
    assert is_of_use(model)


def test_what_drawing_a_chunk_raises_passes_through(model: LoadedModel) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from chunks(5)
        raise LookupError("no more")

    with pytest.raises(LookupError):
        list(model.run_each(broken()))
    assert is_of_use(model)


@pytest.mark.parametrize("wrong", [{"z": np.zeros((1, 4), np.float32)}, {"x": np.full((1, 4), np.nan, np.float32)}])
def test_a_chunk_that_does_not_fit_is_refused_and_the_model_is_of_use(model: LoadedModel, wrong: Any) -> None:
    with pytest.raises(InputError):
        list(model.run_each([*chunks(3), wrong]))
    assert is_of_use(model)


def test_the_thread_that_iterates_can_ask_nothing_else(model: LoadedModel) -> None:
    for _ in model.run_each(chunks(2)):
        with pytest.raises(InputError, match="in the middle of run_each"):
            model.run({"x": np.ones((1, 4), np.float32)})
    assert is_of_use(model)


def test_another_thread_waits_for_its_turn(model: LoadedModel) -> None:
    runs = model.run_each(chunks(3))
    next(runs)
    found: list[bool] = []
    other = threading.Thread(target=lambda: found.append(is_of_use(model)))
    other.start()
    waiting = len(found)
    list(runs)
    other.join(timeout=30)
    assert (waiting, found) == (0, [True])


def test_a_model_that_fails_ends_the_run_and_stays(device: Device) -> None:
    with device.load(TINY / "invoke_fails.tflite", delegate="cpu") as failing:
        ones = {"a": np.ones((1, 4)), "b": np.ones((1, 4))}
        with pytest.raises(ModelError):
            list(failing.run_each([ones] * 9))
        with pytest.raises(ModelError):
            failing.run(ones)


def test_an_interrupt_while_a_chunk_is_drawn_ends_the_agent(device: Device) -> None:
    def interrupted() -> Iterator[dict[str, Any]]:
        yield from chunks(3)
        raise KeyboardInterrupt

    with device.load(TINY / "two_outputs.tflite", delegate="cpu") as ended:
        with pytest.raises(KeyboardInterrupt):
            list(ended.run_each(interrupted()))
        with pytest.raises(AgentDiedError, match="load the model again"):
            is_of_use(ended)


def test_scores_that_a_delegate_gave_with_other_options_are_of_no_use(device: Device, tmp_path: Path) -> None:
    class CutError(Exception):
        pass

    def resumed(precision: str, *, whole: bool = False) -> int:
        def samples() -> Iterator[Any]:
            yield from (({"x": np.full(4, at, np.float32)}, 0) for at in range(40))
            if not whole:
                raise CutError

        with device.load(TINY / "two_outputs.tflite", delegate="cpu") as loaded:
            assert loaded.delegate_options == {}
            loaded.delegate_options = {"precision": precision}
            found = loaded.evaluate(samples, lambda output, label: True, batch=4, resume=tmp_path / "state.jsonl")
        return found.resumed

    for precision, expected in (("fp32", 0), ("fp16", 1)):
        with pytest.raises(CutError):
            resumed("fp16")
        assert bool(resumed(precision, whole=True)) == bool(expected)


def test_what_was_finished_when_a_device_crashed_is_not_run_again(device: Device, tmp_path: Path) -> None:
    numbers = np.arange(40, dtype=np.int32).reshape(10, 4) + 1
    divisors = np.ones((10, 4), np.int32)
    data = [
        ({"a": number, "b": divisor}, at) for at, (number, divisor) in enumerate(zip(numbers, divisors, strict=True))
    ]

    def crashing() -> Iterator[Any]:
        yield from data[:8]
        yield {"a": np.full(4, -(2**31), np.int32), "b": np.full(4, -1, np.int32)}, 0

    state = tmp_path / "state.jsonl"
    with device.load(TINY / "crash.tflite", delegate="cpu") as crash, pytest.raises(AgentDiedError):
        crash.evaluate(crashing, lambda output, label: True, batch=2, resume=state)
    with device.load(TINY / "crash.tflite", delegate="cpu") as again:
        found = again.evaluate(lambda: iter(data), lambda output, label: True, batch=2, resume=state)
    assert 0 < found.resumed <= 8
    assert (found.samples, state.exists()) == (10, False)
