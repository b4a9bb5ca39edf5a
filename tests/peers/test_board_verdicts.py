"""What a user reads of a board: right numbers pass, wrong ones fail, a dead agent is infra, no latency is believed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.board import Board, start_board

pytestmark = pytest.mark.board

ROOT = Path(__file__).parents[2]
WHAT_IS_JUDGED = """
def test_quick(edge_model, edge_check):
    edge_check.latency(edge_model("add_float32.tflite"), p50_ms=60_000, allow_emulated=True)
def test_slow(edge_model, edge_check):
    edge_check.latency(edge_model("add_float32.tflite"), p50_ms=1e-4, allow_emulated=True)
"""


def pytest_on(board: Board, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest as its users start it, with the board's ``ssh`` on PATH."""
    plugins = ["-p", "no:cacheprovider", "-p", "no:playwright", "-p", "no:xdist", "--edge-history", "off"]
    options = ["--device", board.device, "--edge-inconclusive", "warn", "-W", "default"]
    environment = board.environment(PYTHONPATH=str(ROOT), EDGEDEVICE_LOCKS=str(board.folder / "locks"), COLUMNS="200")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_the_examples_pass_on_a_board_and_its_times_are_not_believed(tmp_path: Path) -> None:
    """All but the faces with one delegate more, which cost half a minute of an emulated processor."""
    with start_board(tmp_path) as board:
        done = pytest_on(board, "examples/test_faces.py", "examples/test_digits.py", "-k", "not cpu")
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    verdicts = [line.split()[-1] for line in done.stdout.splitlines() if "ssh:board " in line]
    assert verdicts == ["inconclusive", "passed", "inconclusive", "inconclusive"], done.stdout
    assert done.stdout.count("the device is emulated, so its times say nothing") == 3


def test_times_of_an_emulated_board_are_judged_where_a_test_says_so(tmp_path: Path) -> None:
    """Whose login shell is slow and says a lot, which changes nothing; and nothing is left there."""
    test = tmp_path / "test_add.py"
    test.write_text(WHAT_IS_JUDGED, encoding="ascii")
    with start_board(tmp_path / "board", chatty=True) as board:
        done = pytest_on(board, str(test), "-c", str(_ini(tmp_path)))
        assert board.left() == []
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "its times say nothing" not in done.stdout


def test_a_processor_that_computes_int8_wrongly_is_caught(tmp_path: Path) -> None:
    with start_board(tmp_path, cpu="max") as board:
        done = pytest_on(board, "examples/test_digits.py", "-k", "int8")
    assert done.returncode == 1, done.stdout
    assert "output 'probabilities' differs from its reference in" in done.stdout
    assert "1 failed" in done.stdout


def test_an_agent_that_dies_of_an_instruction_its_processor_lacks_is_infra_with_the_signal(tmp_path: Path) -> None:
    with start_board(tmp_path, claims="cortex-a76") as board:
        done = pytest_on(board, "examples/test_digits.py", "-k", "int8")
    assert done.returncode == 1, done.stdout
    assert "the agent on ssh:board died by SIGILL during 'load'" in done.stdout
    assert "1 error" in done.stdout


def _ini(folder: Path) -> Path:
    path = folder / "pytest.ini"
    path.write_text(f"[pytest]\nedge_models = {ROOT}/fixtures/tiny\n", encoding="utf-8")
    return path
