"""What the native agent says of itself before it is asked: delegates that it could make, and whether it is emulated."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.errors import DelegateError
from pytest_edgedevice.runners.client import AgentClient
from pytest_edgedevice.transports.pipes import ChildProcess
from tests.native.agents import PATIENCE_S, ROOT, TINY
from tests.native.test_runtimes import GPU, library
from tests.native.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

    from tests.native.agents import Agents


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ("tflite", ["default", "cpu", "xnnpack", "external"]),
        ("litert", ["default", "cpu", "xnnpack", "gpu"]),
    ],
)
def test_it_names_the_delegates_that_it_could_make(agents: Agents, runtime: str, expected: list[str]) -> None:
    client = agents.start(runtime)
    assert client.hello["delegates"] == expected
    assert client.hello["emulated"] is False
    client.close()


def test_under_sanitizers_too(sanitized: Agents, tmp_path: Path) -> None:
    shutil.copy(sanitized.runtimes["tflite"], tmp_path / "libtensorflowlite_c.so")
    (tmp_path / "libtensorflowlite_gpu_delegate.so").write_bytes(b"rubbish" * 99)
    for runtime in ("litert", str(tmp_path / "libtensorflowlite_c.so")):
        client = sanitized.start(runtime)
        assert "gpu" in client.hello["delegates"]
        client.close()


def test_without_a_runtime_it_says_nothing_of_delegates(agents: Agents) -> None:
    client = agents.start("/no/such/library.so")
    assert (client.hello["engines"], "delegates" in client.hello) == ({}, False)
    client.close()


def test_a_gpu_delegate_beside_the_runtime_is_offered(agents: Agents, tmp_path: Path) -> None:
    shutil.copy(agents.runtimes["tflite"], tmp_path / "libtensorflowlite_c.so")
    (tmp_path / "libtensorflowlite_gpu_jni.so").write_bytes(b"")
    client = agents.start(str(tmp_path / "libtensorflowlite_c.so"))
    assert client.hello["delegates"] == ["default", "cpu", "xnnpack", "gpu", "external"]
    client.close()


def with_gpu(agents: Agents, path: Path) -> ChildProcess:
    command = agents.program.command(str(agents.program.path), str(agents.folder), str(agents.runtimes["tflite"]))
    return ChildProcess([*command, "--gpu", str(path)])


def test_a_gpu_delegate_of_any_name_is_used_where_it_is_named(agents: Agents, tmp_path: Path) -> None:
    """As it lies on a device: under its hash."""
    path = library(tmp_path / "some hash", GPU % (ROOT / "tests" / "peers" / "delegate.c", "negate"))
    agents.process = lambda _runtime, **_: with_gpu(agents, path)  # type: ignore[method-assign]
    with agents.load(TINY / "no_batch.tflite", delegate="gpu", allow_fallback=False) as model:
        assert (model.placement.proven, model.placement.delegated) == ("gpu", 1)
        assert np.asarray(model.run(np.ones((1, 4), np.float32)).outputs["y"]).tolist() == [[-1, -1, -1, -1]]


def test_a_gpu_delegate_that_cannot_be_loaded_is_told_in_the_loaders_words(agents: Agents, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"rubbish" * 99)
    agents.process = lambda _runtime, **_: with_gpu(agents, tmp_path / "broken")  # type: ignore[method-assign]
    with pytest.raises(DelegateError, match=r"'gpu' is not in this library.*broken: invalid ELF header"):
        agents.load(TINY / "no_batch.tflite", delegate="gpu")


def test_a_gpu_library_that_is_not_there_is_not_offered(agents: Agents, tmp_path: Path) -> None:
    process = with_gpu(agents, tmp_path / "absent")
    client = AgentClient(process, where="desk", timeout_s=PATIENCE_S)
    assert "gpu" not in client.hello["delegates"]
    client.close()


def test_facts_and_conditions_do_not_claim_an_emulator_here(agents: Agents) -> None:
    wire = Wire(agents.process("tflite"))
    told = wire.ask(1, "facts").header
    assert "emulated" not in told["facts"]
    assert "emulated" not in told["conditions"]
    wire.process.kill()
