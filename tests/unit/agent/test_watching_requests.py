"""The requests that watch a model, in a session without a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.agent import instruments
from pytest_edgedevice.agent.energy import Meter
from pytest_edgedevice.agent.wire import describe
from tests.unit.agent.test_session import Talk

if TYPE_CHECKING:
    from pathlib import Path

ADD = np.zeros((1, 1, 4), np.float32)
ASKED: dict[str, dict[str, Any]] = {
    "resources": {"runs": 3, "max_ns": 10**9, "settle": 1},
    "profile": {"runs": 2, "max_ns": 10**9},
    "stream": {"interval_ns": 1000, "frames": 5, "settle": 1},
}


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


def ask(talk: Talk, operation: str, samples: int = 1, **changes: Any) -> dict[str, Any]:
    arrays = {name: np.repeat(ADD, samples, axis=0) for name in "ab"}
    tensors = [describe(name, "float32", array.shape) for name, array in arrays.items()]
    payload = b"".join(array.tobytes() for array in arrays.values())
    fields = {"samples": samples, "tensors": tensors, **ASKED[operation], **changes}
    return talk.ask(operation, payload, **fields)[0]


def test_costs_are_told_with_the_reasons_for_what_is_not(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "find_meter", lambda: Meter("no sensor"))
    talk.load("add_float32")
    told = ask(talk, "resources")
    assert (told["inferences"], told["energy"], told["problems"]) == (3, None, {"energy": "no sensor"})
    assert told["memory"]["peak_bytes"] > 0


def test_energy_is_told_with_its_source(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    class Told(Meter):
        source = "RAPL psys"

        def stop(self, _now_ns: int) -> tuple[int | None, str]:
            return 77, ""

    monkeypatch.setattr(instruments, "find_meter", Told)
    talk.load("add_float32")
    told = ask(talk, "resources")
    assert (told["energy"], told["problems"]) == ({"uj": 77, "source": "RAPL psys"}, {})


def test_the_sample_that_was_given_last_is_run_where_none_comes(talk: Talk) -> None:
    talk.load("add_float32")
    ask(talk, "resources")
    assert talk.ask("resources", **ASKED["resources"])[0]["inferences"] == 3


def test_a_profile_comes_as_bytes_or_with_a_reason(talk: Talk) -> None:
    talk.load("add_float32")
    told = ask(talk, "profile")
    assert (told["runs"], told["problem"], len(told["tensors"])) == (2, "", 1)


def test_an_engine_that_cannot_be_profiled_is_no_error(talk: Talk) -> None:
    talk.load("add_float32", delegate="reference")
    told = ask(talk, "profile")
    assert (told["op"], told["runs"], told["tensors"]) == ("profile", 0, [])
    assert "reference" in told["problem"]


@pytest.mark.parametrize("operation", ["resources", "profile"])
def test_two_samples_are_one_too_many(talk: Talk, operation: str) -> None:
    talk.load("add_float32")
    told = ask(talk, operation, samples=2)
    assert (told["kind"], "exactly one sample" in told["message"]) == ("protocol", True)


def test_a_model_that_fails_while_frames_come_is_the_models_error(talk: Talk) -> None:
    talk.load("invoke_fails")
    arrays = [np.zeros((1, 1, 4), np.float64).tobytes()] * 2
    tensors = [describe(name, "float64", (1, 1, 4)) for name in "ab"]
    told = talk.ask("stream", b"".join(arrays), samples=1, tensors=tensors, **ASKED["stream"])[0]
    assert (told["op"], told["kind"]) == ("error", "model")


def test_the_first_inference_of_a_stream_is_the_models_first(talk: Talk) -> None:
    talk.load("add_float32")
    ask(talk, "stream")
    first = talk.session._first_ns
    talk.ask("measure", runs=1, batch=1, settle=0, max_ns=0)
    assert first is not None
    assert talk.session._first_ns == first


def test_cores_are_counted_where_no_affinity_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.sched_getaffinity")
    assert instruments._cores() >= 1
