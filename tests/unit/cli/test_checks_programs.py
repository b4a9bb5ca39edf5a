"""Programs that doctor runs: interpreters and ssh, whatever they do."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli.checks import engines, programs, ssh
from pytest_edgedevice.inventory import Inventory

if TYPE_CHECKING:
    from pytest_edgedevice.cli.checks import Finding


def stand_in(tmp_path: Path, script: str, name: str = "python") -> str:
    """A program in the place of another."""
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ("kill -ILL $$", "importing json was killed by SIGILL"),
        ("kill -40 $$", "importing json was killed by signal 40"),
        ("echo first >&2; echo 'ImportError: no' >&2; exit 1", "ImportError: no"),
        ("exit 3", "importing json ended with 3"),
        ("cat /dev/zero", "importing json was stopped: it said more than 1 MiB"),
        ("echo numpy 1", ""),
    ],
)
def test_what_became_of_an_import_is_told(script: str, failure: str, tmp_path: Path) -> None:
    assert engines.probe(stand_in(tmp_path, script), "json")[0] == failure


def test_an_interpreter_that_is_missing_is_told() -> None:
    assert engines.probe("/absent/python", "json") == (
        "/absent/python cannot be started: No such file or directory",
        "",
    )


def test_a_program_that_cannot_even_be_named_is_told() -> None:
    assert programs.ended(["a\0b"], timeout_s=1).failure.startswith("cannot be started: ")


def test_an_import_that_hangs_ends_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "PROBE_S", 3.0)  # long enough for a shell to have written the file below
    python = stand_in(tmp_path, f"sleep 60 & echo $! > {tmp_path}/pid; exec sleep 60")
    assert engines.probe(python, "json")[0] == "importing json did not end in 3 s"
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while is_running(pid):  # a signal is sent at once; on a busy machine the process still has to take it
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return False
    return state.rsplit(")", 1)[1].split()[0] != "Z"


def test_files_beside_the_user_do_not_pass_for_an_engine(tmp_path: Path) -> None:
    (tmp_path / "json_engine.py").touch()
    assert "No module named 'json_engine'" in engines.probe(sys.executable, "json_engine")[0]


def looked_at_ssh() -> Finding:
    (found,) = ssh.check_ssh_client(Inventory())
    return found


def test_a_host_without_ssh_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (looked_at_ssh().status, looked_at_ssh().hint) == ("missing", "sudo apt install openssh-client")


@pytest.mark.parametrize(
    ("script", "status", "text"),
    [
        ('[ "$1" = -V ] && echo OpenSSH_9.2p1 >&2 || echo controlmaster auto', "ok", "OpenSSH_9.2p1, shares"),
        ('[ "$1" = -V ] && echo OpenSSH_1 >&2 || exit 255', "wrong", "OpenSSH_1 cannot share a connection"),
        ("echo dropbear >&2", "wrong", "is no OpenSSH: it says dropbear"),
        ("true", "wrong", "is no OpenSSH: it says nothing"),
        ("cat /dev/zero", "wrong", "was stopped: it said more than 1 MiB"),
        ("exit 4", "wrong", "ended with 4"),
        ("echo No user exists for uid 7 >&2; exit 255", "wrong", "ended with 255: No user exists for uid 7"),
        ("exec sleep 60", "wrong", "did not end in 0.5 s"),
    ],
)
def test_an_ssh_client_is_asked_what_it_can(
    script: str, status: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, script, "ssh")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ssh, "ANSWER_S", 0.5 if "sleep" in script else 30.0)
    found = looked_at_ssh()
    assert found.status == status
    assert text in found.text
