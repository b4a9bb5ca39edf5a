"""This machine with the native agent, opened by a device file as a user does, under the contract of devices."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import DelegateError, MissingExtraError, ModelError, UsageError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.testing import DeviceContract, OpenDevice
from pytest_edgedevice.testing.running import DTYPES, of_bytes
from tests.contract.processes import DescendantAgents, command_line, descendants
from tests.native.builds import agent_of
from tests.native.conftest import tflite_library

if TYPE_CHECKING:
    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.testing.surroundings import Agents

TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
ADD_BYTES = (TINY / "add_float32.tflite").stat().st_size


def opener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> OpenDevice:
    """Opens the device ``desk``, whose table has these lines besides."""
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("EDGEDEVICE_RUNTIME", raising=False)
    table = ["[devices.desk]", 'spec = "local"', 'runner = "native"', *lines]
    (tmp_path / "edgedevice.toml").write_text("\n".join(table))
    catalog = Catalog(load_inventory(tmp_path))
    return lambda *, wait_s=0.0: open_device("desk", catalog=catalog, wait_s=wait_s)


class _NativeDevice(DeviceContract):
    @pytest.fixture
    def models(self) -> Path:
        return TINY

    @pytest.fixture
    def agents(self) -> DescendantAgents:
        return DescendantAgents(os.getpid())


class TestNativeDeviceWithTensorFlowLite(_NativeDevice):
    @pytest.fixture
    def open_device(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenDevice:
        return opener(tmp_path, monkeypatch, f'runtime = "{tflite_library(platform.machine())}"')


class TestNativeDeviceWithLiteRt(_NativeDevice):
    """The library of the package that is installed, found without being named."""

    @pytest.fixture
    def open_device(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenDevice:
        return opener(tmp_path, monkeypatch)

    def test_the_placement_is_what_was_proven(self, device: DeviceLike, models: Path) -> None:
        """LiteRT tells whether a model runs whole, and not which operators do."""
        with device.load(models / "add_float32.tflite", delegate="xnnpack") as whole:
            assert (whole.placement.proven, whole.placement.delegated, whole.placement.nodes) == ("xnnpack", 1, 1)
        with device.load(models / "partial.tflite", delegate="xnnpack", fallback="allow") as partial:
            assert (partial.placement.proven, dict(partial.placement.left_over)) == ("unknown", {"unknown": 3})

    def test_what_a_delegate_leaves_over_is_an_error_that_lists_it(
        self, device: DeviceLike, models: Path, agents: Agents
    ) -> None:
        with pytest.raises(DelegateError, match=r"took 0 of 3 operators of 'partial\.tflite'; left over: unknown x3"):
            device.load(models / "partial.tflite", delegate="xnnpack")
        assert agents.count() == 0

    def test_every_dtype_comes_back_bit_by_bit(self, device: DeviceLike, models: Path) -> None:
        """But for one that LiteRT refuses."""
        with pytest.raises(ModelError, match="Element type"):
            device.load(models / "copy_complex128.tflite", delegate="cpu")
        for dtype in DTYPES[:-1]:
            sent = of_bytes(dtype)
            with device.load(models / f"copy_{dtype}.tflite", delegate="cpu") as model:
                (got,) = model.run(sent, allow_nan=True).outputs.values()
            assert np.asarray(got).tobytes() == sent.tobytes(), dtype

    @pytest.mark.parametrize("name", ["dynamic", "dynamic_output"])
    def test_shapes_that_vary_are_refused_with_the_library_that_takes_them(
        self, device: DeviceLike, models: Path, name: str
    ) -> None:
        with pytest.raises(DelegateError, match=r"shape that varies.*libtensorflowlite_c\.so can"):
            device.load(models / f"{name}.tflite")

    test_shapes_may_vary_from_sample_to_sample = test_outputs_may_be_empty_or_without_dimensions = None  # type: ignore[assignment]


def test_a_model_runs_with_the_runtime_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = opener(tmp_path, monkeypatch)
    monkeypatch.setenv("EDGEDEVICE_RUNTIME", str(tflite_library(platform.machine())))
    with opened() as device, device.load(TINY / "add_float32.tflite") as model:
        assert (model.info.engine, model.info.engine_version) == ("tflite", "2.17.1")


def test_variables_of_the_table_reach_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opener(tmp_path, monkeypatch, 'environment = { EDGE_TRIAL = "a b" }')() as device:
        device.load(TINY / "add_float32.tflite")
        (pid,) = (pid for pid in descendants(os.getpid()) if b"--wipe" in command_line(pid))
        assert b"EDGE_TRIAL=a b" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def test_nothing_is_copied_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opener(tmp_path, monkeypatch, f'folder = "{tmp_path}/device"')() as device:
        device.load(TINY / "add_float32.tflite")
        (folder,) = (path for path in (tmp_path / "device").iterdir() if path.is_dir())
        assert [path.stat().st_size for path in folder.iterdir() if len(path.name) == 64] == [ADD_BYTES]


def test_a_runtime_for_another_processor_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = "x86_64" if platform.machine() == "aarch64" else "aarch64"
    with opener(tmp_path, monkeypatch, f'runtime = "{tflite_library(other)}"')() as device:
        with pytest.raises(UsageError, match=f"is built for {other}, and the agent on desk is for"):
            device.load(TINY / "add_float32.tflite")
        assert DescendantAgents(os.getpid()).count() == 0


def test_an_engine_that_the_runtime_is_not_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        opener(tmp_path, monkeypatch)() as device,
        pytest.raises(MissingExtraError, match="engine 'tflite' is not loaded on the device, 'litert' is"),
    ):
        device.load(TINY / "add_float32.tflite", engine="tflite")


def test_an_engine_of_the_table_without_a_library_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # which holds no agent either
    with (
        opener(tmp_path, monkeypatch, 'engine = "tflite"', f'agent = "{agent_of().path}"')() as device,
        pytest.raises(MissingExtraError, match="an inference library of tflite") as raised,
    ):
        device.load(TINY / "add_float32.tflite")
    assert "edgedevice build-agent --runtime FILE" in raised.value.hint
