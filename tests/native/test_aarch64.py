"""The native agent for the processor of phones: cross-built, emulated, with the library that apps ship."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.native.agents import MODELS, TINY, Agents
from tests.native.builds import agent_of
from tests.native.conftest import tflite_library

COMPILER = "aarch64-linux-gnu-gcc"
EMULATOR = "qemu-aarch64-static"
ROOT = Path("/usr/aarch64-linux-gnu")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="elsewhere this is no cross build"),
]


@pytest.fixture
def emulated(tmp_path: Path) -> Agents:
    missing = [name for name in (COMPILER, EMULATOR) if not shutil.which(name)]
    assert not missing, f"{missing} not here: run ./tests/run, which installs them"
    program = agent_of(compiler=[COMPILER])
    runtimes = {"tflite": tflite_library("aarch64")}
    return Agents(program, runtimes, tmp_path / "emulated", emulator=(EMULATOR, "-L", str(ROOT)))


@pytest.mark.parametrize("delegate", ["cpu", "xnnpack"])
def test_the_face_detector_gives_what_it_gives_here(emulated: Agents, agents: Agents, delegate: str) -> None:
    image = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    found = []
    for each in (emulated, agents):
        with each.load(MODELS / "face_detector.tflite", delegate=delegate) as model:
            assert (model.placement.proven, model.placement.complete) == (delegate, True)
            found.append(model.run(image).outputs)
    for name in found[0]:
        np.testing.assert_allclose(found[0][name], found[1][name], atol=2e-3)


def test_integers_are_equal(emulated: Agents, agents: Agents) -> None:
    images = np.random.default_rng(0).integers(-128, 128, (3, 8, 8), dtype=np.int8)
    found = []
    for each in (emulated, agents):
        with each.load(MODELS / "digits_int8.tflite", delegate="cpu") as model:
            found.append(np.asarray(model.run(images).outputs["probabilities"]))
    assert np.array_equal(found[0], found[1])


def test_it_tells_its_processor_and_its_own_hash(emulated: Agents) -> None:
    client = emulated.start()  # refuses another hash
    assert client.hello["arch"] == "aarch64"
    client.close()


def test_it_knows_that_it_is_emulated(emulated: Agents) -> None:
    client = emulated.start()
    told = client.request("facts", timeout_s=60).header
    assert (client.hello["emulated"], told["facts"]["emulated"], told["conditions"]["emulated"]) == (True, True, True)
    client.close()


def test_threads_and_changing_shapes(emulated: Agents) -> None:
    with emulated.load(TINY / "dynamic.tflite", delegate="xnnpack", threads=2) as model:
        images = [np.full((1, *size, 3), 2, np.float32) for size in ((2, 3), (5, 4))]
        found = model.run([{"image": image} for image in images]).outputs["doubled"]
    assert [one.shape for one in found] == [(2, 3, 3), (5, 4, 3)]
