"""The native agent on an emulated ARM64 board: cross-built here, with libraries out of wheels for that processor."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_edgedevice import open_device
from pytest_edgedevice.errors import MissingExtraError, UsageError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from tests.board import Board, make, start_board
from tests.board.making import SITE
from tests.native.builds import agent_of
from tests.native.conftest import tflite_library

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.board

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "fixtures" / "models" / "digits_int8.tflite"
COMPILER = "aarch64-linux-gnu-gcc"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with start_board(tmp_path_factory.mktemp("board"), name="kitchen") as board:
        yield board


@pytest.fixture
def home(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for a device file, with the board's ssh and a cache of its own."""
    monkeypatch.setenv("PATH", f"{board.programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EDGEDEVICE_RUNTIME", raising=False)
    return tmp_path


def catalog(home: Path, board: Board, **keys: object) -> Catalog:
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    table = ["[devices.kitchen]", f'spec = "{board.device}"', 'runner = "native"', *lines]
    (home / "edgedevice.toml").write_text("\n".join(table))
    return Catalog(load_inventory(home))


@pytest.mark.parametrize("engine", ["litert", "tflite"])
def test_a_model_runs_there_and_nothing_is_left(home: Path, board: Board, engine: str) -> None:
    runtime = make() / SITE / "ai_edge_litert" / "libLiteRt.so" if engine == "litert" else tflite_library("aarch64")
    program = agent_of(compiler=[COMPILER]).path
    images = np.random.default_rng(0).integers(-128, 128, (2, 8, 8), dtype=np.int8)
    with open_device("kitchen", catalog=catalog(home, board, agent=program, runtime=runtime)) as device:
        model = device.load(DIGITS, delegate="cpu")
        assert (model.info.engine, model.placement.proven, model.emulated) == (engine, "cpu", True)
        there = np.asarray(model.run(images).outputs["probabilities"])
        assert model.conditions()["emulated"] is True
    with open_device("local") as here:
        assert np.array_equal(there, np.asarray(here.load(DIGITS, delegate="cpu").run(images).outputs["probabilities"]))
    assert board.left() == []


def test_what_the_command_built_and_kept_is_found(home: Path, board: Board) -> None:
    program = "import sys; from pytest_edgedevice.cli import main; sys.exit(main())"
    words = ["build-agent", "--compiler", COMPILER, "--runtime", str(tflite_library("aarch64"))]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open_device("kitchen", catalog=catalog(home, board)) as device:
        assert device.load(DIGITS).info.engine == "tflite"


def test_without_a_program_the_command_that_builds_it_is_told(home: Path, board: Board) -> None:
    text = "kitchen needs the native agent for linux-aarch64"
    with (
        open_device("kitchen", catalog=catalog(home, board)) as device,
        pytest.raises(MissingExtraError, match=text) as raised,
    ):
        device.load(DIGITS)
    assert f"edgedevice build-agent --compiler {COMPILER}" in raised.value.hint


def test_a_program_for_this_host_is_refused_before_it_travels(home: Path, board: Board) -> None:
    program = agent_of().path
    text = "is built for x86_64, and kitchen is linux-aarch64"
    with (
        open_device("kitchen", catalog=catalog(home, board, agent=program)) as device,
        pytest.raises(UsageError, match=text),
    ):
        device.load(DIGITS)
    assert board.left() == []
