"""What happens to a board in the field: power cuts, silence, full disks, hosts that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, DeviceLostError, TransportError
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.board import Board, silent_server, start_board

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.board

ROOT = Path(__file__).parents[2]
HOST = """
import sys, time
from pytest_edgedevice.transports.ssh.transport import SshTransport
link = SshTransport("board")
link.place(b"secret", timeout_s=30)
link.start(["sleep", "987"])
print(link.folder, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with start_board(tmp_path_factory.mktemp("board"), disk_mb=32) as started:
        yield started


def connect(board: Board) -> SshTransport:
    return SshTransport(board.name, program=board.program)


def until_nothing_is_left(board: Board) -> None:
    """Wait until neither files nor programs of ours are on the board; fails after half a minute."""
    deadline = time.monotonic() + 30
    while left := board.left():
        assert time.monotonic() < deadline, f"still on the board: {left}"


def test_a_power_cut_during_a_run_is_a_lost_device_and_the_next_session_removes_what_it_left(board: Board) -> None:
    with connect(board) as link:
        link.place(b"secret", timeout_s=30)
        process = link.start(["sh", "-c", "echo up; sleep 987"])
        assert process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30) == len("up\n")
        board.power_off()
        try:
            with pytest.raises(DeviceLostError):
                process.stream.receive_into(memoryview(bytearray(9)), timeout_s=30)
        finally:
            board.power_on()
    assert board.left() != []
    connect(board).close()
    until_nothing_is_left(board)


def test_a_board_that_freezes_is_an_error_in_time_and_has_nothing_of_ours_when_it_goes_on(board: Board) -> None:
    with connect(board) as link:
        link.place(b"secret", timeout_s=30)
        board.freeze()
        try:
            with pytest.raises((DeadlineError, DeviceLostError)):
                link.run(["true"], timeout_s=2)
            link.close()
        finally:
            board.thaw()
    until_nothing_is_left(board)


def test_a_full_disk_is_told_and_nothing_is_left_of_the_file(board: Board, tmp_path: Path) -> None:
    source = tmp_path / "model.bin"
    source.write_bytes(os.urandom(48 << 20))
    with connect(board) as link:
        with pytest.raises(DeviceFullError):
            link.push(source, timeout_s=60)
        assert link.push(Path(__file__), timeout_s=60).sent_bytes > 0
    until_nothing_is_left(board)


def test_what_a_killed_host_left_on_the_board_goes_away_by_itself(board: Board) -> None:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST],
        env=board.environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        text=True,
    )
    with host:
        assert host.stdout is not None
        folder = host.stdout.readline().strip()
        there = board.left()
        host.send_signal(signal.SIGKILL)
    assert any("sleep 987" in line for line in there)
    assert any(line.startswith(f"{folder}/") for line in there)
    until_nothing_is_left(board)


def test_a_changed_host_key_is_an_error_that_quotes_ssh(tmp_path: Path) -> None:
    with start_board(tmp_path) as board:
        board.change_host_key()
        with pytest.raises(TransportError, match="Host key verification failed"):
            connect(board)


def test_a_board_without_python_is_told(tmp_path: Path) -> None:
    with start_board(tmp_path, python=False) as board, pytest.raises(TransportError, match="python3"):
        connect(board)


def test_a_server_that_accepts_and_says_nothing_is_an_error_in_time() -> None:
    with silent_server() as port, pytest.raises((DeadlineError, TransportError)):
        SshTransport("127.0.0.1", port=port, program=("ssh", "-F", "none"), connect_timeout_s=2)
