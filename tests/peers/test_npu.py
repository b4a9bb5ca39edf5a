"""The delegate ``npu`` through a real vendor: Intel's OpenVINO, compiling for the processor.

OpenVINO's processor is no NPU, and the placement's evidence says so. What it shows is the way there:
operators are partitioned, compiled and dispatched by the vendor's libraries and not by LiteRT's kernels.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DelegateError, InputError, ModelError
from pytest_edgedevice.runners import growing
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents, started_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import Array

ROOT = Path(__file__).parents[2]
FACES = ROOT / "fixtures" / "models" / "face_detector.tflite"
TINY = ROOT / "fixtures" / "tiny"
NPU_PYTHON = Path(os.environ.get("EDGEDEVICE_NPU_PYTHON", str(ROOT / ".venv-npu" / "bin" / "python")))
NPU: dict[str, Any] = {"delegate": "npu", "delegate_options": {"openvino.device": "cpu"}}
REFUSED = "npu is not usable here, or did not take the whole model"


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    assert NPU_PYTHON.exists(), f"{NPU_PYTHON} is missing: run ./tests/run, which makes it"
    folder = tmp_path_factory.mktemp("npu")
    link = LocalTransport(base=folder, python=str(NPU_PYTHON))
    with forked_agents(folder, str(NPU_PYTHON)), Device(link, name="npu") as opened:
        yield opened


@pytest.fixture(scope="module")
def without_vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """This Python has LiteRT with the vendor's compiler, and not the library that it needs."""
    folder = tmp_path_factory.mktemp("desk")
    with forked_agents(folder), Device(LocalTransport(base=folder), name="desk") as opened:
        yield opened


@pytest.fixture(scope="module")
def face() -> Array:
    image = Image.open(ROOT / "fixtures" / "photos" / "astronaut.png").convert("RGB").resize((128, 128))
    return np.asarray(image, np.float32)[np.newaxis] / 127.5 - 1


@pytest.fixture(scope="module")
def faces(device: Device) -> Iterator[LoadedModel]:
    with device.load(FACES, **NPU) as model:
        yield model


@pytest.mark.npu
def test_an_agent_that_starts_from_nothing_has_the_whole_model_taken(tmp_path: Path) -> None:
    """Those of the other tests are forked."""
    link = LocalTransport(base=tmp_path, python=str(NPU_PYTHON))
    with started_agents(), Device(link, name="npu") as device, device.load(FACES, **NPU) as model:
        assert (model.placement.proven, model.placement.complete) == ("npu", True)


@pytest.mark.npu
def test_the_whole_model_is_taken_and_the_evidence_names_the_real_device(faces: LoadedModel) -> None:
    placement = faces.placement
    assert (placement.proven, placement.delegated, placement.nodes) == ("npu", 164, 164)
    assert placement.complete
    assert placement.evidence == "compiled without the CPU accelerator, openvino.device=cpu"


@pytest.mark.npu
def test_other_kernels_than_the_processors_did_run_and_find_the_same_face(
    device: Device, faces: LoadedModel, face: Array
) -> None:
    with device.load(FACES, delegate="cpu") as model:
        expected = model.run(face).outputs
    found = faces.run(face).outputs
    assert any(not np.array_equal(found[name], expected[name]) for name in expected)
    best = np.asarray(expected["classificators"]).argmax()
    assert abs(np.asarray(found["classificators"]).ravel()[best] - np.asarray(expected["classificators"]).max()) < 1.0


@pytest.mark.npu
@pytest.mark.parametrize("name", ["add_float32", "add_int8", "copy_float32", "no_signature", "undelegated"])
def test_outputs_of_every_sample_are_what_the_processor_gives(device: Device, name: str) -> None:
    with device.load(TINY / f"{name}.tflite", delegate="cpu") as model:
        specs = model.info.inputs
        inputs = {spec.name: np.arange(12).reshape(3, 4).astype(spec.dtype) for spec in specs}
        expected = model.run(inputs).outputs
    with device.load(TINY / f"{name}.tflite", **NPU) as model:
        found = model.run(inputs).outputs
    for key, values in expected.items():
        assert np.asarray(found[key]).dtype == np.asarray(values).dtype
        assert np.array_equal(found[key], values)


@pytest.mark.npu
def test_it_is_measured(faces: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "MAX_WARMUP_S", 0.0)  # until it is steady takes seconds where others compute too
    timing = faces.measure(max_runs=5)
    assert len(timing.samples_ns) == 5
    assert min(timing.samples_ns) > 0


@pytest.mark.npu
@pytest.mark.parametrize("name", ["partial", "slow", "two_outputs"])
def test_a_model_of_which_it_takes_a_part_or_nothing_is_refused(device: Device, name: str) -> None:
    with pytest.raises(DelegateError, match=REFUSED):
        device.load(TINY / f"{name}.tflite", **NPU)


@pytest.mark.npu
def test_a_fallback_that_was_allowed_computes_and_is_not_called_the_npu(device: Device) -> None:
    with device.load(TINY / "partial.tflite", **NPU, fallback="allow") as model:
        x = np.array([[1, 2, 3, 4]], np.float32)
        assert np.array_equal(model.run(x).outputs["y"], np.cumsum(x, axis=1))
        assert (model.placement.proven, model.placement.complete) == ("unknown", False)


@pytest.mark.npu
def test_a_model_that_needs_no_fallback_is_the_npus_also_where_one_is_allowed(device: Device) -> None:
    with device.load(FACES, **NPU, fallback="allow") as model:
        assert (model.placement.proven, model.placement.complete) == ("npu", True)


@pytest.mark.npu
def test_without_the_hardware_the_vendors_compiler_fails_and_so_does_the_load(device: Device) -> None:
    with pytest.raises(DelegateError, match=REFUSED):
        device.load(FACES, delegate="npu")


@pytest.mark.npu
def test_without_the_hardware_a_fallback_that_is_allowed_is_not_called_the_npu(device: Device) -> None:
    with device.load(FACES, delegate="npu", fallback="allow") as model:
        assert (model.placement.proven, model.placement.complete) == ("unknown", False)


@pytest.mark.npu
def test_state_that_cannot_be_reset_is_refused(device: Device) -> None:
    with pytest.raises(ModelError, match="stateful"):
        device.load(TINY / "stateful.tflite", **NPU)


def test_without_the_vendors_library_the_load_fails_and_the_library_is_named(without_vendor: Device) -> None:
    with pytest.raises(DelegateError, match=REFUSED) as raised:
        without_vendor.load(FACES, **NPU)
    assert "libopenvino" in str(raised.value)


def test_without_the_vendors_library_npu_or_cpu_is_not_called_the_npu(without_vendor: Device) -> None:
    with without_vendor.load(FACES, **NPU, fallback="allow") as model:
        assert (model.placement.requested, model.placement.proven) == ("npu", "unknown")
        assert dict(model.placement.left_over) == {"unknown": 164}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"device": "cpu"}, "delegate 'npu' has no option 'device'; it has openvino.device"),
        ({"openvino.device": "CPU,GPU"}, "option 'openvino.device' is one of cpu, gpu, npu, not 'CPU,GPU'"),
    ],
)
def test_an_option_that_nothing_would_see_is_refused(
    without_vendor: Device, options: dict[str, str], text: str
) -> None:
    with pytest.raises(InputError) as raised:
        without_vendor.load(FACES, delegate="npu", delegate_options=options)
    assert text in str(raised.value)
