"""Each promise that is broken fails the check that tries it, and what came is told."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.agent import engines
from pytest_edgedevice.conformance import CHECKS, Bench, try_all
from pytest_edgedevice.conformance.models import read_model
from pytest_edgedevice.runners.model_content import sha256_of
from tests.unit.conformance.mutants import Mutant

if TYPE_CHECKING:
    from pytest_edgedevice.conformance import Outcome

PATIENCE_S = 30.0
OTHERS = "What else it tells has the right form"
LOADS = "After all of that, a model loads and is described"
ONE = "One sample runs"
SUM = "What was added is the sum"
COUNT = "A series has as many entries as were asked for"
COSTS = "What a model costs has numbers or reasons"
STREAM = "Frames are taken in order, never early, and the last always"
PROFILE = "A profile is text or a reason"
FACTS = "Facts are names and plain values"
TIMES = {"name": "inference_ns", "dtype": "int64", "shape": [1], "role": "timing"}
SUM_ENTRY = {"name": "sum", "dtype": "float32", "shape": [1, 1, 4]}
MISSING = "A model that is not there is missing"


def tried(folder: Path, check: str, change: Any, *, timeout_s: float = PATIENCE_S) -> Outcome:
    (chosen,) = (one for one in CHECKS if one.name == check)
    bench = Bench(Mutant(folder, change), timeout_s=timeout_s, load_timeout_s=PATIENCE_S)
    (outcome,) = try_all(bench, [chosen])
    return outcome


@pytest.mark.parametrize(
    ("check", "operation", "fields", "came"),
    [
        ("It says the sentinel and one hello, unasked", "hello", {"op": "hi"}, '"op": "hi"'),
        ("It names its engines and their versions", "hello", {"engines": ["litert"]}, "'engines': [\"litert\"]"),
        ("It names its engines and their versions", "hello", {"engines": {"litert": 2}}, '{"litert": 2}'),
        ("Its window is a number from 1 on", "hello", {"window": True}, "'window': true"),
        ("Its clock's tick is a number from 1 on", "hello", {"clock_tick_ns": 0}, "'clock_tick_ns': 0"),
        ("It names its file by hash, or not at all", "hello", {"agent_sha256": "ABC"}, '"ABC"'),
        ("It serves have, put, load, run, measure, facts and bye", "hello", {"operations": ["run"]}, '["run"]'),
        (OTHERS, "hello", {"delegates": "cpu"}, '"delegates": "cpu"'),
        (OTHERS, "hello", {"emulated": 1}, '"emulated": 1'),
        ("It reads on while it answers: a window of requests", "have", {"id": 7}, '"id": 7'),
        ("What never came is not there", "have", {"present": "no"}, "where 'present' has to be false"),
        ("A blob of 4 MiB arrives", "put", {"complete": 1}, "where 'complete' has to be false"),
        (MISSING, "error", {"kind": "internal"}, "not an error of kind 'missing' with id 1"),
        (MISSING, "error", {"message": ""}, 'an error whose message is ""'),
        (MISSING, "error", {"id": True}, "with id 1"),
        (MISSING, "have", {"id": None}, "the error, and then {"),
        (LOADS, "put", {"complete": None}, '"complete": null'),
        (LOADS, "load", {"op": "loaded"}, "for the model add_float32.tflite"),
        (LOADS, "load", {"inputs": None}, "'inputs' in the reply is null"),
        (LOADS, "load", {"outputs": []}, "a model without outputs"),
        (LOADS, "load", {"outputs": [{"name": "sum", "dtype": "float31", "shape": [4]}]}, "float31"),
        (LOADS, "load", {"placement": []}, "'placement' in the reply is []"),
        (LOADS, "load", {"engine_version": 2}, "'engine_version' in the reply is 2"),
        (LOADS, "load", {"load_ns": -1}, "'load_ns' in the reply is -1"),
        (ONE, "load", {"inputs": [{"name": "a", "dtype": "int8", "shape": [1 << 40]}]}, "over 256 MiB"),
        (ONE, "run", {"samples": 2}, "samples 2 in the reply"),
        (ONE, "run", {"tensors": [SUM_ENTRY]}, "8 bytes that no tensor claims"),
        (ONE, "run", {"tensors": [TIMES, {**TIMES, "shape": [2]}]}, "inference_ns"),
        (ONE, "run", {"tensors": [{**SUM_ENTRY, "name": "total"}, TIMES]}, 'outputs ["total"], announced were ["sum"]'),
        (ONE, "run", {"tensors": [{**SUM_ENTRY, "dtype": "int32"}, TIMES]}, "int32 [1, 1, 4]"),
        (ONE, "run", {"tensors": [{**SUM_ENTRY, "shape": [1, 4]}, TIMES]}, "float32 [1, 4]"),
        (ONE, "run", {"tensors": [SUM_ENTRY, {**TIMES, "dtype": "uint64"}]}, "timing uint64"),
        (ONE, "run", {"tensors": [SUM_ENTRY, {**TIMES, "role": "tensor"}]}, "no timing inference_ns"),
        ("A request without a number is refused", "error", {"kind": "input"}, '"kind": "input"'),
        (COUNT, "measure", {"first_ns": None}, "'first_ns': null"),
        (COUNT, "measure", {"tensors": [{**TIMES, "shape": [7]}]}, '["inference_ns"] with 0 entries'),
        (FACTS, "facts", {"facts": {"arch": None}}, "'facts': {"),
        (FACTS, "facts", {"conditions": []}, "'conditions': []"),
        (COSTS, "resources", {"inferences": 6}, '"inferences": 6'),
        (COSTS, "resources", {"wall_ns": 0}, '"wall_ns": 0'),
        (COSTS, "resources", {"problems": None, "energy": None}, "'energy': null, and the problem null"),
        (COSTS, "resources", {"memory": {"peak_bytes": 0}}, "'memory': {"),
        (STREAM, "stream", {"tensors": [{**TIMES, "shape": [3]}]}, "bytes that no tensor claims"),
        (PROFILE, "profile", {"problem": "none here"}, '"problem": "none here"'),
    ],
)  # fmt: skip
def test_a_reply_that_breaks_a_promise_is_told(
    tmp_path: Path, check: str, operation: str, fields: dict[str, Any], came: str
) -> None:
    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return ({**header, **fields} if header["op"] == operation else header), payload

    outcome = tried(tmp_path, check, change)
    assert (outcome.status, came in outcome.came) == ("FAILED", True), outcome


@pytest.mark.parametrize(
    ("check", "operation", "numbers"),
    [
        ("The series fits into the time that we waited", "measure", lambda at, _count: -1 if at == 3 else 0),
        ("No entry begins after the time is up", "measure", lambda _at, _count: 10**9),
        (ONE, "run", lambda _at, _count: -1),
        (STREAM, "stream", lambda _at, _count: 0),
    ],
)
def test_numbers_that_cannot_be_are_told(tmp_path: Path, check: str, operation: str, numbers: Any) -> None:
    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        if header["op"] != operation:
            return header, payload
        count = len(payload) // 8
        return header, struct.pack(f"<{count}q", *(numbers(at, count) for at in range(count)))

    outcome = tried(tmp_path, check, change)
    assert (outcome.status, outcome.came != "") == ("FAILED", True), outcome


@pytest.mark.parametrize(("operation", "came"), [("hello", "the end of the stream"), ("run", "the end of the stream")])
def test_an_end_of_the_stream_is_told(tmp_path: Path, operation: str, came: str) -> None:
    outcome = tried(tmp_path, ONE, lambda header, payload: None if header["op"] == operation else (header, payload))
    assert (outcome.status, outcome.came) == ("FAILED", came)


def test_an_agent_that_reads_only_when_it_has_written_is_told(tmp_path: Path) -> None:
    """Both ends would wait for each other."""
    check = "Requests of 4 MiB are read while replies of 4 MiB wait"
    outcome = tried(tmp_path, check, lambda header, payload: (header, payload), timeout_s=2)
    assert (outcome.status, outcome.came) == ("FAILED", "silence: it did not read what was sent within 2 s")


def test_another_byte_of_an_output_is_shown(tmp_path: Path) -> None:
    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return header, (payload[:4] + b"\xff" + payload[5:] if header["op"] == "run" else payload)

    outcome = tried(tmp_path, SUM, change)
    assert outcome.came.startswith("'sum' from byte 4 on: ff 00 30 41 00 00 b0 41")


def test_operations_that_are_not_announced_are_not_asked_for(tmp_path: Path) -> None:
    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return ({**header, "operations": ["run"]} if header["op"] == "hello" else header), payload

    outcome = tried(tmp_path, STREAM, change)
    assert (outcome.status, outcome.reason) == ("not offered", "the hello does not list 'stream'")


def test_a_model_without_inputs_has_none_to_change(tmp_path: Path) -> None:
    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return ({**header, "inputs": []} if header["op"] == "load" else header), payload

    outcome = tried(tmp_path, "A wrong name is an input error", change)
    assert (outcome.status, outcome.reason) == ("not offered", "add_float32.tflite has no inputs")


def test_inputs_as_wide_as_no_other_are_confused_with_nothing(tmp_path: Path) -> None:
    wide = [{"name": "x", "dtype": "complex128", "shape": [1, 4], "quantization": None}]

    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return ({**header, "inputs": wide} if header["op"] == "load" else header), payload

    outcome = tried(tmp_path, "A wrong dtype is an input error", change)
    assert (outcome.status, outcome.reason) == ("not offered", "no other dtype has elements of 16 bytes")


def test_what_nobody_thought_of_fails_its_check_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: object) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("pytest_edgedevice.conformance.bench.read_loaded", stumble)
    outcome = tried(tmp_path, ONE, lambda header, payload: (header, payload))
    assert outcome.came == "an answer that cannot be understood (ZeroDivisionError: by nothing)"


STATES = "Its conditions are plain, and of known words"
EVERYWHERE = "What it tells in one place it tells in all"
BACKGROUND = "In the background it computes, or says why it cannot"
STAGED = "Code around the model is timed apart, run by run"
NO_MODEL = "A folder that is no model is a model error"
ACTIVE = {"conditions": {"app_state": "active"}}
BEHIND = {"conditions": {"app_state": "background"}}
REFUSAL = {"op": "error", "kind": "background", "message": "no GPU work from the background", "tensors": []}


def changed(**replies: dict[str, Any]) -> Any:
    """What it says besides, by operation."""

    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        more = replies.get(header["op"], {})
        return {**header, **more}, b"" if "kind" in more else payload

    return change


@pytest.mark.parametrize(
    ("check", "replies", "came"),
    [
        (OTHERS, {"hello": {"folders": "yes"}}, '"folders": "yes"'),
        (OTHERS, {"hello": {"conditions": []}}, '"conditions": []'),
        (STATES, {"hello": {"conditions": {"app_state": "asleep"}}}, "'app_state' of hello: \"asleep\""),
        (STATES, {"run": {"conditions": {"low_power_mode": 1}}}, "'low_power_mode' of run: 1"),
        (STATES, {"measure": {"conditions": {"heat": None}}}, "'conditions' of measure"),
        (EVERYWHERE, {"hello": ACTIVE, "facts": ACTIVE, "run": ACTIVE}, "of measure without [\"app_state\"]"),
        (BACKGROUND, {"hello": BEHIND, "load": {**REFUSAL, "kind": "model"}}, '{"op": "error", "engine"'),
        (BACKGROUND, {"hello": BEHIND, "run": {**REFUSAL, "kind": "model"}}, '"kind": "model"'),
        (STAGED, {"stages": {"tensors": [{**TIMES, "shape": [15]}]}}, "where three of 5 belong"),
        (NO_MODEL, {"error": {"kind": "internal"}}, "not an error of kind 'model'"),
        ("A file of another size is refused", {"error": {"kind": "model"}}, "not an error of kind 'protocol'"),
        ("Paths that leave the folder are refused", {"error": {"kind": "missing"}}, "kind 'protocol'"),
        ("It keeps nothing when it is asked to", {"have": {"present": True}}, "for a blob that came before"),
        (ONE, {"hello": {"op": "error", "kind": "busy", "message": "another"}}, 'it turned us away: "another"'),
        (LOADS, {"load": {"id": 99}}, '{"op": "load", "engine"'),
    ],
)  # fmt: skip
def test_what_an_app_breaks_is_told(tmp_path: Path, check: str, replies: dict[str, Any], came: str) -> None:
    outcome = tried(tmp_path, check, changed(**replies))
    assert (outcome.status, came in outcome.came) == ("FAILED", True), outcome


@pytest.mark.parametrize(
    ("check", "replies"),
    [
        (EVERYWHERE, dict.fromkeys(("hello", "facts", "run", "measure"), ACTIVE)),
        (BACKGROUND, {"hello": BEHIND}),
        ("An agent that takes no folders says so", {"hello": {"folders": False}}),
        (BACKGROUND, {"hello": BEHIND, "load": REFUSAL}),
        (BACKGROUND, {"hello": BEHIND, "run": REFUSAL}),
    ],
)
def test_what_an_app_keeps_is_seen(tmp_path: Path, check: str, replies: dict[str, Any]) -> None:
    assert tried(tmp_path, check, changed(**replies)).status == "ok"


def test_negative_times_of_stages_are_told(tmp_path: Path) -> None:
    def change(header: dict[str, Any], payload: bytes) -> tuple[dict[str, Any], bytes]:
        return header, struct.pack("<15q", *[-1] * 15) if header["op"] == "stages" else payload

    assert tried(tmp_path, STAGED, change).came.startswith("negative times: ")


def test_a_folder_of_the_callers_own_is_sent_and_loaded_as_one(tmp_path: Path) -> None:
    """No engine here takes one: what it says of that is what the agent was asked."""
    package = tmp_path / "net.mlpackage"
    package.mkdir()
    (package / "Manifest.json").write_bytes(b"{}")
    (package / "empty").write_bytes(b"")
    model = read_model(package)
    assert (model.folder, model.sha256, model.blobs) == (True, sha256_of(package), (b"{}", b"", model.content))
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (chosen,) = (one for one in CHECKS if one.name == ONE)
    bench = Bench(Mutant(blobs, changed()), [model], timeout_s=PATIENCE_S, load_timeout_s=PATIENCE_S)
    (outcome,) = try_all(bench, [chosen])
    assert "takes no model that is a folder" in outcome.came or "is not installed" in outcome.came


class Negating:
    """An engine whose outputs have gaps: rows of 8, of which 7 elements count."""

    name, version, variant = "coreml", "9", "float32"

    def __init__(self, path: str, *, dense: bool) -> None:
        self.inputs = self.outputs = [{"name": "x", "dtype": "float32", "shape": [1, 3, 5, 7], "quantization": None}]
        self.outputs = [{**self.inputs[0], "name": "y"}]
        self._dense = dense
        self._wide = np.zeros((1, 3, 5, 8), np.float32)
        assert Path(path).name == "model.mlpackage"

    def placement(self) -> dict[str, Any]:
        return {"proven": "all", "nodes": 0, "delegated": 0, "partitions": 0, "left_over": {}, "evidence": "asked for"}

    def reset(self) -> None:
        self._wide[:] = 0

    def set_inputs(self, arrays: Any) -> None:
        self._wide[..., :7] = -arrays[0]

    def invoke(self) -> None: ...

    def output(self, _position: int) -> Any:
        if self._dense:
            return self._wide[..., :7].copy()
        return self._wide.reshape(-1)[: 3 * 5 * 7].reshape(1, 3, 5, 7).copy()


@pytest.mark.parametrize(("dense", "status"), [(True, "ok"), (False, "FAILED")])
def test_an_agent_that_sends_the_gaps_of_a_tensor_too_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, dense: bool, status: str
) -> None:
    monkeypatch.setattr(engines, "installed", lambda: {"coreml": "9"})
    monkeypatch.setattr(engines, "load", lambda path, _options: Negating(path, dense=dense))
    outcome = tried(tmp_path, "float32 with rows of 7 comes out of a Core ML package without gaps", changed())
    assert outcome.status == status, outcome
    assert tried(tmp_path, ONE, changed()).status == "ok"
