"""XNNPACK on a machine that hides its processor, as locked-down containers do: the runtime goes on without a word."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DelegateError
from pytest_edgedevice.transports.local import LocalTransport
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = Path(__file__).parents[2] / "fixtures" / "tiny" / "no_batch.tflite"
ROW = np.array([[1, -2, 0, 3.5]], np.float32)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """A device whose agents do not see what the variable HIDDEN names when they start."""
    folder = tmp_path_factory.mktemp("hidden")
    library, source = folder / "hidden_paths.so", Path(__file__).with_name("hidden_paths.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    with (
        forked_agents(folder, environment={"LD_PRELOAD": str(library)}),
        Device(LocalTransport(base=folder), name="locked down") as device,
    ):
        yield device


@pytest.fixture
def locked(desk: Device, monkeypatch: pytest.MonkeyPatch) -> Device:
    monkeypatch.setenv("HIDDEN", "/proc/cpuinfo")
    return desk


def test_xnnpack_that_was_asked_for_and_is_silently_missing_is_an_error(locked: Device) -> None:
    with pytest.raises(DelegateError) as raised:
        locked.load(MODEL, delegate="xnnpack")
    assert "took 0 of 1 operators of 'no_batch.tflite'; left over: NEG x1" in str(raised.value)


@pytest.mark.parametrize("delegate", ["default", "xnnpack"])
def test_what_ran_instead_is_shown_where_that_is_allowed(locked: Device, delegate: str) -> None:
    with locked.load(MODEL, delegate=delegate, fallback="allow") as model:
        assert np.array_equal(model.run(ROW).outputs["y"], -ROW)
        assert (model.placement.proven, model.placement.delegated) == ("cpu", 0)


@pytest.mark.parametrize("prefix", ["/nothing", "/proc/cpuinfo", "/sys/devices/system/cpu", "/sys/", "/proc/"])
def test_the_default_is_called_xnnpack_exactly_where_xnnpack_can_be_had(
    desk: Device, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.setenv("HIDDEN", prefix)
    try:
        with desk.load(MODEL, delegate="xnnpack") as model:
            asked = model.placement.proven
    except DelegateError:
        asked = "cpu"
    with desk.load(MODEL) as model:
        assert model.placement.proven == asked
