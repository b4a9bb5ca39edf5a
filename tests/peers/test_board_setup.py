"""``edgedevice doctor`` and ``edgedevice setup`` on an emulated ARM64 board that has no engine, and no internet.

The wheels are the real ones: what the board's maker laid in for other boards, packed again.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.board.facts import identity
from pytest_edgedevice.device import Device
from pytest_edgedevice.transports.ssh.transport import SshTransport
from tests.board import Board, make, start_board
from tests.board.making import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.board

COMMAND = "import sys; from pytest_edgedevice.cli import main; sys.exit(main())"
HERE = "/home/pi/.local/share/edgedevice"
TINY = Path(__file__).parents[2] / "fixtures" / "tiny"
DEADLINE_S = 600.0


NOT_NEEDED = ("/tests/", "/include/", "libLiteRtWebGpuAccelerator.so")
"""Half of the files, and of an emulated board's time."""


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board's own wheels as files, without what runs no model."""
    folder = tmp_path_factory.mktemp("wheels")
    root = make() / SITE
    for info in root.glob("*.dist-info"):
        tags = [line[5:] for line in (info / "WHEEL").read_text().splitlines() if line.startswith("Tag: ")]
        name = f"{info.name.removesuffix('.dist-info')}-{tags[-1]}.whl"
        rows = csv.reader(io.StringIO((info / "RECORD").read_text()))
        with zipfile.ZipFile(folder / name, "w") as archive:
            for row in rows:
                if any(part in row[0] for part in NOT_NEEDED):
                    continue
                # programs that pip made for the host are no part of the wheel
                if not row[0].startswith("..") and not row[0].endswith((".pyc", "/INSTALLER", "/REQUESTED")):
                    archive.write(root / row[0], row[0])
    return folder


def edgedevice(board: Board, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = board.environment(EDGEDEVICE_LOCKS=str(folder / "locks"), XDG_CACHE_HOME=str(folder / "cache"))
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board whose Python has no engine."""
    with start_board(tmp_path_factory.mktemp("bare"), name="bare", wheels=False, chatty=True) as board:
        yield board


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    return {one["about"]: one for one in json.loads(done.stdout)["findings"]}


@pytest.mark.slow
def test_a_board_is_set_up_used_and_left_as_it_was(bare: Board, wheels: Path, tmp_path: Path) -> None:
    """One test: each step needs the one before it, and each takes seconds on an emulated board."""
    before = findings(edgedevice(bare, tmp_path, "doctor", "ssh:bare", "--json"))
    assert (before["engine"]["status"], before["engine"]["hint"]) == ("wrong", "edgedevice setup ssh:bare")
    assert before["libc"]["text"].startswith("glibc 2.36; litert needs 2.34")
    assert before["libstdc++"]["text"].startswith("GLIBCXX 3.4.30 at /usr/lib/aarch64-linux-gnu/libstdc++.so.6")

    done = edgedevice(bare, tmp_path, "setup", "ssh:bare", "--wheels", str(wheels), "--yes")
    assert done.returncode == 0, done.stderr
    assert f"litert is on ssh:bare now, in {HERE}/site/cpython-311-aarch64" in done.stdout

    transport = SshTransport(bare.name, program=bare.program)
    with (
        Device(transport, name="bare", timeout_s=DEADLINE_S) as device,
        device.load(TINY / "add_float32.tflite") as model,
    ):
        assert (model.info.engine, model.info.engine_version) == ("litert", "2.3.0")

    again = edgedevice(bare, tmp_path, "setup", "ssh:bare")
    assert "has litert already" in again.stdout

    removed = edgedevice(bare, tmp_path, "setup", "ssh:bare", "--remove")
    assert removed.returncode == 0, removed.stderr
    assert bare.ssh("test", "-e", HERE).returncode == 1
    assert bare.left() == []


def test_a_disk_that_fills_up_is_told_and_nothing_is_left(wheels: Path, tmp_path: Path) -> None:
    """The room is there when setup looks and when it begins, and gone before it is done."""
    with start_board(tmp_path / "full", name="full", wheels=False, disk_mb=180) as board:
        hog = subprocess.Popen(
            [
                *board.program,
                board.name,
                (
                    "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); "
                    f"if ls -d {HERE}/site/.edgedevice-new-* >/dev/null 2>&1; then "
                    "head -c 160000000 /dev/zero >/tmp/hog; echo full; exit; fi; sleep 0.1; done"
                ),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            done = edgedevice(board, tmp_path, "setup", "ssh:full", "--wheels", str(wheels), "--yes")
        finally:
            hog.kill()
            hog.communicate()
        assert done.returncode == 1
        assert "no space left on" in done.stderr
        assert board.ssh("test", "-e", HERE).returncode == 1
        assert board.left() == ["/tmp/hog"]


def test_too_little_room_is_told_before_anything_travels(wheels: Path, tmp_path: Path) -> None:
    with start_board(tmp_path / "small", name="small", wheels=False, disk_mb=40) as board:
        done = edgedevice(board, tmp_path, "setup", "ssh:small", "--wheels", str(wheels), "--yes")
        assert done.returncode == 1
        assert "MB free" in done.stderr
        assert "sending" not in done.stdout
        assert board.ssh("test", "-e", HERE).returncode == 1


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with start_board(tmp_path_factory.mktemp("plain"), name="plain", python=False, chatty=True) as board:
        yield board


def test_doctor_says_what_posix_tools_tell_where_there_is_no_python(plain: Board, tmp_path: Path) -> None:
    done = edgedevice(plain, tmp_path, "doctor", "ssh:plain", "--json")
    found = findings(done)
    assert done.returncode == 1
    assert found["connection"]["status"] == "ok"
    assert (found["python"]["status"], "no 'python3'" in found["python"]["text"]) == ("wrong", True)
    assert found["board"]["text"].startswith("aarch64, Linux")
    assert found["libc"]["text"].startswith("glibc 2.36")
    assert found["libstdc++"]["text"].startswith("GLIBCXX 3.4.30")


def test_setup_names_the_coming_way_where_there_is_no_python(plain: Board, tmp_path: Path) -> None:
    done = edgedevice(plain, tmp_path, "setup", "ssh:plain", "--yes")
    assert done.returncode == 1
    assert "native agent" in done.stderr


def test_a_board_is_listed_without_being_connected_to(bare: Board, tmp_path: Path) -> None:
    (tmp_path / "edgedevice.toml").write_text('[devices.pi]\nspec = "ssh:bare"\n')
    (tmp_path / "bin").mkdir()
    silent = tmp_path / "bin/ssh"
    silent.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 255\n")
    silent.chmod(0o755)
    environment = {**os.environ, "PATH": f"{silent.parent}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "list"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**environment, "EDGEDEVICE_LOCKS": str(tmp_path / "locks")},
    )
    assert "pi     ssh:bare  not asked" in done.stdout
    assert not (tmp_path / "asked").exists()
    assert identity() not in done.stdout
