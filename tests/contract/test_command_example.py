"""The vendor engine in C of the examples: built, and its test passes on this machine and on a board."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import DelegateError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from tests.board import start_board
from tests.contract.phone_devices import until_gone
from tests.phones import start_phone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.phones import AdbServer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "vendor_engine"
STRICT = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
CROSS = "aarch64-linux-gnu-gcc"


def engine(folder: Path, *, compiler: str = "cc", flags: tuple[str, ...] = ()) -> Path:
    """The engine's program for some machine."""
    program = folder / "engine"
    command = [compiler, *STRICT, *flags, "-o", str(program), str(EXAMPLE / "engine.c"), "-lm"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return program


def device_file(folder: Path, spec: str) -> Path:
    """A device named ``desk`` that runs it."""
    lines = ["[devices.desk]", f'spec = "{spec}"', 'runner = "command"', 'program = "engine"']
    lines.append('arguments = ["{folder}", "{model}"]')
    path = folder / "edgedevice.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pytest_on(config: Path, environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The example's test as its README says to start it."""
    # its folder for files of pytest is what it shares with the device file: no history may be left there
    plugins = ["-p", "no:cacheprovider", "-p", "pytest_edgedevice.plugin", "--edge-history", "off"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--edge-config", str(config), "--device", "desk", *arguments],
        cwd=EXAMPLE,
        env={
            **environment,
            "PYTHONPATH": str(ROOT),
            "EDGEDEVICE_LOCKS": str(config.parent / "locks"),
            "COLUMNS": "200",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # those of others take longer than the test does
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


def test_the_model_is_what_its_recipe_writes() -> None:
    sys.path.insert(0, str(EXAMPLE))
    try:
        from export import exported  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(EXAMPLE))
    assert exported() == (EXAMPLE / "digits.vend").read_bytes()


@pytest.fixture(scope="module")
def static_engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program for this machine that needs no libraries, as it is for phones."""
    return engine(tmp_path_factory.mktemp("static"), flags=("-static",))


def test_the_example_passes_on_this_machine(tmp_path: Path) -> None:
    engine(tmp_path)
    done = pytest_on(device_file(tmp_path, "local"), os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_delegate_that_the_engine_lacks_is_refused_in_its_own_words(
    tmp_path: Path, static_engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    shutil.copy(static_engine, tmp_path)
    known = Catalog(load_inventory(tmp_path, explicit=device_file(tmp_path, "local")))
    with (
        open_device("desk", catalog=known) as device,
        pytest.raises(DelegateError, match="this engine runs on the processor only"),
    ):
        device.load(EXAMPLE / "digits.vend", delegate="gpu")


def test_the_device_file_of_the_example_can_be_read() -> None:
    devices = load_inventory(EXAMPLE, explicit=EXAMPLE / "edgedevice.toml").devices
    assert {entry.running.runner for entry in devices.values()} == {"command"}


@pytest.mark.board
def test_the_example_passes_on_a_board_and_leaves_nothing_there(tmp_path: Path) -> None:
    assert shutil.which(CROSS), "apt-get install gcc-aarch64-linux-gnu"
    engine(tmp_path, compiler=CROSS, flags=("-static",))
    with start_board(tmp_path / "board") as board:
        done = pytest_on(
            device_file(tmp_path, board.device),
            board.environment(),
            *("-k", "agrees or engine_is_fast"),  # a process takes long there
        )
        assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
        assert "the device is emulated, so its times say nothing" in done.stdout
        assert board.left() == []


@pytest.mark.phone
@pytest.mark.parametrize("tools", ["android", "busybox"])
def test_the_example_passes_on_a_phone_whatever_tools_it_has(
    tmp_path: Path, static_engine: Path, server: AdbServer, tools: str
) -> None:
    shutil.copy(static_engine, tmp_path)
    with (
        start_phone(tmp_path / "phone", serial=f"VENDOR-{tools}", tools=tools) as phone,
    ):
        done = pytest_on(device_file(tmp_path, f"adb:{phone.address}"), server.environment)
        assert "4 passed" in done.stdout, done.stdout + done.stderr
        until_gone(phone)
