"""The native agent gives what the Python agent gives, for the same model, inputs and kernels."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import DelegateError, ModelError
from tests.native.agents import MODELS, ROOT, TINY
from tests.native.reference import load_here

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import TensorSpec
    from tests.native.agents import Agents

ABNORMAL = {"crash", "crash_on_load", "custom_op", "string", "invoke_fails", "slow", "grow"}
"""Tried one by one elsewhere: they crash, are refused, fail, or take as long and as much as they are asked to."""
ALL = [*sorted(TINY.glob("*.tflite")), *sorted(MODELS.glob("*.tflite"))]
NORMAL = [path for path in ALL if path.stem not in ABNORMAL]
LITERT_REFUSES = {"copy_complex128", "every_dtype", "dynamic", "dynamic_batch", "dynamic_output", "stateful"}
"""An element type, shapes that vary and variable tensors, which ``CompiledModel`` does not take."""
OTHER_ARITHMETIC = {("face_detector_dynamic_int8", "xnnpack")}
"""TensorFlow Lite 2.17 gives other outputs here than LiteRT 2.3, whose library and the wheel agree byte for byte."""
ATOL = {"float32": 1e-4, "float16": 1e-3}
"""Between versions of the runtime; integers and what is only copied must be equal."""


def samples(specs: tuple[TensorSpec, ...]) -> dict[str, Any]:
    """Three samples of every input, over its type's whole range where that is harmless."""
    generator = np.random.default_rng(7)
    found = {}
    for spec in specs:
        kind = np.dtype(spec.dtype)
        shape = (3, *(2 if size == -1 else size for size in spec.shape[spec.shape[:1] in ((1,), (-1,)) :]))
        raw = generator.integers(0, 256, (*shape, kind.itemsize), dtype=np.uint8)
        values = generator.uniform(-1, 1, shape).astype(kind) if kind.kind in "fc" else raw.view(kind).reshape(shape)
        found[spec.name] = generator.integers(0, 2, shape).astype(kind) if kind.kind == "b" else values
    return found


def described(model: LoadedModel) -> tuple[Any, ...]:
    return model.info.inputs, model.info.outputs, model.info.variant, model.placement.nodes


def check_same(native: LoadedModel, reference: LoadedModel, *, exact: bool) -> None:
    """Descriptions are equal, outputs too, or within what versions differ by."""
    assert described(native) == described(reference)
    inputs = samples(reference.info.inputs)
    expected, got = reference.run(inputs).outputs, native.run(inputs).outputs
    assert list(got) == list(expected)
    for name, wanted in expected.items():
        for one, other in zip(got[name], wanted, strict=True):
            assert (np.asarray(one).dtype, np.shape(one)) == (np.asarray(other).dtype, np.shape(other))
            if exact or np.asarray(other).dtype.name not in ATOL:
                assert np.asarray(one).tobytes() == np.asarray(other).tobytes(), name
            else:
                np.testing.assert_allclose(one, other, atol=ATOL[np.asarray(other).dtype.name], rtol=0)


@pytest.mark.parametrize(
    ("path", "delegate"),
    [
        pytest.param(path, delegate, id=f"{path.stem}-{delegate}")
        for path in NORMAL
        for delegate in ("cpu", "xnnpack")
        if (path.stem, delegate) not in OTHER_ARITHMETIC
    ],
)
def test_tensorflow_lite_and_the_python_agent_agree(agents: Agents, path: Path, delegate: str) -> None:
    with agents.load(path, delegate=delegate) as native:
        reference = load_here(path, agents.folder, delegate=delegate)
        check_same(native, reference, exact=path.stem.startswith(("copy_", "every_")))


@pytest.mark.parametrize("delegate", ["cpu", "xnnpack"])
@pytest.mark.parametrize(
    "path", [path for path in NORMAL if path.stem not in LITERT_REFUSES], ids=lambda path: path.stem
)
def test_litert_and_the_python_agent_agree_byte_for_byte(agents: Agents, path: Path, delegate: str) -> None:
    with agents.load(path, "litert", delegate=delegate) as native:
        reference = load_here(path, agents.folder, delegate=delegate)
        check_same(native, reference, exact=True)


@pytest.mark.parametrize("path", NORMAL, ids=lambda path: path.stem)
def test_the_c_library_proves_the_placement_that_python_proves(agents: Agents, path: Path) -> None:
    with agents.load(path, delegate="cpu") as native:
        reference = load_here(path, agents.folder, delegate="cpu")
        assert native.placement.complete
        assert (native.placement.proven, native.placement.delegated) == ("cpu", reference.placement.delegated)


@pytest.mark.parametrize("name", sorted(LITERT_REFUSES))
def test_litert_refuses_what_compiled_models_cannot_take(agents: Agents, name: str) -> None:
    with pytest.raises(ModelError):
        agents.load(TINY / f"{name}.tflite", "litert", delegate="cpu")


@pytest.mark.parametrize(
    ("name", "delegate", "expected"),
    [
        ("partial", "xnnpack", ("xnnpack", 3, 2, 2, {"CUMSUM": 1})),
        ("partial", "default", ("xnnpack", 3, 2, 2, {"CUMSUM": 1})),
        ("undelegated", "xnnpack", ("cpu", 1, 0, 0, {"CUMSUM": 1})),
        ("undelegated", "default", ("cpu", 1, 0, 0, {"CUMSUM": 1})),
        ("undelegated", "cpu", ("cpu", 1, 1, 0, {})),
        ("two_outputs", "xnnpack", ("xnnpack", 2, 2, 1, {})),
    ],
)
def test_the_placement_is_counted_in_the_prepared_graph(
    agents: Agents, name: str, delegate: str, expected: tuple[Any, ...]
) -> None:
    with agents.load(TINY / f"{name}.tflite", delegate=delegate) as model:
        found = model.placement
        assert (found.proven, found.nodes, found.delegated, found.partitions, dict(found.left_over)) == expected


def test_litert_claims_no_placement_that_it_does_not_know(agents: Agents) -> None:
    with agents.load(TINY / "partial.tflite", "litert", delegate="xnnpack") as model:
        assert (model.placement.proven, dict(model.placement.left_over)) == ("unknown", {"unknown": 3})


@pytest.mark.parametrize(
    ("runtime", "delegate", "text"),
    [
        ("tflite", "gpu", "'gpu' is not in this library, nor is libtensorflowlite_gpu_jni.so"),
        ("tflite", "reference", "has no reference kernels"),
        ("tflite", "warp", "'warp' is unknown to the engine 'tflite'"),
        ("tflite", "external:", "no path is given"),
        ("litert", "gpu", "LiteRT cannot compile the model"),
        ("litert", "npu", "LiteRT cannot compile the model"),
        ("litert", "reference", "runs built-in kernels where it is asked for reference ones"),
        ("litert", "warp", "'warp' is unknown to the engine 'litert'"),
        ("litert", "external:/x.so", "takes no external delegates"),
    ],
)
def test_a_delegate_that_cannot_be_had_is_a_delegate_error(
    agents: Agents, runtime: str, delegate: str, text: str
) -> None:
    with pytest.raises(DelegateError) as raised:
        agents.load(MODELS / "digits_float32.tflite", runtime, delegate=delegate, allow_fallback=False)
    assert text in raised.value.message


@pytest.mark.parametrize("delegate", ["npu", "nnapi"])
def test_nnapi_that_takes_nothing_is_shown(agents: Agents, delegate: str) -> None:
    """As on every Linux: the library can make the delegate, there is no NNAPI behind it."""
    with agents.load(MODELS / "digits_float32.tflite", delegate=delegate) as model:
        assert (model.placement.proven, model.placement.delegated) == ("cpu", 0)
        assert sum(model.placement.left_over.values()) == model.placement.nodes


@pytest.fixture(scope="module")
def external(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("delegate") / "delegate.so"
    source = ROOT / "tests" / "peers" / "delegate.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(built), str(source)], check=True)
    return f"external:{built}"


def test_an_external_delegate_takes_operators_and_computes(agents: Agents, external: str) -> None:
    options = {"mode": "negate", "offset": "2"}
    with agents.load(TINY / "no_batch.tflite", delegate=external, delegate_options=options) as model:
        assert (model.placement.proven, model.placement.delegated, model.placement.partitions) == (external, 1, 1)
        assert np.asarray(model.run(np.ones((1, 4), np.float32)).outputs["y"]).tolist() == [[1, 1, 1, 1]]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"echo": "caf\u00e9 7"}, "caf\u00e9 7"),
        ({"mode": "refuse"}, "no such accelerator"),
        ({"mode": "fail"}, "after delegate application failure"),
    ],
    ids=str,
)
def test_an_external_delegate_that_fails_is_a_delegate_error(
    agents: Agents, external: str, options: dict[str, str], text: str
) -> None:
    with pytest.raises(DelegateError) as raised:
        agents.load(TINY / "nan.tflite", delegate=external, delegate_options=options)
    assert text in raised.value.message


@pytest.mark.parametrize("runtime", ["tflite", "litert"])
@pytest.mark.parametrize(("threads", "delegate"), [(2, "xnnpack"), (2, "cpu")])
def test_more_threads_give_the_same_outputs(agents: Agents, runtime: str, threads: int, delegate: str) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    found = []
    for count in (1, threads):
        with agents.load(MODELS / "face_detector.tflite", runtime, delegate=delegate, threads=count) as model:
            found.append(model.run(image).outputs)
            assert model.placement.complete
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], atol=1e-4)


@pytest.mark.parametrize(("name", "text"), [("custom_op", "custom op|prepare the model"), ("string", "dtype string")])
@pytest.mark.parametrize("runtime", ["tflite", "litert"])
def test_a_model_that_cannot_run_is_a_model_error(agents: Agents, runtime: str, name: str, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        agents.load(TINY / f"{name}.tflite", runtime)


@pytest.mark.parametrize("runtime", ["tflite", "litert"])
def test_a_model_that_fails_can_be_asked_again(agents: Agents, runtime: str) -> None:
    with agents.load(TINY / "invoke_fails.tflite", runtime) as model:
        for _ in range(2):
            with pytest.raises(ModelError, match="inference failed"):
                model.run({"a": np.ones((1, 4)), "b": np.ones((1, 4))})


@pytest.mark.parametrize("runtime", ["tflite", "litert"])
def test_samples_do_not_see_each_other(agents: Agents, runtime: str) -> None:
    with agents.load(TINY / "stateful_resource.tflite", runtime) as model:
        rows = [np.asarray(model.run(np.ones((5, 1), np.float32)).outputs["y"]).tolist() for _ in range(2)]
    assert rows == [[[1.0]] * 5] * 2


@pytest.mark.parametrize("delegate", ["cpu", "xnnpack"])
def test_shapes_may_change_and_change_back(agents: Agents, delegate: str) -> None:
    images = [np.full((1, *size, 3), at, np.float32) for at, size in enumerate([(2, 3), (5, 4), (0, 3), (2, 3)], 1)]
    with agents.load(TINY / "dynamic.tflite", delegate=delegate, allow_fallback=delegate == "cpu") as model:
        found = model.run([{"image": image} for image in images]).outputs["doubled"]
    assert all(np.array_equal(one, 2 * image[0]) for one, image in zip(found, images, strict=True))


def test_outputs_of_varying_length_come_as_a_list_and_may_be_empty(agents: Agents) -> None:
    masks = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]] * 200, bool)
    with agents.load(TINY / "dynamic_output.tflite") as model:
        found = model.run(masks).outputs["indices"]
    assert [one.tolist() for one in found] == [[[0], [2], [3]], [], [[3]]] * 200


def test_an_output_that_no_reply_can_carry_is_a_model_error(agents: Agents) -> None:
    with agents.load(TINY / "grow.tflite") as model:
        with pytest.raises(ModelError, match="over the limit after 1 of 1 samples"):
            model.run({"size": np.array([300_000_000], np.int32)})
        assert len(np.asarray(model.run({"size": np.array([3], np.int32)}).outputs["ones"][0])) == 3


def test_a_measured_series_follows_the_wish(agents: Agents) -> None:
    with agents.load(MODELS / "digits_float32.tflite") as model:
        timing = model.measure(min_runs=50, max_runs=50)
    assert len(timing.samples_ns) == 50
