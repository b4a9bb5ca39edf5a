from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases import Holder, acquire, holders, slots, who
from pytest_edgedevice.leases.folder import lock_path, safe_name
from tests.unit.leases.acts import Start, alone, kill, names, share, sharing

if TYPE_CHECKING:
    from pathlib import Path


def test_a_crash_is_told_to_the_next_who_shares_though_others_hold_it_still(folder: Path, actor: Start) -> None:
    with share("a"):
        crashed = sharing(actor, "b", "--folder", "/data/local/tmp/b")
        kill(crashed)
        with share("c") as told, share("d") as not_told:
            assert told.dirty is not None
            assert (told.dirty.pid, told.dirty.folder) == (crashed.process.pid, "/data/local/tmp/b")
            assert not_told.dirty is None
            assert names(holders("phone")) == ["a", "c", "d"]
        with share("e") as later:
            assert later.dirty is None


def test_a_crash_of_one_who_shared_is_told_to_the_next_alone(folder: Path, actor: Start) -> None:
    with share("a"):
        kill(sharing(actor, "b"))
    with alone("c") as told:
        assert names(told.crashed) == ["b"]
        assert holders("phone") == [told.holder]
    with alone("d") as later:
        assert later.dirty is None


def test_every_crash_is_told(folder: Path, actor: Start) -> None:
    crashed = [sharing(actor, test) for test in "abc"]
    for one in crashed:
        kill(one)
    with alone("d") as told:
        assert sorted(names(told.crashed)) == ["a", "b", "c"]
        assert told.dirty == told.crashed[0]


def test_a_crash_of_one_alone_is_told_to_one_only_of_many_who_share(folder: Path, actor: Start) -> None:
    crashed = actor("phone", "--test", "a")
    crashed.until("got")
    kill(crashed)
    with share("b") as told, share("c") as not_told:
        assert names(told.crashed) == ["a"]
        assert not_told.crashed == ()
        assert names(holders("phone")) == ["b", "c"]


@pytest.mark.parametrize("mode", [[], ["--shared"]])
def test_who_crashes_before_it_has_cleaned_up_passes_on_what_it_was_told(
    folder: Path, actor: Start, mode: list[str]
) -> None:
    for test in "ab":
        crashed = actor("phone", "--test", test, *mode)
        crashed.until("got")
        kill(crashed)
    with alone("c") as told:
        assert sorted(names(told.crashed)) == ["a", "b"]
    with alone("d") as later:
        assert later.crashed == ()


@pytest.mark.parametrize("shared", [False, True])
def test_who_could_not_clean_up_passes_it_on(folder: Path, actor: Start, shared: bool) -> None:
    kill(sharing(actor, "a"))
    lease = acquire("phone", holder=Holder(test="b"), wait_s=0, shared=shared)
    lease.release(clean=False)
    assert holders("phone") == []
    with share("c") as told:
        assert sorted(names(told.crashed)) == ["a", "b"]


def test_a_fork_of_one_who_shares_holds_nothing(folder: Path, actor: Start) -> None:
    forked = actor("phone", "--shared", "--test", "a", "--fork")
    child = int(forked.until("child")[1])
    forked.until("got")
    kill(forked)
    try:
        with alone("b") as lease:
            assert names(lease.crashed) == ["a"]
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_cannot_release_what_its_parent_shares(folder: Path) -> None:
    with share("a") as lease:
        child = os.fork()
        if child == 0:
            lease.release()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert holders("phone") == [lease.holder]


def slot_file(folder: Path, index: int) -> Path:
    (path,) = folder.glob(f"phone-*.shared-{index:03d}")
    return path


@pytest.mark.parametrize("garbage", [b"{", b"!", b"!\xff", b"[" * 100_000, b'{"pid": []}'])
def test_garbage_in_a_slot_is_a_crash_of_somebody_unknown_once(folder: Path, garbage: bytes) -> None:
    share("a").release()
    slot_file(folder, 0).write_bytes(garbage)
    with alone("b") as told:
        assert told.crashed == (Holder(),)
    with alone("c") as later:
        assert later.crashed == ()


def test_garbage_under_one_who_shares_is_somebody_unknown(folder: Path) -> None:
    with share("a"):
        slot_file(folder, 0).write_bytes(b"garbage")
        assert holders("phone") == [Holder()]
        slot_file(folder, 0).write_bytes(b"")
        assert holders("phone") == [Holder()]


def test_a_slot_cannot_send_control_characters_to_a_terminal(folder: Path) -> None:
    with share("a"):
        slot_file(folder, 0).write_text(json.dumps({"user": "\x1b[2Jeve\n"}))
        assert str(who("phone")) == "?[2Jeve? (pid unknown)"


@pytest.mark.parametrize("shared", [False, True])
def test_who_did_not_touch_a_device_leaves_to_others_what_it_was_told(folder: Path, shared: bool) -> None:
    alone("a").release(clean=False)
    acquire("phone", holder=Holder(test="b"), wait_s=0, shared=shared).release(clean=False, untouched=True)
    with share("c") as told:
        assert names(told.crashed) == ["a"]


def test_nobody_is_told_of_a_crash_while_somebody_else_may_be(folder: Path) -> None:
    """Two came at once to a device that one left who was alone with it: neither has it until one is told."""
    alone("a").release(clean=False)
    with lock_path(folder, "phone").open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with pytest.raises(DeviceBusyError):
            share("b")
    with share("c") as told:
        assert names(told.crashed) == ["a"]


def test_a_fault_while_a_slot_is_looked_at_leaves_nothing_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: bytes) -> bool:
        raise RuntimeError

    monkeypatch.setattr(slots, "is_record", fails)
    with pytest.raises(RuntimeError):
        share("a")
    monkeypatch.undo()
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(folder))
    with alone("b") as lease:
        assert lease.crashed == ()
    assert len(list(folder.glob("phone-*.shared-*"))) == 1


@pytest.mark.parametrize("shared", [False, True])
def test_rubbish_in_the_place_of_a_slot_is_passed_over(folder: Path, tmp_path: Path, shared: bool) -> None:
    share("a").release()
    slot_file(folder, 0).unlink()
    (folder / f"{safe_name('phone')}.shared-000").symlink_to(tmp_path / "victim")
    with acquire("phone", holder=Holder(test="b"), wait_s=0, shared=shared):
        assert names(holders("phone")) == ["b"]
    assert not (tmp_path / "victim").exists()


def test_two_spoilt_slots_are_an_error(folder: Path) -> None:
    for index in range(2):
        (folder / f"{safe_name('phone')}.shared-{index:03d}").mkdir(parents=True)
    with pytest.raises(LeaseError, match="Is a directory"):
        share("a")
    assert holders("phone") == []


def test_more_than_the_slots_are_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "MAX_SLOTS", 1)
    with share("a"), pytest.raises(LeaseError, match="1 others share 'phone' already"):
        share("b")


def test_a_slot_that_somebody_keeps_locked_does_not_keep_the_device(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_DYING_S", 0.05)
    share("a").release()
    with slot_file(folder, 0).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with alone("b") as lease:
            assert lease.crashed == ()


def test_however_many_slots_somebody_keeps_locked_they_are_waited_for_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    folder.mkdir()
    with contextlib.ExitStack() as opened:
        for index in range(5):
            slot = opened.enter_context((folder / f"{safe_name('phone')}.shared-{index:03d}").open("w"))
            fcntl.flock(slot, fcntl.LOCK_EX)
        monkeypatch.setattr(slots, "time", clock)
        alone().release()
    assert sum(slept) == pytest.approx(slots._DYING_S, abs=0.01)
