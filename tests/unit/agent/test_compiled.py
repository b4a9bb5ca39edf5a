"""``CompiledModel`` behind the agent's engine: runs that are asynchronous, accelerators that are not there, options."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_edgedevice.agent.engines.base import EngineError, LoadOptions
from pytest_edgedevice.agent.engines.compiled import CompiledEngine

TINY = Path(__file__).parents[3] / "fixtures" / "tiny"
GPU, NPU, CPU = 2, 4, 1


class Buffer:
    """Its content is there only when it is read, as an accelerator's that still works."""

    def __init__(self, name: str, events: list[str]) -> None:
        self._name, self._events = name, events

    def write(self, array: Any) -> None:
        self._events.append(f"write {self._name}")

    def read(self, count: int, dtype: Any) -> Any:
        self._events.append(f"read {self._name}")
        return np.arange(count, dtype=dtype)


class Asynchronous:
    """LiteRT's compiled model, as far as the engine uses it; ``refused`` accelerators raise."""

    events: list[str]
    refused: tuple[int, ...] = ()
    asked: list[dict[str, Any]]

    @classmethod
    def from_file(cls, path: str, **wishes: Any) -> Asynchronous:
        cls.asked.append(wishes)
        options = wishes.get("options")
        wanted = int(wishes["hardware_accel"] if options is None else options.hardware_accelerators)
        if wanted in cls.refused:
            raise RuntimeError(
                "ERROR: [./litert/cc/litert_compiled_model.h:1961]\n\u2514 Some ops are not accelerated. Add "
                "kLiteRtHwAcceleratorCpu to the compilation accelerator set to allow using the CPU to run those."
            )
        return cls()

    def get_signature_list(self) -> dict[str, Any]:
        return {"another": {}, "serving_default": {}}

    def get_signature_index(self, key: str) -> int:
        return list(self.get_signature_list()).index(key)

    def create_input_buffers(self, signature: int) -> list[Buffer]:
        return [Buffer("x", self.events)]

    def create_output_buffers(self, signature: int) -> list[Buffer]:
        return [Buffer("first", self.events), Buffer("second", self.events)]

    def run_by_index(self, signature: int, inputs: Any, outputs: Any) -> None:
        self.events.append(f"run {signature}")


@pytest.fixture
def litert(monkeypatch: pytest.MonkeyPatch) -> type[Asynchronous]:
    monkeypatch.setattr(Asynchronous, "events", [], raising=False)
    monkeypatch.setattr(Asynchronous, "asked", [], raising=False)
    monkeypatch.setattr(Asynchronous, "refused", ())
    monkeypatch.setattr("ai_edge_litert.compiled_model.CompiledModel", Asynchronous)
    return Asynchronous


def loaded(delegate: str = "gpu", options: dict[str, str] | None = None, *, fallback: bool = False) -> CompiledEngine:
    wishes = LoadOptions(delegate=delegate, delegate_options=options or {}, allow_fallback=fallback)
    return CompiledEngine(str(TINY / "two_outputs.tflite"), wishes, "2.3.0")


def test_an_inference_ends_when_every_output_was_read(litert: type[Asynchronous]) -> None:
    engine = loaded()
    engine.set_inputs([np.zeros((1, 4), np.float32)])
    litert.events.clear()
    engine.invoke()
    assert litert.events == ["run 1", "read first", "read second"]
    engine.output(0)
    engine.output(1)
    assert litert.events == ["run 1", "read first", "read second"]  # nothing is left for later, where no clock runs


def test_a_model_whose_signatures_have_no_name_runs_the_first(
    litert: type[Asynchronous], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(litert, "get_signature_list", lambda _: {"<placeholder signature>": {}})
    loaded().invoke()
    assert litert.events[0] == "run 0"


@pytest.mark.parametrize(("delegate", "wanted"), [("gpu", GPU), ("npu", NPU)])
def test_an_accelerator_is_asked_for_without_the_processor(
    litert: type[Asynchronous], delegate: str, wanted: int
) -> None:
    placement = loaded(delegate).placement()
    assert [int(one["hardware_accel"]) for one in litert.asked] == [wanted]
    assert (placement["proven"], placement["delegated"], placement["left_over"]) == (delegate, placement["nodes"], {})


def test_what_it_does_not_take_alone_is_refused_and_the_processor_never_asked(litert: type[Asynchronous]) -> None:
    litert.refused = (NPU,)
    with pytest.raises(EngineError, match=r"did not take the whole model: Some ops are not accelerated\.$"):
        loaded("npu")
    assert [int(one["hardware_accel"]) for one in litert.asked] == [NPU]


def test_a_fallback_is_never_called_the_accelerator(litert: type[Asynchronous]) -> None:
    litert.refused = (NPU,)
    placement = loaded("npu", fallback=True).placement()
    assert (placement["proven"], placement["delegated"]) == ("unknown", 0)
    assert placement["left_over"] == {"unknown": placement["nodes"]}


def test_an_accelerator_that_is_refused_with_the_processor_too_is_not_usable(litert: type[Asynchronous]) -> None:
    litert.refused = (NPU, NPU | CPU)
    with pytest.raises(EngineError, match="npu is not usable here: Some ops"):
        loaded("npu", fallback=True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stateful_resource", "keeps state in resource variables"),
        ("add_int64", "tensor 'a' has dtype int64, which CompiledModel cannot take"),
        ("dynamic_batch", "tensor 'x' has a shape that varies"),
    ],
)
def test_what_compiled_models_cannot_be_given_is_refused(litert: type[Asynchronous], name: str, text: str) -> None:
    with pytest.raises(EngineError, match=text):
        CompiledEngine(str(TINY / f"{name}.tflite"), LoadOptions(delegate="gpu"), "2.3.0")
    assert litert.asked == []


def test_a_runtime_without_compiled_models_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.compiled_model", None)
    with pytest.raises(EngineError, match=r"gpu needs CompiledModel, which litert 2\.3\.0 does not load"):
        loaded()


def test_a_buffer_that_takes_nothing_names_the_input(
    litert: type[Asynchronous], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = loaded()
    monkeypatch.setattr(Buffer, "write", lambda *_: fail("no room"))
    with pytest.raises(EngineError, match="gpu does not take input 'x': no room"):
        engine.set_inputs([np.zeros((1, 4), np.float32)])


def test_a_buffer_that_gives_nothing_names_the_output(
    litert: type[Asynchronous], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = loaded()
    monkeypatch.setattr(Buffer, "read", lambda *_: fail("lost"))
    with pytest.raises(EngineError, match="gpu does not give output 'negated': lost"):
        engine.invoke()


def fail(text: str) -> None:
    raise RuntimeError(text)


@pytest.mark.parametrize("device", ["cpu", "gpu", "npu"])
def test_openvinos_device_is_asked_for_and_shown(litert: type[Asynchronous], device: str) -> None:
    placement = loaded("npu", {"openvino.device": device}).placement()
    options = litert.asked[0]["options"]
    assert options.intel_openvino_options.graph_backend.name == device.upper()
    assert placement["evidence"] == f"compiled without the CPU accelerator, openvino.device={device}"


def test_openvinos_device_is_shown_beside_a_fallback(litert: type[Asynchronous]) -> None:
    litert.refused = (NPU,)
    placement = loaded("npu", {"openvino.device": "cpu"}, fallback=True).placement()
    assert placement["proven"] == "unknown"
    assert placement["evidence"].endswith("the share of each is not told, openvino.device=cpu")


@pytest.mark.parametrize(
    ("delegate", "name", "text"),
    [
        ("gpu", "openvino.device", "delegate 'gpu' has no option 'openvino.device'; it has none"),
        ("npu", "openvino.precision", "delegate 'npu' has no option 'openvino.precision'; it has openvino.device"),
    ],
)
def test_an_option_that_nothing_would_see_is_refused(
    litert: type[Asynchronous], delegate: str, name: str, text: str
) -> None:
    with pytest.raises(EngineError, match=text):
        loaded(delegate, {name: "cpu"})
    assert litert.asked == []


@pytest.mark.parametrize("device", ["CPU", "", "cpu\0"])
def test_a_device_that_openvino_does_not_know_is_refused(litert: type[Asynchronous], device: str) -> None:
    with pytest.raises(EngineError, match="is one of cpu, gpu, npu, not"):
        loaded("npu", {"openvino.device": device})


@pytest.mark.parametrize("module", ["options", "intel_openvino_options"])
def test_a_version_without_options_says_so(
    litert: type[Asynchronous], monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, f"ai_edge_litert.{module}", None)
    with pytest.raises(EngineError, match=r"this version of litert takes no option 'openvino\.device'"):
        loaded("npu", {"openvino.device": "cpu"})
