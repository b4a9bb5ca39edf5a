"""Core ML through coremltools, on a stand-in that behaves as its code does; the real one predicts on Macs only."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.agent import engines
from pytest_edgedevice.agent.engines import coreml_here
from pytest_edgedevice.agent.engines.base import EngineError, LoadOptions
from tests.standins.coreml_models import FOLDER, array, compiled, content, package, single

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.agent.engines.base import Engine

ROW = np.arange(4, dtype=np.float32).reshape(1, 4)
METADATA: dict[str, Any] = {
    "inputSchema": [{"name": "x", "type": "MultiArray", "dataType": "Float32", "shape": "[1, 4]"}],
    "outputSchema": [{"name": "y", "type": "MultiArray", "dataType": "Float32", "shape": "[1, 4]"}],
    "computePrecision": "Float32",
    "storagePrecision": "Float32",
}
FEATURE = METADATA["inputSchema"][0]


@pytest.fixture(autouse=True)
def _standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process has it for the length of a test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    for name in [one for one in sys.modules if one.partition(".")[0] == "coremltools"]:
        del sys.modules[name]
    importlib.invalidate_caches()


def loaded(path: Path, delegate: str = "default", **options: Any) -> Engine:
    return engines.load(str(path), LoadOptions(delegate=delegate, **options))


def refused(path: Path, delegate: str = "default", **options: Any) -> tuple[str, str]:
    with pytest.raises(EngineError) as caught:
        loaded(path, delegate, **options)
    return caught.value.kind, str(caught.value)


def answer(engine: Engine, *arrays: Any, output: int = 0) -> Any:
    engine.reset()
    engine.set_inputs(list(arrays))
    engine.invoke()
    return engine.output(output)


def test_it_is_here_where_coremltools_has_its_binding() -> None:
    assert engines.installed()["coreml"] == "9.0"
    assert {*coreml_here.DELEGATES, "default", "cpu"} <= set(engines.delegates())


def test_an_agent_that_has_nothing_else_offers_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "DISTRIBUTIONS", {"coreml": ["coremltools"]})
    assert engines.delegates() == ["default", "cpu_only", "cpu_and_gpu", "cpu_and_ne", "all", "coreml"]


def test_coremltools_that_cannot_predict_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other" / "coremltools").mkdir(parents=True)
    (tmp_path / "other" / "coremltools" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    assert not coreml_here.usable()
    kind, said = refused(package(tmp_path))
    assert (kind, said) == (
        "engine",
        f"engine 'coreml' is not installed on the device: {coreml_here.needed()}",
    )
    assert coreml_here.needed().startswith("Core ML needs macOS, and this is linux; there: pip install")


def test_a_broken_coremltools_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)  # what find_spec takes for an error
    assert not coreml_here.usable()


def test_a_mac_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert coreml_here.needed() == "pip install 'pytest-edgedevice[coreml]'"


def test_coremltools_that_does_not_import_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_edgedevice.agent.engines.coreml import CoreMLEngine

    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(EngineError, match="coremltools does not load"):
        CoreMLEngine(str(package(tmp_path)), LoadOptions(), "9.0")


@pytest.mark.parametrize("write", [package, single])
def test_a_model_gives_what_it_computes(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path)
    engine = loaded(path.rename(tmp_path / ("f" * 64)) if path.is_file() else path)
    assert (engine.name, engine.version, engine.variant) == ("coreml", "9.0", "float32")
    given = np.frombuffer(ROW.tobytes(), np.float32).reshape(1, 4)  # read-only, as what comes over the wire is
    assert answer(engine, given).tolist() == [[1, 3, 5, 7]]


def test_a_compiled_model_is_described_by_its_metadata(tmp_path: Path) -> None:
    engine = loaded(compiled(tmp_path, METADATA), "cpu_only")
    assert engine.inputs == [{"name": "x", "dtype": "float32", "shape": [1, 4], "quantization": None}]
    assert answer(engine, ROW).tolist() == [[1, 3, 5, 7]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "int8"])
def test_outputs_are_dense_and_of_the_models_own_type(tmp_path: Path, dtype: str) -> None:
    told = content([array("x", dtype, (1, 2, 3))], [array("y", dtype, (1, 2, 3), of="x", scale=2)])
    found = answer(loaded(package(tmp_path, told)), np.arange(6, dtype=dtype).reshape(1, 2, 3))
    assert found.dtype == dtype
    assert found.flags["C_CONTIGUOUS"]
    assert found.tolist() == [[[0, 2, 4], [6, 8, 10]]]


def test_every_float16_comes_back_bit_by_bit(tmp_path: Path) -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(1, -1)
    every = every[:, np.isfinite(every[0])]
    shape = every.shape
    told = content([array("x", "float16", shape)], [array("y", "float16", shape, of="x")])
    found = answer(loaded(package(tmp_path, told)), every)
    assert np.array_equal(found.view(np.uint16) & 0x7FFF, every.view(np.uint16) & 0x7FFF)


OPEN = content([array("x")], [array("y", shape=None, of="x")])
SHAPES = {
    "a range": (array("x", range=[[1, 8], [4, 4]]), [-1, 4]),
    "enumerated": (array("x", enumerated=[[3, 4]]), [-1, 4]),
    "one shape": (array("x", enumerated=[[1, 4]]), [1, 4]),
    "an image": ({"name": "x", "kind": "imageType", "height": 2, "width": 3, "colour": "RGB"}, [1, 2, 3, 3]),
    "grey": ({"name": "x", "kind": "imageType", "height": 2, "width": 3, "colour": "GRAYSCALE"}, [1, 2, 3]),
    "any size": (
        {"name": "x", "kind": "imageType", "height": 2, "width": 3, "colour": "BGR", "flexible": "imageSizeRange"},
        [1, -1, -1, 3],
    ),
    "a number": ({"name": "x", "kind": "doubleType"}, []),
}


@pytest.mark.parametrize(("feature", "shape"), SHAPES.values(), ids=SHAPES)
def test_inputs_are_described(tmp_path: Path, feature: dict[str, Any], shape: list[int]) -> None:
    told = content([feature], [array("y", shape=None, of="x", how="sum", program=[])])
    engine = loaded(package(tmp_path, told))
    assert [one["shape"] for one in engine.inputs] == [shape]
    assert engine.outputs[0]["shape"] == []


METADATA_SHAPES = {
    "a range": ({**FEATURE, "hasShapeFlexibility": "1", "shapeRange": "[[1, 8], [4, 4]]"}, [-1, 4], "float32"),
    "enumerated": ({**FEATURE, "enumeratedShapes": "[[1, 4], [3, 4]]"}, [-1, 4], "float32"),
    "half": ({**FEATURE, "dataType": "Float16"}, [1, 4], "float16"),
    "an image": (
        {"name": "x", "type": "Image", "height": "2", "width": "3", "colorspace": "RGB", "hasSizeFlexibility": "0"},
        [1, 2, 3, 3],
        "uint8",
    ),
    "any size": (
        {
            "name": "x",
            "type": "Image",
            "height": "2",
            "width": "3",
            "colorspace": "Grayscale",
            "hasSizeFlexibility": "1",
        },
        [1, -1, -1],
        "uint8",
    ),
    "a number": ({"name": "x", "type": "Int64"}, [], "int64"),
}


@pytest.mark.parametrize(("feature", "shape", "dtype"), METADATA_SHAPES.values(), ids=METADATA_SHAPES)
def test_metadata_describes_as_a_specification_does(
    tmp_path: Path, feature: dict[str, Any], shape: list[int], dtype: str
) -> None:
    engine = loaded(compiled(tmp_path, {**METADATA, "inputSchema": [feature]}))
    assert (engine.inputs[0]["shape"], engine.inputs[0]["dtype"]) == (shape, dtype)


def test_a_shape_that_varies_may_have_any_size(tmp_path: Path) -> None:
    told = content([array("x", range=[[1, 8], [4, 4]])], [array("y", shape=None, of="x", program=[-1, 4])])
    engine = loaded(package(tmp_path, told))
    assert engine.outputs[0]["shape"] == [-1, 4]
    assert answer(engine, np.ones((5, 4), np.float32)).shape == (5, 4)


def test_an_output_that_is_not_described_is_looked_at_once(tmp_path: Path) -> None:
    told = content(outputs=[array("y", shape=None, of="x", how="nonzero"), array("z", shape=None, of="x", how="sum")])
    engine = loaded(package(tmp_path, told))
    assert [one["shape"] for one in engine.outputs] == [[-1, -1], []]
    assert answer(engine, ROW).shape == (3, 2)
    assert answer(engine, ROW, output=1).shape == ()


def test_a_shape_that_core_ml_pads_is_the_declared_one_again(tmp_path: Path) -> None:
    padded: dict[str, Any] = {"as": [1, 1, 4]}
    told = content(outputs=[array("y", shape=(4,), of="x", **padded)])
    assert answer(loaded(package(tmp_path, told)), ROW).shape == (4,)


def test_an_output_of_another_shape_than_declared_is_told(tmp_path: Path) -> None:
    engine = loaded(package(tmp_path, content(outputs=[array("y", shape=(1, 3), of="x")])))
    with pytest.raises(EngineError, match=r"output 'y' has shape \[1, 4\], and the model declares \[1, 3\]"):
        answer(engine, ROW)


def test_an_output_that_does_not_come_is_told(tmp_path: Path) -> None:
    engine = loaded(package(tmp_path, content(fault={"lost": "y"})))
    with pytest.raises(EngineError, match=r"Core ML gave no output 'y', only \[\]"):
        answer(engine, ROW)


@pytest.mark.parametrize(
    ("colour", "dtype", "shape"),
    [("RGB", "uint8", (1, 2, 3, 3)), ("GRAYSCALE", "uint8", (1, 2, 3)), ("GRAYSCALE_FLOAT16", "float16", (1, 2, 3))],
)
def test_images_are_arrays(tmp_path: Path, colour: str, dtype: str, shape: tuple[int, ...]) -> None:
    image = {"kind": "imageType", "height": 2, "width": 3, "colour": colour, "dtype": dtype}
    told = content([{"name": "x", **image}], [{"name": "y", **image, "of": "x", "how": "picture", "shift": 1}])
    engine = loaded(package(tmp_path, told))
    pixels = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    found = answer(engine, pixels)
    assert (found.dtype, found.tolist()) == (dtype, (pixels + 1).tolist())
    assert engine.outputs[0]["shape"] == list(shape)


def test_an_image_without_pillow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_edgedevice.agent.engines import coreml_features, coreml_values

    monkeypatch.setitem(sys.modules, "PIL", None)
    feature = coreml_features.Feature("x", "image", "uint8", (1, 2, 3, 3), (1, 2, 3, 3), "colour")
    with pytest.raises(EngineError, match="pip install pillow"):
        coreml_values.zeros(feature)


@pytest.mark.parametrize(("kind", "dtype"), [("int64Type", "int64"), ("doubleType", "float64")])
def test_numbers_are_arrays_without_dimensions(tmp_path: Path, kind: str, dtype: str) -> None:
    number = {"kind": kind, "dtype": dtype}
    told = content([{"name": "x", **number}], [{"name": "y", **number, "of": "x", "how": "number", "scale": 2}])
    found = answer(loaded(package(tmp_path, told)), np.asarray(21, dtype))
    assert (found.dtype, found.shape, found) == (dtype, (), 42)


def test_state_is_made_anew_between_samples(tmp_path: Path) -> None:
    told = content(outputs=[array("y", shape=(1,), how="count")], state=["cache"])
    engine = loaded(package(tmp_path, told))
    engine.set_inputs([ROW])
    engine.invoke()
    engine.invoke()
    assert engine.output(0).tolist() == [2]
    assert answer(engine, ROW).tolist() == [1]


def test_state_needs_a_newer_macos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_MACOS", "14.4")
    path = package(tmp_path, content(state=["cache"]))
    assert refused(path) == (
        "model",
        "Core ML cannot make the model's state: State functionality is only supported on macOS 15+",
    )


def test_the_default_function_of_several_is_the_one_that_is_described(tmp_path: Path) -> None:
    told = content(outputs=[array("y", shape=None, of="x", program=[1, 4])], function="second")
    assert loaded(package(tmp_path, told)).outputs[0]["shape"] == [1, 4]


VARIANTS: dict[str, tuple[dict[str, Any], str]] = {
    "half": (content(outputs=[array("y", "float16", of="x", program=[1, 4])]), "float16"),
    "weights": (content(weights="constexpr_affine_dequantize"), "weight_int8"),
    "network": (content(type="neuralNetwork"), "float32"),
}


@pytest.mark.parametrize(("told", "variant"), VARIANTS.values(), ids=VARIANTS)
def test_the_variant_is_how_it_computes(tmp_path: Path, told: dict[str, Any], variant: str) -> None:
    assert loaded(package(tmp_path, told)).variant == variant


@pytest.mark.parametrize(
    ("more", "variant"),
    [
        ({"computePrecision": "Mixed (Float16, Int32)"}, "float16"),
        ({"storagePrecision": "Mixed (Palettized)"}, "weight_int8"),
    ],
)
def test_the_variant_of_a_compiled_model_is_in_its_metadata(tmp_path: Path, more: Any, variant: str) -> None:
    assert loaded(compiled(tmp_path, {**METADATA, **more})).variant == variant


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a text": (
        content(outputs=[{"name": "label", "kind": "stringType"}]),
        "the feature 'label' is a string, which cannot be sent as numbers; convert the model without a classifier's",
    ),
    "a dictionary": (content(outputs=[{"name": "p", "kind": "dictionaryType"}]), "the feature 'p' is a dictionary"),
    "an unknown dtype": (content([array("x", "bfloat16")]), "tensor 'x' has dtype number 7, which cannot be sent"),
    "no shape": (content([array("x", shape=None)]), "input 'x' has no shape in the model's description"),
    "several ranks": (content([array("x", enumerated=[[4]])]), "input 'x' has no shape"),
    "a colour": (
        content([{"name": "x", "kind": "imageType", "height": 2, "width": 3, "colour": "LAB"}]),
        "the image 'x' is of a colour space that is not known here",
    ),
    "a long name": (content([array("n" * 5000)]), "has 5000 characters"),
    "compiling": (
        content(fault={"compile": "no such operator"}),
        'Core ML does not take the model: Error compiling model: "no such operator".',
    ),
    "loading": (content(fault={"load": "{\n  out of  luck\n}"}), "Core ML does not take the model: { out of luck }"),
    "a newer one": (
        content(version=99),
        "The specification has version 99 but the Core ML framework version installed",
    ),
}


@pytest.mark.parametrize(("told", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_run_is_refused_with_the_reason(tmp_path: Path, told: dict[str, Any], said: str) -> None:
    kind, text = refused(package(tmp_path, told))
    assert kind == "model"
    assert said in text


@pytest.mark.parametrize("metadata", [None, {}, {**METADATA, "inputSchema": [{"name": "x"}]}, []])
def test_a_compiled_model_without_sound_metadata_is_refused(tmp_path: Path, metadata: Any) -> None:
    kind, text = refused(compiled(tmp_path, metadata))
    assert (kind, text.endswith("; give the .mlpackage that it was compiled from")) == ("model", True)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.mlmodel"
    path.write_bytes(b"something else")
    assert refused(path, "cpu_only") == (
        "model",
        "Core ML does not take the model: Error parsing message with type 'CoreML.Specification.Model'",
    )


@pytest.mark.parametrize(
    ("delegate", "proven", "plan"),
    [
        ("default", "all", {"neural_engine": 2, "cpu": 1}),
        ("all", "all", {"neural_engine": 2, "cpu": 1}),
        ("coreml", "all", {"neural_engine": 2, "cpu": 1}),
        ("cpu_and_ne", "cpu_and_ne", {"neural_engine": 2, "cpu": 1}),
        ("cpu_and_gpu", "cpu_and_gpu", {"cpu": 3}),
        ("cpu_only", "cpu_only", {"cpu": 3}),
    ],
)
def test_the_placement_is_a_request_with_a_plan(
    tmp_path: Path, delegate: str, proven: str, plan: dict[str, int]
) -> None:
    found = loaded(package(tmp_path), delegate).placement()
    assert (found["proven"], found["requested_only"], found["plan"]) == (proven, True, plan)
    assert (found["nodes"], found["delegated"], found["left_over"]) == (3, 3, {})
    assert found["evidence"].endswith("Core ML does not tell what ran where; planned, not proven")


@pytest.mark.parametrize("kind", ["neuralNetwork", "pipeline"])
def test_older_kinds_of_models_have_plans_too(tmp_path: Path, kind: str) -> None:
    parts = [{"type": "neuralNetwork", "devices": ["gpu"]}, {"type": "mlProgram", "devices": ["cpu", "gpu"]}]
    devices = ["gpu", "gpu", "cpu"]
    found = loaded(package(tmp_path, content(type=kind, parts=parts, devices=devices))).placement()
    assert found["plan"] == {"gpu": 2, "cpu": 1}


def test_without_a_plan_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_MACOS", "14.0")
    found = loaded(package(tmp_path)).placement()
    assert (found["plan"], found["nodes"]) == ({}, 0)
    assert found["evidence"].endswith("; no plan: MLComputePlan is only available on macOS 14.4 and later.")


def test_a_plan_that_names_no_operator_is_none(tmp_path: Path) -> None:
    assert loaded(package(tmp_path, content(devices=[]))).placement()["evidence"].endswith("names no operator")


@pytest.mark.parametrize("write", [package, lambda folder: compiled(folder, METADATA)])
def test_the_neural_engine_needs_a_newer_macos(tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_MACOS", "12.6")
    kind, said = refused(write(tmp_path), "cpu_and_ne")
    assert (kind, said.endswith("CPU_AND_NE is only available on macOS >= 13.0")) == ("delegate", True)


def test_a_delegate_of_another_engine_is_refused(tmp_path: Path) -> None:
    assert refused(package(tmp_path), "xnnpack") == (
        "delegate",
        f"delegate 'xnnpack' is none of the engine 'coreml', which has default, {', '.join(coreml_here.DELEGATES)}",
    )


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Insufficient Permission (to submit GPU work from background) (00000006)", "background"),
        ("kIOGPUCommandBufferCallbackErrorBackgroundExecutionNotPermitted", "background"),
        ("output 'background' is odd", "model"),
        ("", "model"),
    ],
)
def test_an_app_behind_is_to_blame_where_core_ml_says_so(tmp_path: Path, said: str, kind: str) -> None:
    engine = loaded(package(tmp_path, content(fault={"predict": said})))
    engine.set_inputs([ROW])
    with pytest.raises(EngineError, match="inference failed: ") as caught:
        engine.invoke()
    assert caught.value.kind == kind


def test_there_is_no_profiler(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="coremltools has no profiler"):
        loaded(package(tmp_path)).profile([ROW], runs=1, max_ns=1)


def test_models_choose_their_engine(tmp_path: Path) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(b"\x1c\0\0\0TFL3")
    assert not coreml_here.is_model(str(other))
    assert coreml_here.is_model(str(single(tmp_path)))
    assert refused(package(tmp_path), engine="litert") == (
        "model",
        "the engine 'litert' takes no model that is a folder; 'coreml' does",
    )


def test_warming_up_imports_the_engine_that_the_model_needs(tmp_path: Path) -> None:
    engines.warm(LoadOptions(), str(package(tmp_path)))
    assert "coremltools" in sys.modules
