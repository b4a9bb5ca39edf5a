"""The emulated board is what the other tests take it for: ARM64, alone, private, and gone with its run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.board import Board, start_board

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.board

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with start_board(tmp_path_factory.mktemp("board"), name="kitchen") as started:
        yield started


@pytest.fixture
def odd_board(tmp_path: Path) -> Iterator[Board]:
    """Unlike the usual one in everything that an option changes."""
    with start_board(tmp_path / "odd", name="odd", user="root", python=False, chatty=True, disk_mb=2) as started:
        yield started


def host() -> list[object]:
    """What a board changes for itself: mounts, programs for foreign binaries, accounts, names."""
    handlers = Path("/proc/sys/fs/binfmt_misc")
    accounts = Path("/etc/passwd").read_text(encoding="utf-8")
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return [mounts, sorted(handlers.iterdir()), accounts, socket.gethostname(), Path("/etc/passwd").stat().st_ino]


def said(board: Board, command: str) -> str:
    done = board.ssh(command)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_another_machine_than_this_one(board: Board) -> None:
    words = said(board, "uname -nm; cat /etc/machine-id; tr '\\0' '\\n' </sys/firmware/devicetree/base/model; id -un")
    assert words.splitlines() == ["kitchen aarch64", board.options.machine_id, "Emulated ARM64 board", "pi"]


def test_its_processor_is_an_arm_one_of_two_cores(board: Board) -> None:
    words = said(board, "grep -c 'CPU part.*0xd03' /proc/cpuinfo; cat /sys/devices/system/cpu/possible")
    assert words.splitlines() == ["2", "0-1"]


def test_its_python_has_the_real_wheels(board: Board) -> None:
    where = (
        "import importlib.metadata as m, platform as p; print(m.version('ai-edge-litert'), p.machine(), p.libc_ver())"
    )
    assert said(board, f'python3 -c "{where}"') == "2.3.0 aarch64 ('glibc', '2.36')\n"


def test_nothing_of_it_is_seen_on_this_machine(tmp_path: Path) -> None:
    before = host()
    with start_board(tmp_path):
        assert host() == before


def test_files_survive_a_power_cut_and_processes_do_not(board: Board) -> None:
    before = said(board, "(sleep 987 >/dev/null 2>&1 & echo $! >~/pid); cat /proc/sys/kernel/random/boot_id")
    board.power_off()
    board.power_on()
    after = said(board, "ps -eo args | grep -c '[s]leep 987' || test -s ~/pid && cat /proc/sys/kernel/random/boot_id")
    assert after.splitlines()[0] == "0"
    assert before.strip() not in after


def test_a_board_without_power_refuses_connections(board: Board) -> None:
    board.power_off()
    try:
        assert "Connection refused" in board.ssh("true").stderr
    finally:
        board.power_on()


def test_a_frozen_board_is_silent_until_it_thaws(board: Board) -> None:
    board.freeze()
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            board.ssh("true", timeout_s=1)
    finally:
        board.thaw()
    assert said(board, "echo there") == "there\n"


def test_two_boards_share_neither_files_nor_processes_nor_names(board: Board, odd_board: Board) -> None:
    said(board, "touch /tmp/mine; sleep 987 >/dev/null 2>&1 &")
    there = said(odd_board, "cat /etc/machine-id; ls /tmp; ps -eo args")
    assert [word for word in (board.options.machine_id, "mine", "sleep 987", "kitchen") if word in there] == []


def test_options_make_it_chatty_small_rootish_and_without_python(odd_board: Board) -> None:
    done = odd_board.ssh("id -un; command -v python3; dd if=/dev/zero of=/tmp/big bs=1M count=4")
    assert done.stdout.splitlines() == ["Welcome to this board", "root"]
    assert "No space left on device" in done.stderr


def test_a_changed_host_key_is_refused_by_ssh(odd_board: Board) -> None:
    odd_board.change_host_key()
    assert "Host key verification failed" in odd_board.ssh("true").stderr


def test_it_ends_with_whoever_started_it_also_when_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.board import start_board\n"
        "board = start_board(Path(sys.argv[1])); print(board.port, flush=True); sys.stdin.read()"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while _listens(port):
        assert time.monotonic() < deadline, "the board outlived its run"
        time.sleep(0.01)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except OSError:
        return False
    return True
