"""Models that a program of the user runs, under the contract of everything that runs models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import DelegateError, InputError, ModelError
from pytest_edgedevice.runners.command.runner import CommandRunner
from pytest_edgedevice.testing.running import RunningContract, rows
from pytest_edgedevice.transports.local import LocalTransport
from tests.contract import command_program
from tests.contract.handing_over import handed_over

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An executable that is ``command_program``."""
    with handed_over(command_program.__name__, tmp_path_factory.mktemp("program")) as path:
        yield path


@pytest.fixture
def device(program: Path, tmp_path: Path) -> Iterator[Device]:
    base = tmp_path / "device"
    with Device(LocalTransport(base=base), name="desk", runner=CommandRunner(program, time_limit_s=60)) as opened:
        yield opened
    assert not [path for path in base.rglob("*") if path.is_dir()]


class TestCommandRunning(RunningContract):
    @pytest.fixture
    def device(self, device: Device) -> Device:
        return device

    @pytest.fixture
    def models(self) -> Path:
        return TINY


def test_a_broken_model_is_the_models_fault(device: Device, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"nothing that a runtime reads")
    with pytest.raises(ModelError, match=r"model 'broken.tflite': 'program' on desk failed: .*Flatbuffer"):
        device.load(broken)


def test_a_delegate_that_leaves_operators_is_refused_with_their_names(device: Device) -> None:
    with pytest.raises(DelegateError, match=r"left over: CUMSUM x1"):
        device.load(TINY / "partial.tflite", delegate="xnnpack")


def test_shapes_that_the_model_does_not_take_are_an_input_error(device: Device) -> None:
    with device.load(TINY / "copy_float32.tflite") as model, pytest.raises(InputError, match="needs shape"):
        model.run(rows(2)[:, :3])
