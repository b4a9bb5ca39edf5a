"""Models that are folders, on every link: run where the agent takes them, refused in words where it does not."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.cli import main
from pytest_edgedevice.device import Device
from pytest_edgedevice.errors import EdgeDeviceError, ModelError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.replay import open_replay, record
from pytest_edgedevice.runners.app import AppRunner
from pytest_edgedevice.runners.model_content import sha256_of, size_of
from pytest_edgedevice.transports.local import LocalTransport
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.contract.phone_devices import catalog, table
from tests.peers.iphone.app import App
from tests.peers.plain_sshd import NAME, plain_sshd
from tests.standins import coreml_models
from tests.unit.runners.app_standin import Cable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.interfaces import DeviceLike
    from tests.phones import Phone

PATIENCE_S = 60.0
X = np.arange(8, dtype=np.float32).reshape(2, 4)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model package with files that are empty, nested and alike."""
    path = coreml_models.package(tmp_path_factory.mktemp("models"), name="net")
    for name in ("Data/weights/empty.bin", "Data/same.bin", "Data/weights/same.bin"):
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"" if "empty" in name else b"alike" * 100)
    return path


@pytest.fixture(scope="module")
def python_with_coreml(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python that finds the stand-in of coremltools."""
    program = tmp_path_factory.mktemp("python") / "python3"
    paths = shlex.quote(f"{coreml_models.FOLDER}:{os.environ.get('PYTHONPATH', '')}".rstrip(":"))
    program.write_text(f'#!/bin/sh\nPYTHONPATH={paths} exec {shlex.quote(sys.executable)} "$@"\n')
    program.chmod(0o755)
    return str(program)


def local(_: Path, python: str) -> Iterator[Device]:
    yield Device(LocalTransport(python=python), name="desk", timeout_s=PATIENCE_S)


def board(folder: Path, python: str) -> Iterator[Device]:
    with plain_sshd(folder / "board") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{server.wrapper(folder / 'bin')}:{os.environ['PATH']}")
        yield Device(SshTransport(NAME, python=python, base=str(folder)), name="board", timeout_s=PATIENCE_S)


def phone(folder: Path, _: str) -> Iterator[Device]:
    with pytest.MonkeyPatch.context() as patch:  # for as long as it starts
        patch.setenv("PYTHONPATH", str(coreml_models.FOLDER))
        app = App(folder)
    with app:
        runner = AppRunner(port=app.address[1])
        yield Device(Cable(), name="phone", facts={}, runner=runner, timeout_s=PATIENCE_S)


@pytest.fixture(scope="module", params=[local, board, phone])
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, python_with_coreml: str
) -> Iterator[Device]:
    make: Callable[[Path, str], Iterator[Device]] = request.param
    for opened in make(tmp_path_factory.mktemp("device"), python_with_coreml):
        with opened:
            yield opened


def test_a_model_folder_runs_and_is_known_by_what_is_in_it(device: Device, package: Path) -> None:
    with device.load(package) as model:
        assert np.asarray(model.run({"x": X}).outputs["y"]).tolist() == (2 * X + 1).tolist()
        assert (model.info.name, model.info.engine) == ("net.mlpackage", "coreml")
        assert (model.info.sha256, model.info.size_bytes) == (sha256_of(package), size_of(package))


def test_two_model_folders_may_be_loaded_at_once(device: Device, package: Path, tmp_path: Path) -> None:
    negative = coreml_models.content(outputs=[coreml_models.array("y", of="x", scale=-1)])
    other = coreml_models.package(tmp_path, negative, name="other")
    with device.load(package) as first, device.load(other) as second:
        pairs = [np.asarray(model.run({"x": X}).outputs["y"]).tolist() for model in (first, second, first)]
    assert pairs == [(2 * X + 1).tolist(), (-X).tolist(), (2 * X + 1).tolist()]


def test_a_folder_that_is_no_model_of_any_engine_is_refused(device: Device, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.mlpackage"
    nothing.mkdir()
    (nothing / "Manifest.json").write_text("{}")
    assert refusal(device, nothing).startswith("model 'nothing.mlpackage': ")


def refusal(device: DeviceLike, model: Path) -> str:
    with pytest.raises(ModelError) as raised:
        device.load(model)
    return raised.value.message


def test_nothing_of_a_folder_is_left(package: Path, python_with_coreml: str) -> None:
    with Device(LocalTransport(python=python_with_coreml), name="desk", timeout_s=PATIENCE_S) as device:
        folder = Path(device._transport.folder)
        with device.load(package):
            assert [path for path in folder.iterdir() if path.is_dir() and path.name.startswith(sha256_of(package))]
        assert not [path for path in folder.iterdir() if path.name.startswith(sha256_of(package)) and path.is_dir()]
    assert not folder.exists()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine with Core ML, and locks of the test's own."""
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("PYTHONPATH", str(coreml_models.FOLDER))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("desk")
def test_a_folder_is_recorded_and_replayed(tmp_path: Path, package: Path) -> None:
    nothing = tmp_path / "nothing.mlpackage"
    nothing.mkdir()
    (nothing / "Manifest.json").write_text("{}")
    with open_device("local") as device, record(device, tmp_path / "run.npz"):
        device.load(package).run({"x": X})
        first = refusal(device, nothing)
    with open_replay(str(tmp_path / "run.npz")) as replayed:
        assert np.asarray(replayed.load(package).run({"x": X}).outputs["y"]).tolist() == (2 * X + 1).tolist()
        assert refusal(replayed, nothing) == f"{first} (replayed)"


@pytest.mark.usefixtures("desk")
def test_a_folder_is_swept_and_its_size_is_told(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(package), "--delegate", "cpu_only", "--runs", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == {"name": "net.mlpackage", "size_bytes": size_of(package)}
    assert told["devices"][0]["rows"][0]["sha256"] == sha256_of(package)


def test_where_there_is_no_engine_for_it_a_folder_says_what_is_missing(package: Path) -> None:
    plain = Device(LocalTransport(), name="desk", timeout_s=PATIENCE_S)
    with plain, pytest.raises(EdgeDeviceError) as raised:
        plain.load(package)
    assert "engine 'coreml' is not installed on the device" in raised.value.message


@pytest.mark.phone
@pytest.mark.usefixtures("adb_surroundings")
def test_a_phone_without_python_takes_no_folder(pixel: Phone, package: Path) -> None:
    with open_device("pixel", catalog=catalog(table("pixel", pixel))) as device:
        message = refusal(device, package)
    assert message.startswith("model 'net.mlpackage' is a folder, and the agent on pixel, with ")
    assert message.endswith(", takes none")


@pytest.mark.parametrize("runner", ["command", "benchmark_model"])
def test_a_program_of_the_users_own_takes_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: Path, runner: str
) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    lines = ["[devices.desk]", 'spec = "local"', f'runner = "{runner}"', 'program = "/bin/true"']
    lines += ['arguments = ["{model}", "{manifest}"]'] * (runner == "command")
    (tmp_path / "edgedevice.toml").write_text("\n".join(lines))
    with open_device("desk", catalog=Catalog(load_inventory(tmp_path))) as device:
        assert " is a folder, and " in refusal(device, package)
