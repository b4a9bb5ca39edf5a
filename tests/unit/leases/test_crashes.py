from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import Holder, Lease, who
from tests.unit.leases.acts import ME, Start, take, write_record

if TYPE_CHECKING:
    from pathlib import Path


def test_a_device_that_could_not_be_cleaned_is_left_dirty(folder: Path) -> None:
    left = take("phone")
    left.update(folder="/data/local/tmp/edge")
    left.release(clean=False)
    left.release()
    assert not left.held
    assert who("phone") is None
    with take("phone") as lease:
        assert lease.dirty == left.holder
        assert lease.crashed == (left.holder,)
        assert lease.dirty.folder == "/data/local/tmp/edge"
    with take("phone") as lease:
        assert lease.dirty is None


def test_what_could_not_be_cleaned_twice_is_told_once_more(folder: Path) -> None:
    for test in ("a", "b"):
        take("phone", holder=Holder(test=test)).release(clean=False)
    with take("phone") as lease:
        assert [holder.test for holder in lease.crashed] == ["b", "a"]
        assert who("phone") == lease.holder
    with take("phone") as lease:
        assert lease.dirty is None


def test_a_record_of_a_crash_is_told_whoever_has_its_pid_now(folder: Path) -> None:
    crashed = Holder(user="ada", pid=os.getpid(), host="lab1")
    take("phone", holder=crashed).release(clean=False)
    assert who("phone") is None
    with take("phone") as lease:
        assert lease.dirty is not None
        assert lease.dirty.pid == os.getpid()


@pytest.mark.parametrize("garbage", [b"{", b"\xff\xfe", b"[1]", b"{}", b"[" * 100_000, b'{"pid": true, "user": 3}'])
def test_a_record_that_is_garbage_is_a_crash_of_somebody_unknown(folder: Path, garbage: bytes) -> None:
    take("phone").release()
    write_record(folder, garbage)
    with take("phone") as lease:
        assert lease.dirty == Holder()


def test_sigkill_frees_the_device_and_leaves_it_dirty(folder: Path, actor: Start) -> None:
    holder = actor("phone", "--test", "tests/test_crash.py::test_it")
    holder.until("got")
    holder.process.kill()
    holder.process.wait()
    assert who("phone") is None
    with take("phone") as lease:
        assert lease.dirty is not None
        assert (lease.dirty.pid, lease.dirty.test) == (holder.process.pid, "tests/test_crash.py::test_it")


def test_sigkill_frees_the_device_though_a_forked_child_lives_on(folder: Path, actor: Start) -> None:
    holder = actor("phone", "--fork")
    child = int(holder.until("child")[1])
    holder.until("got")
    holder.process.kill()
    holder.process.wait()
    try:
        os.kill(child, 0)
        with take("phone") as lease:
            assert lease.dirty is not None
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_cannot_release_its_parents_lease(held: Lease) -> None:
    child = os.fork()
    if child == 0:
        held.update(test="stolen")
        held.release()
        os._exit(1 if held.held else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert held.held
    seen = who("phone")
    assert seen is not None
    assert seen.test == ME.test


def test_a_full_disk_is_an_error_that_says_where_to_free_space(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(LeaseError, match="No space left on device") as caught:
        take("phone")
    assert f"df -h {folder}" in caught.value.hint
    monkeypatch.undo()
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(folder))
    assert who("phone") is None


def test_a_disk_that_fills_up_later_does_not_end_a_lease(held: Lease, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    held.update(test="tests/test_x.py::test_z")
    assert held.held
    held.release()
    assert not held.held
