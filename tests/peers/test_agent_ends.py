"""Agents that crash, hang, are stopped or killed: explained, reaped, and the next load works."""

from __future__ import annotations

import os
import platform
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import AgentDiedError, DeadlineError, InfraError
from pytest_edgedevice.runners.agent_backend import AgentBackend
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.runners.loaded import LoadedModel

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
LONG = {"steps": np.array([2**31 - 1], np.int32)}


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with Device(LocalTransport(base=tmp_path), name="desk") as desk:
        yield desk


def agent_of(model: LoadedModel) -> int:
    assert isinstance(model._backend, AgentBackend)
    pid = model._backend.client.hello["pid"]
    assert isinstance(pid, int)
    return pid


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def still_works(device: Device) -> bool:
    with device.load(TINY / "slow.tflite", delegate="cpu") as model:
        return bool(model.run({"steps": np.array([5], np.int32)}).outputs["counted"][0] == 5)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="other processors do not trap on this division")
def test_a_crash_in_a_run_names_the_signal(device: Device) -> None:
    model = device.load(TINY / "crash.tflite")
    rows = {"a": np.full((1, 4), -(2**31), np.int32), "b": np.full((1, 4), -1, np.int32)}
    with pytest.raises(AgentDiedError, match="the agent on desk died by SIGFPE during 'run'"):
        model.run(rows)
    with pytest.raises(AgentDiedError, match="the agent on desk has ended; load the model again"):
        model.run(rows)
    assert still_works(device)


def test_a_crash_in_a_load_names_the_signal_and_the_model(device: Device) -> None:
    with pytest.raises(AgentDiedError, match=r"model 'crash_on_load.tflite': the agent on desk died by SIGSEGV"):
        device.load(TINY / "crash_on_load.tflite")
    assert still_works(device)


def test_a_run_that_hangs_is_late_and_its_agent_is_gone(device: Device) -> None:
    model = device.load(TINY / "slow.tflite", delegate="cpu")
    with pytest.raises(DeadlineError, match=r"did not answer 'run' within 0.5 s and was ended"):
        model.run(LONG, timeout_s=0.5)
    assert is_gone(agent_of(model))
    assert still_works(device)


def test_an_agent_that_was_stopped_is_late(device: Device) -> None:
    model = device.load(TINY / "slow.tflite", delegate="cpu")
    os.kill(agent_of(model), signal.SIGSTOP)
    with pytest.raises(DeadlineError):
        model.run(LONG, timeout_s=0.5)
    assert is_gone(agent_of(model))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT])
def test_an_agent_that_is_killed_in_a_run_names_the_signal(device: Device, number: signal.Signals) -> None:
    model = device.load(TINY / "slow.tflite", delegate="cpu")
    timer = threading.Timer(0.2, os.kill, (agent_of(model), number))
    timer.start()
    with pytest.raises(AgentDiedError, match=f"died by {number.name} during 'run'"):
        model.run(LONG, timeout_s=60)
    timer.join()


def test_a_late_agent_does_not_take_the_folder_of_the_others_along(device: Device) -> None:
    other = device.load(TINY / "nan.tflite")
    model = device.load(TINY / "slow.tflite", delegate="cpu")
    with pytest.raises(DeadlineError):
        model.run(LONG, timeout_s=0.2)
    other.close()
    assert still_works(device)


def test_agents_end_with_their_device(tmp_path: Path) -> None:
    with Device(LocalTransport(base=tmp_path), name="desk") as desk:
        agents = [agent_of(desk.load(TINY / "nan.tflite")) for _ in range(2)]
    assert [is_gone(pid) for pid in agents] == [True, True]
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_numpy_or_a_runtime_is_an_error_of_the_world(tmp_path: Path) -> None:
    with (
        Device(LocalTransport(base=tmp_path, python="/bin/true"), name="desk") as desk,
        pytest.raises(InfraError, match="ended with exit code 0 during 'start'"),
    ):
        desk.load(TINY / "nan.tflite")
