"""The native agent over SSH, on this machine behind a plain sshd: brought there once, and taken away."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import MissingExtraError, TransportError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.transports.base import Completed
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.native.conftest import litert_library, tflite_library
from tests.peers.plain_sshd import NAME, PlainSshd, plain_sshd

if TYPE_CHECKING:
    from collections.abc import Iterator

ADD = Path(__file__).parents[2] / "fixtures" / "tiny" / "add_float32.tflite"


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainSshd]:
    with plain_sshd(tmp_path_factory.mktemp("sshd") / "board") as server:
        (server.folder / "locks").mkdir(mode=0o777)
        yield server


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """Its folder for our files."""
    return tmp_path / "on the board"


@pytest.fixture
def catalog(sshd: PlainSshd, tmp_path: Path, board: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.setenv("PATH", f"{sshd.wrapper(tmp_path / 'bin')}:{os.environ['PATH']}")
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.delenv("EDGEDEVICE_RUNTIME", raising=False)
    table = f'spec = "ssh:{NAME}"\npython = "{sys.executable}"\nfolder = "{board}"\nrunner = "native"'
    library = tflite_library(platform.machine())
    (tmp_path / "edgedevice.toml").write_text(
        f"""
        [devices.brought]
        {table}
        runtime = "{library}"
        [devices.there]
        {table}
        runtime = "device:{library}"
        [devices.absent]
        {table}
        runtime = "device:/no/such/library.so"
        [devices.found]
        {table}
        """
    )
    return Catalog(load_inventory(tmp_path))


def added(catalog: Catalog, name: str) -> tuple[str, str]:
    """The engine and the delegate by which a sum was computed on a device."""
    with open_device(name, catalog=catalog) as device, device.load(ADD) as model:
        ones = np.ones((3, 4), np.float32)
        assert (np.asarray(model.run({"a": ones, "b": ones}).outputs["sum"]) == 2).all()
        return model.info.engine, model.placement.proven


def test_program_and_library_are_brought_once_for_all_models(catalog: Catalog, board: Path) -> None:
    with open_device("brought", catalog=catalog) as device:
        for _ in range(3):
            device.load(ADD)
        (folder,) = (path for path in board.iterdir() if path.is_dir())
        files = {path: path.stat() for path in folder.iterdir() if len(path.name) == 64}
        assert len(files) == 3  # with the model
        programs = [path for path, status in files.items() if status.st_mode & 0o100]
        assert [path.read_bytes()[:4] for path in programs] == [b"\x7fELF"]
        assert tflite_library(platform.machine()).stat().st_size in {status.st_size for status in files.values()}


def test_nothing_is_left_on_the_board(catalog: Catalog, board: Path) -> None:
    assert added(catalog, "brought") == ("tflite", "xnnpack")
    assert list(board.iterdir()) == []


def test_a_library_that_is_on_the_board_already_is_used_there(catalog: Catalog, board: Path) -> None:
    with open_device("there", catalog=catalog) as device:
        assert device.load(ADD).info.engine == "tflite"
        (folder,) = (path for path in board.iterdir() if path.is_dir())
        assert len([path for path in folder.iterdir() if len(path.name) == 64]) == 2  # program and model


def test_a_library_that_is_not_on_the_board_is_told_in_the_words_of_its_loader(catalog: Catalog) -> None:
    text = r"runtime '/no/such/library\.so' cannot be used: .*No such file"
    with open_device("absent", catalog=catalog) as device, pytest.raises(MissingExtraError, match=text):
        device.load(ADD)


def test_a_board_like_this_host_gets_what_this_host_has(catalog: Catalog) -> None:
    assert litert_library().is_file()
    assert added(catalog, "found") == ("litert", "xnnpack")


def test_both_are_brought_again_after_the_link_was_lost(catalog: Catalog) -> None:
    with open_device("brought", catalog=catalog) as device:
        device.load(ADD)
        device.reconnect(wait_s=60)
        assert device.load(ADD).info.engine == "tflite"


def test_a_program_that_cannot_be_made_executable_is_told(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Completed(1, b"", b"chmod: read-only\x1b file system\n")
    monkeypatch.setattr(SshTransport, "run", lambda *_, **__: refused)
    with open_device("brought", catalog=catalog) as device, pytest.raises(TransportError) as raised:
        device.load(ADD)
    assert "cannot be made executable: chmod ended with 1: chmod: read-only  file system" in raised.value.message
