"""A device behind another host's lease, reached through nothing but a pipe, under the contract of devices."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceLostError, EdgeDeviceError, InfraError
from pytest_edgedevice.testing import DeviceContract, OpenDevice
from pytest_edgedevice.testing.device import LeasingContract, until
from pytest_edgedevice.testing.running import rows
from pytest_edgedevice.values import Quantization, TensorSpec
from tests.contract.processes import DescendantAgents, command_line, descendants
from tests.contract.proxy.client import ProxyDevice
from tests.contract.proxy.isolation import ROOT, far_command
from tests.contract.proxy.plain import WireError, error_of, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.interfaces import DeviceLike

TINY = ROOT / "fixtures" / "tiny"
CLIENT = textwrap.dedent("""
    import sys, threading
    from pathlib import Path
    import numpy as np
    from tests.contract.proxy.client import ProxyDevice
    from tests.contract.proxy.isolation import far_command

    device = ProxyDevice(far_command(Path(sys.argv[1])))
    model = device.load(sys.argv[2], delegate="cpu")
    if len(sys.argv) > 3:
        import os
        if os.fork() == 0:
            threading.Event().wait(600)
        steps = np.array([2**31 - 1], np.int32)
        threading.Thread(target=model.run, args=(steps,), kwargs={"timeout_s": 600}, daemon=True).start()
    print("up", flush=True)
    threading.Event().wait(600)
""")


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """``/var/tmp`` of the far host, with its locks."""
    folder = tmp_path / "far"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def far_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``/var/tmp`` of the host that several tests share; the folders of all of them are hidden from it."""
    return tmp_path_factory.mktemp("far")


@pytest.fixture(scope="module")
def shared(far_storage: Path) -> Iterator[ProxyDevice]:
    """A device for tests that neither close nor lose one."""
    with ProxyDevice(far_command(far_storage), name="far") as opened:
        yield opened


class TestProxyDevice(DeviceContract):
    @pytest.fixture
    def device(self, request: pytest.FixtureRequest) -> Iterator[DeviceLike]:
        """One of their own for the tests of devices; those of models have one together."""
        if request.function.__name__ not in vars(LeasingContract):
            yield request.getfixturevalue("shared")
            return
        with request.getfixturevalue("open_device")() as opened:
            yield opened

    @pytest.fixture
    def open_device(self, storage: Path) -> OpenDevice:
        return lambda *, wait_s=0.0: ProxyDevice(far_command(storage), wait_s=wait_s)

    @pytest.fixture
    def models(self) -> Path:
        return TINY

    @pytest.fixture
    def agents(self) -> DescendantAgents:
        return DescendantAgents(os.getpid())


def server_of(device: ProxyDevice) -> int:
    """The number that the server has on this host; on its own it has another."""
    return descendants(device._line._child._child.pid)[0]


def test_the_other_side_sees_none_of_our_paths(shared: ProxyDevice, tmp_path: Path) -> None:
    root = Path(f"/proc/{server_of(shared)}/root")
    assert (root / "proc/self").is_dir() or (root / "usr").is_dir()
    assert not (root / str(TINY / "nan.tflite").lstrip("/")).exists()
    assert not (root / str(tmp_path).lstrip("/")).exists() or not list((root / str(tmp_path).lstrip("/")).iterdir())


def test_the_lease_is_in_the_other_sides_folder(shared: ProxyDevice, far_storage: Path) -> None:
    assert shared.identity
    assert [path.suffix for path in (far_storage / "pytest-edgedevice").glob("local-*.lock")] == [".lock"]


def test_a_device_has_the_name_that_it_was_given_here(shared: ProxyDevice) -> None:
    with shared.load(TINY / "no_batch.tflite") as model:
        assert (shared.name, model.device_name, model.run(rows(1)).device) == ("far", "far", "far")


def test_a_server_that_was_killed_is_a_lost_device(storage: Path) -> None:
    device = ProxyDevice(far_command(storage))
    model = device.load(TINY / "no_batch.tflite")
    os.kill(server_of(device), signal.SIGKILL)
    for use in (lambda: model.run(rows(1)), model.measure, device.waiters, lambda: device.load(TINY / "nan.tflite")):
        with pytest.raises(DeviceLostError):
            use()
    model.close()
    device.close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(DeviceLostError, match="no such host"):
        ProxyDevice(["sh", "-c", "echo no such host >&2"])


@pytest.mark.parametrize("busy", [(), ("busy",)], ids=["idle", "in an inference, with a forked child"])
def test_a_client_that_was_killed_ends_the_other_side_and_frees_the_lease_there(
    storage: Path, busy: tuple[str, ...]
) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(storage), str(TINY / "slow.tflite"), *busy],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    try:
        assert client.stdout is not None
        assert client.stdout.readline() == "up\n"
        tree = [pid for pid in descendants(client.pid) if b"proxy.server" in command_line(pid)]
        assert len(tree) == 2, "unshare and the server"
        client.send_signal(signal.SIGKILL)
        client.wait(30)
        until(lambda: not any(b"proxy.server" in command_line(pid) for pid in tree))
        with ProxyDevice(far_command(storage), wait_s=30) as device, device.load(TINY / "no_batch.tflite") as model:
            model.run(rows(1))
    finally:
        os.killpg(client.pid, signal.SIGKILL) if busy else client.kill()
        client.communicate()


def test_an_error_of_no_known_type_is_the_worlds() -> None:
    told = error_of({"type": "SystemExit", "message": "it ended", "hint": "start it"})
    assert (type(told), told.message, told.hint) == (InfraError, "it ended", "start it")


@pytest.mark.parametrize("kind", EdgeDeviceError.__subclasses__())
def test_an_error_of_ours_keeps_its_type(kind: type[EdgeDeviceError]) -> None:
    assert type(error_of({"type": kind.__name__, "message": "x"})) is kind


@pytest.mark.parametrize(
    "change",
    [{"name": 7}, {"shape": [1, "4"]}, {"shape": [True]}, {"quantization": {}}, {"more": 1}, {"dtype": None}],
    ids=str,
)
def test_a_value_with_a_field_of_another_type_is_refused(change: dict[str, object]) -> None:
    good = {
        "name": "x",
        "dtype": "int8",
        "shape": [1, -1],
        "quantization": {"scales": [1], "zero_points": [0], "axis": None},
    }
    assert read(TensorSpec, good) == TensorSpec("x", "int8", (1, -1), Quantization((1.0,), (0,)))
    with pytest.raises(WireError):
        read(TensorSpec, {**good, **change})
