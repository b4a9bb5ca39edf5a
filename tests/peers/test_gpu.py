"""The delegate ``gpu`` on a real Vulkan driver: SwiftShader, which computes on the processor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DelegateError
from pytest_edgedevice.runners import growing
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents, started_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.values import Array

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).parents[2]
FACES = ROOT / "fixtures" / "models" / "face_detector.tflite"
TINY = ROOT / "fixtures" / "tiny"
VULKAN = Path(os.environ.get("EDGEDEVICE_VULKAN", str(ROOT / ".vulkan")))
DRIVER = VULKAN / "vk_swiftshader_icd.json"
ENVIRONMENT = {"VK_ICD_FILENAMES": str(DRIVER), "VK_DRIVER_FILES": str(DRIVER), "LD_LIBRARY_PATH": str(VULKAN)}


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    assert DRIVER.exists(), f"{DRIVER} is missing: run ./tests/run, which fetches it"
    folder = tmp_path_factory.mktemp("gpu")
    with (
        forked_agents(folder, measured=True, environment=ENVIRONMENT),
        Device(LocalTransport(base=folder), name="gpu") as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def face() -> Array:
    image = Image.open(ROOT / "fixtures" / "photos" / "astronaut.png").convert("RGB").resize((128, 128))
    return np.asarray(image, np.float32)[np.newaxis] / 127.5 - 1


@pytest.fixture(scope="module")
def faces(device: Device) -> Iterator[LoadedModel]:
    with device.load(FACES, delegate="gpu") as model:
        yield model


def test_an_agent_that_starts_from_nothing_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the other tests are forked."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with (
        started_agents(),
        Device(LocalTransport(base=tmp_path), name="gpu") as device,
        device.load(TINY / "two_outputs.tflite", delegate="gpu") as model,
    ):
        assert (model.placement.proven, model.placement.complete) == ("gpu", True)


def test_the_whole_model_runs_there_and_agrees_with_the_processor(
    device: Device, faces: LoadedModel, face: Array
) -> None:
    with device.load(FACES, delegate="cpu") as model:
        expected = model.run(face).outputs
    found = faces.run(face).outputs
    assert (faces.placement.proven, faces.placement.complete) == ("gpu", True)
    assert all(np.allclose(found[name], expected[name], rtol=0, atol=5e-3) for name in expected)
    assert any(not np.array_equal(found[name], expected[name]) for name in expected)  # other kernels did run


def test_what_is_measured_includes_reading_the_outputs(
    faces: LoadedModel, face: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "MAX_WINDOWS", 1)  # software computes it in tenths of a second
    # handing the work over takes well below a millisecond, and no machine computes it in software in one
    assert min(faces.measure(face, max_runs=3).samples_ns) > 1e6


@pytest.mark.parametrize("name", ["copy_bool", "copy_float16", "copy_int8", "copy_uint8", "partial", "two_outputs"])
def test_outputs_of_every_sample_are_what_the_processor_gives(device: Device, name: str) -> None:
    with device.load(TINY / f"{name}.tflite", delegate="cpu") as model:
        spec = model.info.inputs[0]
        samples = np.arange(12).reshape(3, 4).astype(spec.dtype)
        expected = model.run({spec.name: samples}).outputs
    with device.load(TINY / f"{name}.tflite", delegate="gpu") as model:
        found = model.run({spec.name: samples}).outputs
    for key, values in expected.items():
        assert np.asarray(found[key]).dtype == np.asarray(values).dtype
        assert np.array_equal(found[key], values)


def test_a_model_that_it_cannot_take_is_refused(device: Device) -> None:
    with pytest.raises(DelegateError, match="gpu is not usable here, or did not take the whole model"):
        device.load(TINY / "slow.tflite", delegate="gpu")


def test_a_fallback_that_was_allowed_is_not_called_the_gpu(device: Device) -> None:
    with device.load(TINY / "slow.tflite", delegate="gpu", fallback="allow") as model:
        assert np.array_equal(model.run(np.array([3, 7], np.int32)).outputs["counted"], [3, 7])
        assert (model.placement.proven, model.placement.complete) == ("unknown", False)
