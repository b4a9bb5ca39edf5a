"""The agent's conversation without a process: requests in, replies out."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ai_edge_litert import hardware_accelerator
from ai_edge_litert.tensor_buffer import TensorBuffer

from fixtures.recipes.tflite_writer import Model, options
from pytest_edgedevice.agent import conditions, engines
from pytest_edgedevice.agent.engines import interpreter
from pytest_edgedevice.agent.engines.interpreter import InterpreterEngine
from pytest_edgedevice.agent.engines.placement import account
from pytest_edgedevice.agent.measuring import timed_runs
from pytest_edgedevice.agent.session import Session
from pytest_edgedevice.agent.wire import Frame, describe, split_tensors

if TYPE_CHECKING:
    from collections.abc import Callable

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"
ROW = np.arange(4, dtype=np.float32).reshape(1, 1, 4)
LOAD = {"engine": "litert", "delegate": "cpu", "delegate_options": {}, "threads": 1, "allow_fallback": False}


class Talk:
    """A session and a folder with models."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.session = Session(str(folder))

    def ask(self, operation: Any, payload: bytes = b"", **fields: Any) -> tuple[dict[str, Any], memoryview]:
        reply, buffers = self.session.answer(Frame({"op": operation, "id": 7, **fields}, memoryview(payload)))
        assert reply["id"] == 7
        return reply, memoryview(b"".join(bytes(buffer) for buffer in buffers))

    def load(self, model: str | bytes, **fields: Any) -> dict[str, Any]:
        content = model if isinstance(model, bytes) else (TINY / f"{model}.tflite").read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / sha256).write_bytes(content)
        return self.ask("load", **{**LOAD, "sha256": sha256, **fields})[0]

    def run(self, **arrays: np.ndarray[Any, Any]) -> Any:
        """Outputs by name, or the error."""
        entries = [describe(name, array.dtype.name, array.shape) for name, array in arrays.items()]
        payload = b"".join(array.tobytes() for array in arrays.values())
        samples = len(next(iter(arrays.values())))
        reply, data = self.ask("run", payload, samples=samples, tensors=entries)
        if reply["op"] == "error":
            return reply
        return {
            part.name: np.frombuffer(part.data, part.dtype).reshape(part.shape)
            for part in split_tensors(reply, data)
            if part.role == "tensor"
        }


@pytest.fixture
def talk(tmp_path: Path) -> Talk:
    return Talk(tmp_path)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ({}, "a request needs an integer 'id'"),
        ({"id": "1", "op": "facts"}, "a request needs an integer 'id'"),
        ({"id": True, "op": "facts"}, "a request needs an integer 'id'"),
        ({"id": 1}, "unknown operation 'None'"),
        ({"id": 1, "op": ["facts"]}, "unknown operation"),
        ({"id": 1, "op": "__init__"}, "unknown operation '__init__'"),
    ],
)
def test_a_request_that_is_none_is_answered(talk: Talk, header: dict[str, Any], text: str) -> None:
    reply, _ = talk.session.answer(Frame(header, memoryview(b"")))
    assert (reply["op"], reply["kind"], text in reply["message"]) == ("error", "protocol", True)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"sha256": "0" * 64}, "missing"),
        ({"sha256": "../x"}, "protocol"),
        ({"threads": 0}, "protocol"),
        ({"threads": True}, "protocol"),
        ({"delegate": 3}, "protocol"),
        ({"delegate_options": []}, "protocol"),
        ({"delegate": "warp"}, "delegate"),
        ({"delegate": "external:/no/such.so"}, "delegate"),
        ({"engine": "warp"}, "input"),
        ({"engine": "tflite"}, "engine"),
    ],
    ids=str,
)
def test_a_load_that_cannot_be_is_refused_by_kind(talk: Talk, fields: dict[str, Any], kind: str) -> None:
    reply = talk.load("nan", **fields)
    assert (reply["op"], reply["kind"]) == ("error", kind)


@pytest.mark.parametrize("model", ["custom_op", "string", b"garbage " * 9])
def test_a_model_that_the_engine_refuses_is_a_model_error(talk: Talk, model: str | bytes) -> None:
    assert talk.load(model)["kind"] == "model"


def test_an_agent_holds_one_model(talk: Talk) -> None:
    talk.load("nan")
    assert "one agent for each" in talk.load("scalar")["message"]


@pytest.mark.parametrize(
    ("arrays", "kind", "text"),
    [
        ({"y": ROW}, "input", "inputs are ['x'], got ['y']"),
        ({"x": ROW, "y": ROW}, "input", "got ['x', 'y']"),
        ({"x": ROW.astype(np.int32)}, "input", "has dtype float32, got int32"),
        ({"x": ROW[0]}, "input", "has shape [1, 4] a sample, got [1, 4]"),
        ({"x": ROW[:, :, :3]}, "input", "got [1, 1, 3]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(talk: Talk, arrays: dict[str, Any], kind: str, text: str) -> None:
    talk.load("nan")
    reply = talk.run(**arrays)
    assert (reply["kind"], text in reply["message"]) == (kind, True)


@pytest.mark.parametrize("fields", [{}, {"samples": 0}, {"samples": 1}, {"samples": 1, "tensors": [{}]}], ids=str)
def test_a_run_without_samples_or_tensors_is_a_breach(talk: Talk, fields: dict[str, Any]) -> None:
    talk.load("nan")
    assert talk.ask("run", **fields)[0]["kind"] == "protocol"


def test_the_same_input_twice_is_refused(talk: Talk) -> None:
    talk.load("nan")
    entry = describe("x", "float32", (1, 1, 4))
    assert talk.ask("run", bytes(32), samples=1, tensors=[entry, entry])[0]["kind"] == "input"


@pytest.mark.parametrize("delegate", ["cpu", "xnnpack", "default", "reference"])
def test_a_model_runs_under_each_delegate(talk: Talk, delegate: str) -> None:
    assert talk.load("two_outputs", delegate=delegate)["op"] == "load"
    found = talk.run(x=np.concatenate([ROW, ROW + 1]))
    assert found["doubled"].tolist() == [[[0, 2, 4, 6]], [[2, 4, 6, 8]]]
    assert found["negated"].tolist() == [[[0, -1, -2, -3]], [[-1, -2, -3, -4]]]


def test_unaligned_inputs_are_read_right(talk: Talk) -> None:
    model = Model()
    flags = model.main.tensor("flags", (1, 3), "int8")
    x, y = (model.main.tensor(name, (1, 4), "float32") for name in ("x", "y"))
    model.main.op("NEG", [x], [y])
    model.main.io([flags, x], [y])
    assert talk.load(model.to_bytes())["op"] == "load"
    found = talk.run(flags=np.zeros((1, 1, 3), np.int8), x=ROW)
    assert found["y"].tolist() == [[[0, -1, -2, -3]]]


def growing() -> bytes:
    """y = x + [1,2,3,4], x [1,-1]: other widths than 4 and 1 cannot be prepared."""
    model = Model()
    x, y = (model.main.tensor(name, (1, -1), "float32") for name in ("x", "y"))
    row = model.main.constant("row", np.arange(1, 5, dtype=np.float32))
    model.main.op("ADD", [x, row], [y], options("AddOptions"))
    model.main.io([x], [y])
    return model.to_bytes()


@pytest.mark.parametrize("delegate", ["cpu", "default"])
def test_a_shape_that_the_model_refuses_leaves_it_usable(talk: Talk, delegate: str) -> None:
    talk.load(growing(), delegate=delegate)
    before = talk.run(x=ROW)
    refused = talk.run(x=ROW[:, :, :3])
    assert (refused["kind"], "does not take inputs of shape [(1, 3)]" in refused["message"]) == ("input", True)
    after = talk.run(x=ROW)
    assert before["y"].tolist() == after["y"].tolist() == [[[1, 3, 5, 7]]]


def test_an_output_whose_file_hides_that_it_varies_is_announced_as_varying(talk: Talk) -> None:
    model = Model()
    mask = model.main.tensor("mask", (4,), "bool")
    where = model.main.tensor("where", (1, 1), "int64")
    model.main.op("WHERE", [mask], [where])
    model.main.io([mask], [where])
    assert talk.load(model.to_bytes())["outputs"][0]["shape"] == [-1, -1]


@pytest.mark.parametrize("name", ["stateful", "stateful_resource"])
def test_state_is_reset_between_samples(talk: Talk, name: str) -> None:
    talk.load(name)
    assert talk.run(x=np.ones((3, 1, 1), np.float32))["y"].tolist() == [[[1.0]]] * 3


def test_a_failing_inference_is_a_model_error_each_time(talk: Talk) -> None:
    talk.load("invoke_fails")
    rows = np.ones((1, 1, 4))
    assert [talk.run(a=rows, b=rows)["kind"] for _ in range(2)] == ["model", "model"]
    entries = [describe(name, "float64", (1, 1, 4)) for name in ("a", "b")]
    fields = {"runs": 1, "batch": 1, "settle": 0, "max_ns": 0, "samples": 1, "tensors": entries}
    assert talk.ask("measure", bytes(64), **fields)[0]["kind"] == "model"


@pytest.mark.parametrize(
    "change", [{"runs": 0}, {"batch": 0}, {"settle": -1}, {"max_ns": "1"}, {"samples": 2}], ids=str
)
def test_a_measurement_out_of_range_is_refused(talk: Talk, change: dict[str, Any]) -> None:
    talk.load("nan")
    entry = describe("x", "float32", (change.get("samples", 1), 1, 4))
    fields = {"runs": 1, "batch": 1, "settle": 0, "max_ns": 0, "samples": 1, "tensors": [entry], **change}
    assert talk.ask("measure", bytes(16 * change.get("samples", 1)), **fields)[0]["kind"] == "protocol"


@pytest.mark.parametrize(
    ("error", "kind"), [(MemoryError(), "memory"), (KeyError("x"), "model"), (ImportError("no numpy"), "engine")]
)
def test_whatever_an_engine_raises_is_answered(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(engines, "load", fail)
    assert talk.load("nan")["kind"] == kind


@pytest.mark.parametrize("method", ["reset", "set_inputs", "invoke", "output"])
@pytest.mark.parametrize(("error", "kind"), [(MemoryError(), "memory"), (KeyError("x"), "model")])
def test_an_engine_that_fails_oddly_has_failed_on_the_model(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception, kind: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    talk.load("nan")
    monkeypatch.setattr(InterpreterEngine, method, fail)
    assert talk.run(x=ROW)["kind"] == kind


def test_a_measurement_whose_engine_fails_oddly_has_failed_on_the_model(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise KeyError("x")

    talk.load("nan")
    talk.run(x=ROW)
    monkeypatch.setattr(InterpreterEngine, "invoke", fail)
    reply, _ = talk.ask("measure", runs=1, batch=1, settle=0, max_ns=0)
    assert (reply["kind"], reply["message"]) == ("model", "inference failed: KeyError: 'x'")


def test_a_fault_of_the_agents_own_is_told_as_such(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("x")

    monkeypatch.setattr(conditions, "static_facts", fail)
    assert talk.ask("facts")[0]["kind"] == "internal"


def test_bye_ends_the_conversation(talk: Talk) -> None:
    assert talk.ask("bye")[0] == {"op": "bye", "id": 7}
    assert talk.session.ended


def test_facts_are_plain_values(talk: Talk) -> None:
    reply, _ = talk.ask("facts")
    values = [*reply["facts"].values(), *reply["conditions"].values()]
    assert all(isinstance(value, str | int | float | bool) for value in values)


@pytest.mark.parametrize(("runs", "batch", "settle", "calls"), [(5, 1, 0, 5), (5, 3, 2, 17), (1, 1, 4, 5)])
def test_a_series_makes_the_inferences_that_were_asked_for(runs: int, batch: int, settle: int, calls: int) -> None:
    made: list[None] = []
    series = timed_runs(lambda: made.append(None), runs=runs, batch=batch, settle=settle, max_ns=10**12)
    assert (len(series), len(made)) == (runs, calls)


def test_a_series_without_time_has_one_entry() -> None:
    assert len(timed_runs(lambda: None, runs=1000, batch=1, settle=0, max_ns=0)) == 1


def node(name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
    return {"op_name": name, "inputs": inputs, "outputs": outputs}


def test_operators_in_another_delegates_pieces_are_left_over() -> None:
    nodes = [node("NEG", [0], [1]), node("ABS", [1], [2]), node("DELEGATE", [0], [1]), node("DELEGATE", [1], [2])]
    assert account(nodes, [2], [2]) == {"nodes": 2, "delegated": 1, "partitions": 1, "left_over": {"ABS": 1}}


def test_operators_that_lead_nowhere_do_not_count_and_those_without_outputs_do() -> None:
    nodes = [node("NEG", [0], [1]), node("ABS", [0], [2]), node("CALL_ONCE", [], [])]
    assert account(nodes, [1], []) == {
        "nodes": 2,
        "delegated": 0,
        "partitions": 0,
        "left_over": {"CALL_ONCE": 1, "NEG": 1},
    }


class FakeBuffer:
    """A tensor buffer of the accelerator."""

    def __init__(self) -> None:
        self.data: Any = None

    def write(self, data: Any) -> None:
        self.data = data

    def read(self, count: int, dtype: type) -> Any:
        return np.ravel(self.data)[:count].astype(dtype)


class FakeCompiled:
    """LiteRT's CompiledModel, whose accelerator negates; a real one needs a GPU."""

    refuses = staticmethod(lambda _accelerators: False)

    @classmethod
    def from_file(cls, _path: str, *, hardware_accel: Any) -> FakeCompiled:
        if cls.refuses(hardware_accel):
            raise RuntimeError("Failed\n\u2514 ERROR: [a.cc:3]   no   device\n")
        return cls()

    def get_signature_list(self) -> dict[str, Any]:
        return {"serving_default": {}}

    def get_signature_index(self, _key: str) -> int:
        return 0

    def create_input_buffers(self, _signature: int) -> list[FakeBuffer]:
        return [FakeBuffer()]

    def create_output_buffers(self, _signature: int) -> list[FakeBuffer]:
        return [FakeBuffer()]

    def run_by_index(self, _signature: int, inputs: list[FakeBuffer], outputs: list[FakeBuffer]) -> None:
        outputs[0].write(-inputs[0].data)


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], bool]], None]:
    """Put a simulated CompiledModel in place, which refuses as told."""

    def install(refuses: Callable[[Any], bool]) -> None:
        module = ModuleType("ai_edge_litert.compiled_model")
        module.CompiledModel = type("Compiled", (FakeCompiled,), {"refuses": staticmethod(refuses)})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", module)

    return install


CPU = hardware_accelerator.HardwareAccelerator.CPU
NOT_TAKEN = ("int16", "uint16", "uint32", "int64", "uint64", "float64", "complex64", "complex128")


def test_an_accelerator_that_took_all_is_proven(talk: Talk, accelerator: Any) -> None:
    accelerator(lambda wanted: bool(wanted & CPU))
    placement = talk.load("no_batch", delegate="gpu")["placement"]
    assert (placement["proven"], placement["delegated"], placement["left_over"]) == ("gpu", 1, {})
    assert talk.run(x=ROW[0])["y"].tolist() == [[0, -1, -2, -3]]


def test_an_accelerator_that_did_not_is_refused_in_one_line(talk: Talk, accelerator: Any) -> None:
    accelerator(lambda wanted: not wanted & CPU)
    reply = talk.load("no_batch", delegate="npu")
    assert reply["kind"] == "delegate"
    assert reply["message"].endswith("Failed no device")


def test_an_accelerators_fallback_claims_nothing(talk: Talk, accelerator: Any) -> None:
    accelerator(lambda wanted: not wanted & CPU)
    placement = talk.load("no_batch", delegate="gpu", allow_fallback=True)["placement"]
    assert (placement["proven"], placement["delegated"], placement["left_over"]) == ("unknown", 0, {"unknown": 1})


def test_an_accelerator_that_is_not_usable_at_all_is_refused(talk: Talk, accelerator: Any) -> None:
    accelerator(lambda _: True)
    assert "is not usable here" in talk.load("no_batch", delegate="gpu", allow_fallback=True)["message"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((f"copy_{dtype}", f"has dtype {dtype}") for dtype in NOT_TAKEN),
        ("dynamic", "has a shape that varies"),
        ("stateful_resource", "keeps state in resource variables"),
    ],
)
def test_what_an_accelerator_cannot_take_is_refused(talk: Talk, accelerator: Any, name: str, text: str) -> None:
    accelerator(lambda _: False)
    reply = talk.load(name, delegate="gpu")
    assert (reply["kind"], text in reply["message"]) == ("delegate", True)


@pytest.mark.parametrize("method", ["write", "read"])
def test_a_buffer_that_fails_is_a_model_error(
    talk: Talk, accelerator: Any, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("Unsupported dtype")

    accelerator(lambda _: False)
    talk.load("no_batch", delegate="gpu")
    monkeypatch.setattr(FakeBuffer, method, fail)
    reply = talk.run(x=ROW[0])
    assert (reply["kind"], "Unsupported dtype" in reply["message"]) == ("model", True)


@pytest.mark.parametrize("dtype", ["bool", "float16", "float32", "int8", "int32", "uint8"])
def test_an_accelerator_takes_what_its_buffers_do(talk: Talk, accelerator: Any, dtype: str) -> None:
    accelerator(lambda _: False)
    assert np.dtype(dtype) in TensorBuffer._DTYPE_STRINGS
    assert talk.load(f"copy_{dtype}", delegate="gpu")["op"] == "load"


def test_a_runtime_without_compiled_models_is_refused(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", None)
    reply = talk.load("no_batch", delegate="gpu")
    assert (reply["kind"], "needs CompiledModel" in reply["message"]) == ("delegate", True)


def without_delegates(graph: Any) -> list[dict[str, Any]]:
    """The graph as it would be if the delegate had left everything over."""
    return [node for node in graph._get_ops_details() if node["op_name"] != "DELEGATE"]


def image(size: int) -> np.ndarray[Any, Any]:
    return np.ones((1, 1, size, size, 3), np.float32)


def test_a_delegate_that_leaves_operators_at_another_shape_is_refused_each_time(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk.load("dynamic", delegate="xnnpack")
    monkeypatch.setattr(interpreter, "_graph", without_delegates)
    for _ in range(2):
        reply = talk.run(image=image(5))
        assert (reply["kind"], "left over: ADD x1" in reply["message"]) == ("delegate", True)


def test_a_model_is_of_use_after_a_shape_that_its_delegate_refused(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    talk.load("dynamic", delegate="xnnpack")
    with monkeypatch.context() as patched:
        patched.setattr(interpreter, "_graph", without_delegates)
        talk.run(image=image(5))
    assert "op" not in talk.run(image=image(6))


@pytest.mark.parametrize("fields", [{"delegate": "default"}, {"delegate": "xnnpack", "allow_fallback": True}], ids=str)
def test_operators_may_be_left_at_another_shape_where_that_is_allowed(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    talk.load("dynamic", **fields)
    monkeypatch.setattr(interpreter, "_graph", without_delegates)
    assert "op" not in talk.run(image=image(5))
