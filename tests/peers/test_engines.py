"""Real models in real agent processes, under both runtimes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from fixtures.recipes.tflite_writer import Model
from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DelegateError, InputError, MissingExtraError, ModelError
from pytest_edgedevice.runners.agents import AgentRunner
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents, started_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import Array

ROOT = Path(__file__).parents[2]
TINY = ROOT / "fixtures" / "tiny"
MODELS = ROOT / "fixtures" / "models"
TFLITE_PYTHON = Path(os.environ.get("EDGEDEVICE_TFLITE_PYTHON", str(ROOT / ".venv-tflite" / "bin" / "python")))
ROW = np.array([[1, 2, 3, 4], [-5, 6, 0, 8]], np.float32)


def opened(engine: str, folder: Path) -> Device:
    return Device(LocalTransport(base=folder, python=python(engine)), name="desk", runner=AgentRunner(engine=engine))


def python(engine: str) -> str:
    if engine == "tflite":
        assert TFLITE_PYTHON.exists(), f"{TFLITE_PYTHON} is missing: run ./tests/run, which makes it"
        return str(TFLITE_PYTHON)
    return sys.executable


@pytest.fixture(scope="module")
def litert(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("device")
    with forked_agents(folder, python("litert")), opened("litert", folder) as desk:
        yield desk


@pytest.fixture(scope="module")
def tflite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    folder = tmp_path_factory.mktemp("device")
    with forked_agents(folder, python("tflite")), opened("tflite", folder) as desk:
        yield desk


@pytest.fixture(params=["litert", pytest.param("tflite", marks=pytest.mark.tflite)])
def device(request: pytest.FixtureRequest) -> Device:
    desk: Device = request.getfixturevalue(request.param)
    return desk


@pytest.fixture(scope="module")
def one_input(litert: Device) -> Iterator[LoadedModel]:
    with litert.load(TINY / "nan.tflite") as model:
        yield model


@pytest.fixture(scope="module")
def two_inputs(litert: Device) -> Iterator[LoadedModel]:
    with litert.load(TINY / "add_float32.tflite") as model:
        yield model


def outputs(device: Device, name: str, inputs: Any, **options: Any) -> dict[str, Any]:
    with device.load(TINY / f"{name}.tflite", **options) as model:
        return dict(model.run(inputs).outputs)


@pytest.mark.tflite
def test_an_agent_with_tflite_starts_from_nothing(tmp_path: Path) -> None:
    """As with LiteRT; those of the other tests are forked."""
    with started_agents(), opened("tflite", tmp_path) as desk:
        assert np.array_equal(outputs(desk, "two_outputs", ROW)["negated"], -ROW)


@pytest.mark.tflite
@pytest.mark.parametrize("path", sorted(TINY.glob("copy_*.tflite")), ids=lambda path: path.stem)
def test_every_dtype_comes_back_byte_for_byte(tflite: Device, path: Path) -> None:
    """As with LiteRT, which has all of them in the contract of devices."""
    dtype = np.dtype(path.stem.removeprefix("copy_"))
    raw = np.random.default_rng(0).integers(0, 256, 3 * 4 * dtype.itemsize, dtype=np.uint8)
    if dtype == np.bool_:
        raw &= 1
    sent: Array = raw.view(dtype).reshape(3, 4)
    with tflite.load(path) as model:
        if dtype == np.uint16:
            with pytest.raises(ModelError, match="does not take input 'x'"):
                model.run({"x": sent})
            return
        got = np.asarray(model.run({"x": sent}, allow_nan=True).outputs["y"])
    assert (got.dtype, got.shape, got.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())


def test_outputs_are_told_apart_by_name(device: Device) -> None:
    found = outputs(device, "two_outputs", ROW)
    assert np.array_equal(found["doubled"], 2 * ROW)
    assert np.array_equal(found["negated"], -ROW)


def test_inputs_are_told_apart_by_name(device: Device) -> None:
    found = outputs(device, "two_inputs", {"minuend": ROW, "subtrahend": ROW + 3})
    assert np.array_equal(found["difference"], np.full_like(ROW, -3))


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("no_signature", "x_tensor", "doubled_tensor"),
        ("unnamed", "input_0", "output_0"),
        ("two_signatures", "x", "doubled"),
        ("dynamic_batch", "x", "y"),
    ],
)
def test_names_and_batches_of_odd_models(device: Device, name: str, source: str, target: str) -> None:
    found = outputs(device, name, {source: ROW})
    assert list(found) == [target]
    if name != "unnamed":
        assert np.array_equal(found[target], 2 * ROW)


def test_a_model_without_a_batch_dimension_gets_a_sample_axis(device: Device) -> None:
    assert np.array_equal(outputs(device, "no_batch", ROW)["y"], -ROW)


def test_scalars_are_samples(device: Device) -> None:
    assert np.asarray(outputs(device, "scalar", np.array([1, 2, 3], np.float32))["y"]).tolist() == [-1, -2, -3]


def test_outputs_of_varying_length_come_as_a_list_and_may_be_empty(device: Device) -> None:
    masks = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]], bool)
    found = outputs(device, "dynamic_output", masks)["indices"]
    assert [one.tolist() for one in found] == [[[0], [2], [3]], [], [[3]]]


def test_five_thousand_ragged_samples_fit_the_headers(litert: Device) -> None:
    masks = np.random.default_rng(0).integers(0, 2, (5000, 4)).astype(bool)
    found = outputs(litert, "dynamic_output", masks)["indices"]
    assert [len(one) for one in found] == masks.sum(axis=1).tolist()


def test_shapes_may_change_and_change_back(device: Device) -> None:
    images = [np.full((1, *size, 3), at, np.float32) for at, size in enumerate([(2, 3), (5, 4), (0, 3), (2, 3)], 1)]
    with device.load(TINY / "dynamic.tflite") as model:
        found = model.run([{"image": image} for image in images]).outputs["doubled"]
    assert all(np.array_equal(one, 2 * image[0]) for one, image in zip(found, images, strict=True))


@pytest.mark.parametrize("name", ["stateful", "stateful_resource"])
def test_samples_do_not_see_each_other(device: Device, name: str) -> None:
    with device.load(TINY / f"{name}.tflite") as model:
        rows = [np.asarray(model.run(np.ones((5, 1), np.float32)).outputs["y"]).tolist() for _ in range(2)]
    assert rows == [[[1.0]] * 5] * 2


def test_the_face_detector_agrees_with_itself_under_every_delegate(device: Device) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (2, 128, 128, 3)).astype(np.float32)
    found = {}
    for delegate in ("reference", "default", "xnnpack", "cpu"):
        with device.load(MODELS / "face_detector.tflite", delegate=delegate) as model:
            assert model.placement.complete
            found[delegate] = model.run(image).outputs
    for name, expected in found["reference"].items():
        for delegate, outputs in found.items():
            assert np.allclose(outputs[name], expected, atol=1e-2), (delegate, name)


@pytest.mark.tflite
@pytest.mark.parametrize("name", ["face_detector", "digits_float32"])
def test_both_runtimes_give_the_same_outputs(litert: Device, tflite: Device, name: str) -> None:
    path = MODELS / f"{name}.tflite"
    with litert.load(path) as model:
        shape = model.info.inputs[0].shape[1:]
        inputs = np.random.default_rng(0).uniform(0, 1, (2, *shape)).astype(np.float32)
        expected = model.run(inputs).outputs
    with tflite.load(path) as model:
        assert model.info.engine_version == "2.14.0"
        found = model.run(inputs).outputs
    assert list(found) == list(expected)
    for output in found:
        assert np.allclose(found[output], expected[output], atol=1e-4), output


@pytest.mark.parametrize(("name", "taken"), [("partial", "took 2 of 3"), ("undelegated", "took 0 of 1")])
def test_a_delegate_that_leaves_operators_over_is_an_error_that_lists_them(
    device: Device, name: str, taken: str
) -> None:
    with pytest.raises(DelegateError) as raised:
        device.load(TINY / f"{name}.tflite", delegate="xnnpack")
    assert taken in str(raised.value)
    assert "left over: CUMSUM x1" in str(raised.value)
    assert 'fallback="allow"' in raised.value.hint


def test_a_fallback_that_is_allowed_is_shown(device: Device) -> None:
    with device.load(TINY / "partial.tflite", delegate="xnnpack", fallback="allow") as model:
        assert (model.placement.proven, model.placement.delegated, dict(model.placement.left_over)) == (
            "xnnpack",
            2,
            {"CUMSUM": 1},
        )


def test_the_default_says_what_ran(device: Device) -> None:
    with device.load(TINY / "undelegated.tflite") as model:
        assert (model.placement.requested, model.placement.proven, model.placement.delegated) == ("default", "cpu", 0)


@pytest.mark.parametrize("length", [1, 7, 64, 550])
def test_a_truncated_model_is_a_model_error(litert: Device, tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes((TINY / "add_float32.tflite").read_bytes()[:length])
    with pytest.raises(ModelError, match=r"cut\.tflite"):
        litert.load(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("missing.tflite", "does not exist"),
        ("", "is a folder"),
        ("empty.tflite", "is empty"),
        ("garbage.tflite", "not a valid Flatbuffer|Model provided has model identifier"),
    ],
)
def test_a_file_that_is_no_model_is_a_model_error(device: Device, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "empty.tflite").touch()
    (tmp_path / "garbage.tflite").write_bytes(b"garbage " * 99)
    with pytest.raises(ModelError, match=text):
        device.load(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"), [("custom_op", "unresolved custom op: EdgeDeviceUnknown"), ("string", "dtype string")]
)
def test_a_model_that_cannot_run_is_a_model_error(device: Device, name: str, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        device.load(TINY / f"{name}.tflite")


def test_a_model_that_fails_can_be_asked_again(device: Device) -> None:
    with device.load(TINY / "invoke_fails.tflite") as model:
        for _ in range(2):
            with pytest.raises(ModelError, match="inference failed"):
                model.run({"a": ROW.astype(np.float64), "b": ROW.astype(np.float64)})


def test_a_refused_sample_late_in_a_run_leaves_the_model_usable(litert: Device) -> None:
    rows = np.ones((3000, 4), np.float32)
    rows[2500, 2] = np.nan
    with litert.load(TINY / "no_batch.tflite") as model:
        with pytest.raises(InputError, match=r"first at sample 2500 \[2\]"):
            model.run(rows)
        assert np.array_equal(model.run(ROW).outputs["y"], -ROW)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"y": ROW}, "the model has no input 'y'; its inputs are ['x']\n  hint: did you mean 'x'?"),
        ({}, "input 'x' is missing; the model's inputs are ['x']"),
        (ROW[0], "input 'x' needs shape (n, 4) with n samples, got (4,)\n  hint: a single sample needs"),
        (ROW[:, :3], "input 'x' needs shape (n, 4) with n samples, got (2, 3)"),
        (ROW[:, None], "drop the extra one, x[:, 0]"),
        (ROW.astype(np.float64), "input 'x' needs float32, got float64\n  hint: cast it yourself: x.astype('float32')"),
        (ROW.astype(">f4"), "is not in this machine's byte order"),
        (ROW[:0], "there are no samples to run"),
        ([], "there are no samples to run"),
        ([ROW], "a sequence of inputs must hold mappings"),
        ({"x": [ROW[0], [1.0]]}, "input 'x' needs float32, got float64"),
        (np.full((1, 4), np.nan, np.float32), "input 'x' holds NaN, first at sample 0 [0]"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_runs(
    one_input: LoadedModel, inputs: Any, text: str
) -> None:
    with pytest.raises(InputError) as raised:
        one_input.run(inputs)
    assert text in str(raised.value)


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        (ROW, "the model has 2 inputs ('a', 'b'): give a mapping"),
        ({"a": ROW, "b": ROW[:1]}, "inputs have different numbers of samples: {'a': 2, 'b': 1}"),
        ({"a": [ROW[0]], "b": 3}, "input 'b' is one value where others are lists"),
        ({"a": [ROW[0]], "b": [ROW[0]] * 2}, "inputs have different numbers of samples: {'a': 1, 'b': 2}"),
    ],
)
def test_inputs_that_do_not_fit_each_other_are_refused(two_inputs: LoadedModel, inputs: Any, text: str) -> None:
    with pytest.raises(InputError) as raised:
        two_inputs.run(inputs)
    assert text in str(raised.value)


@pytest.mark.parametrize("delegate", ["warp", "", "external:", "XNNPACK"])
def test_an_unknown_delegate_is_refused_with_the_known_ones(litert: Device, delegate: str) -> None:
    with pytest.raises(
        DelegateError, match=r"known are default, cpu, xnnpack, reference, gpu, npu, nnapi, cpu_only, .*, external:PATH"
    ):
        litert.load(TINY / "nan.tflite", delegate=delegate)


@pytest.mark.parametrize("delegate", ["gpu", "npu"])
def test_an_accelerator_that_is_not_here_is_refused_in_one_line(litert: Device, delegate: str) -> None:
    with pytest.raises(DelegateError) as raised:
        litert.load(MODELS / "face_detector.tflite", delegate=delegate)
    assert "did not take the whole model: " in raised.value.message
    assert "  " not in raised.value.message.split("\n")[0]


@pytest.mark.tflite
def test_accelerators_need_litert(tflite: Device) -> None:
    with pytest.raises(DelegateError, match=r"with tflite .*, offers default"):
        tflite.load(TINY / "nan.tflite", delegate="gpu")


def test_a_runtime_that_is_not_installed_names_the_command_that_installs_it(litert: Device) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'pytest-edgedevice\[tflite\]'"):
        litert.load(TINY / "nan.tflite", engine="tflite")


def test_an_unknown_engine_is_refused_with_the_known_ones(litert: Device) -> None:
    with pytest.raises(InputError, match="engine 'warp' is unknown; engines are litert, tflite"):
        litert.load(TINY / "nan.tflite", engine="warp")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("delegate") / "delegate.so"
    source = Path(__file__).with_name("delegate.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(built), str(source)], check=True)
    return f"external:{built}"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "took 0 of 1 operators of 'nan.tflite'; left over: SQRT x1"),
        ({"mode": "refuse"}, "no such accelerator in this machine"),
        ({"echo": "caf\u00e9 7"}, "caf\u00e9 7"),
        ({"echo": 7}, "cannot be loaded: Failed to load delegate from"),
        ({"mode": "fail"}, "nan.tflite"),
    ],
    ids=str,
)
def test_an_external_delegate_that_does_not_take_the_model_is_an_error(
    device: Device, library: str, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(DelegateError) as raised:
        device.load(TINY / "nan.tflite", delegate=library, delegate_options=options)
    assert text in str(raised.value)


def test_a_delegate_that_takes_nothing_is_shown_where_fallback_is_allowed(device: Device, library: str) -> None:
    with device.load(TINY / "nan.tflite", delegate=library, fallback="allow") as model:
        assert (model.placement.delegated, dict(model.placement.left_over)) == (0, {"SQRT": 1})


def test_a_delegate_library_that_is_missing_is_named(device: Device) -> None:
    with pytest.raises(DelegateError, match=r"delegate library '/no/such\.so' cannot be loaded"):
        device.load(TINY / "nan.tflite", delegate="external:/no/such.so")


def test_a_delegate_that_takes_every_operator_is_proven_and_computes(device: Device, library: str) -> None:
    with device.load(TINY / "no_batch.tflite", delegate=library, delegate_options={"mode": "negate"}) as model:
        placement = model.placement
        assert (placement.proven, placement.delegated, placement.nodes) == (library, 1, 1)
        x = np.array([[1, -2, 0, 3.5]], np.float32)
        assert np.array_equal(model.run(x).outputs["y"], -x)


@pytest.mark.parametrize(
    ("mode", "taken", "left"),
    [("negate", 2, {"CUMSUM": 1}), ("first", 1, {"CUMSUM": 1, "NEG": 1})],
)
def test_a_delegate_that_takes_some_operators_is_refused_with_what_it_left_and_right_where_that_is_allowed(
    device: Device, library: str, mode: str, taken: int, left: dict[str, int]
) -> None:
    with pytest.raises(
        DelegateError, match=rf"took {taken} of 3 operators of 'partial.tflite'; left over: .*CUMSUM x1"
    ):
        device.load(TINY / "partial.tflite", delegate=library, delegate_options={"mode": mode})
    options = {"mode": mode}
    with device.load(TINY / "partial.tflite", delegate=library, delegate_options=options, fallback="allow") as model:
        assert (model.placement.delegated, dict(model.placement.left_over)) == (taken, left)
        x = np.array([[1, 2, 3, 4]], np.float32)
        assert np.array_equal(model.run(x).outputs["y"], np.cumsum(x, axis=1))


def test_a_delegate_that_computes_wrongly_shows_in_the_outputs(device: Device, library: str) -> None:
    options = {"mode": "negate", "offset": "0.25"}
    with device.load(TINY / "no_batch.tflite", delegate=library, delegate_options=options) as model:
        assert np.array_equal(model.run(np.zeros((1, 4), np.float32)).outputs["y"], np.full((1, 4), 0.25, np.float32))


def test_a_tensor_name_that_no_frame_takes_is_the_models_fault(device: Device, tmp_path: Path) -> None:
    model = Model()
    x, y = (model.main.tensor(name, (1, 4)) for name in ("x" * 5000, "y"))
    model.main.op("NEG", [x], [y])
    model.main.io([x], [y])
    (tmp_path / "long.tflite").write_bytes(model.to_bytes())
    with pytest.raises(ModelError, match="has 5000 characters; 4096 are the most"):
        device.load(tmp_path / "long.tflite")
