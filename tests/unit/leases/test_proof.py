from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import Holder, acquire, ask_holder, holder_pid, lockfile, proof
from pytest_edgedevice.leases.folder import lock_path

Start = Callable[..., Any]
NOBODY = 65534
ROOT = Path(__file__).parents[3]


@pytest.fixture
def holder(folder: Path, actor: Start) -> Any:
    """A process that holds the device."""
    started = actor("phone")
    started.until("got")
    return started


def test_a_holder_that_does_not_listen_keeps_the_device(folder: Path, actor: Start) -> None:
    deaf = actor("phone", "--deaf")
    deaf.until("got")
    assert not ask_holder("phone", wait_s=0.05)
    assert holder_pid("phone") == deaf.process.pid
    deaf.release()


def test_a_system_that_does_not_list_locks_says_so(
    holder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "PROC", tmp_path / "nowhere")
    with pytest.raises(LeaseError, match=r"does not tell which process holds a lock: .*No such file"):
        holder_pid("phone")


def test_a_process_that_has_ended_holds_nothing(folder: Path) -> None:
    acquire("phone", holder=Holder(), wait_s=0).release()
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with lockfile.LockFile(lock_path(folder, "phone"), look_only=True) as lock:
        assert not proof.holds(ended.pid, lock)
        assert not proof.holds(os.getpid(), lock)


@pytest.mark.parametrize(
    "line", ["", "1: FLOCK", "1: POSIX ADVISORY WRITE 12 01:02:3 0 EOF", "1: FLOCK a b c 01:02:3 0"]
)
def test_other_lines_of_the_list_are_no_holders(line: str) -> None:
    assert proof._flock(line) == (0, "")
