from __future__ import annotations

import errno
import json
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases import Holder, Lease, acquire, who

if TYPE_CHECKING:
    from pathlib import Path

Start = Callable[..., Any]
ME = Holder(user="ada", pid=12, host="lab1", test="tests/test_x.py::test_y")


def take(*keys: str, wait_s: float = 0.0, holder: Holder = ME) -> Lease:
    return acquire(keys, holder=holder, wait_s=wait_s)


def lock_file(folder: Path, start: str) -> Path:
    (path,) = folder.glob(f"{start}-*.lock")
    return path


@pytest.fixture
def held(folder: Path) -> Iterator[Lease]:
    with take("phone") as lease:
        yield lease


def test_a_lease_is_held_until_the_block_ends(folder: Path) -> None:
    with take("phone") as lease:
        assert who("phone") == lease.holder
    assert who("phone") is None


def test_one_key_may_be_given_alone(folder: Path) -> None:
    with acquire("phone", holder=ME, wait_s=0) as lease:
        assert lease.key == "phone"


def test_release_twice_is_fine(held: Lease) -> None:
    held.release()
    held.release()
    assert not held.held


def test_repr_shows_key_and_state(held: Lease) -> None:
    assert repr(held) == "<Lease of 'phone', held>"
    held.release()
    assert repr(held) == "<Lease of 'phone', released>"


def test_a_second_holder_in_the_same_process_is_refused(held: Lease) -> None:
    with pytest.raises(DeviceBusyError):
        take("phone")


def test_the_refusal_names_the_holder(held: Lease) -> None:
    with pytest.raises(DeviceBusyError) as caught:
        take("phone")
    assert caught.value.message == (
        "the device 'phone' is held by ada (pid 12 on lab1), test tests/test_x.py::test_y, for 0 s"
    )
    assert "--edge-wait" in caught.value.hint
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


def test_two_devices_do_not_disturb_each_other(held: Lease) -> None:
    with take("tablet") as other:
        assert other.held


@pytest.mark.parametrize("keys", [("a/b", "a_b"), ("\u00e9", "e"), ("\ud800", "?"), ("x" * 500, "x" * 499)])
def test_odd_keys_are_different_devices(folder: Path, keys: tuple[str, str]) -> None:
    with take(keys[0]), take(keys[1]):
        assert all(len(path.name) < 100 for path in folder.iterdir())


def test_of_several_the_first_free_one_is_taken(held: Lease) -> None:
    with take("phone", "tablet", "watch") as lease:
        assert lease.key == "tablet"


def test_a_refusal_over_several_says_so(held: Lease) -> None:
    with take("tablet"), pytest.raises(DeviceBusyError, match="'phone', 'tablet' are all held by"):
        take("phone", "tablet", "phone")


@pytest.mark.parametrize("keys", [(), ("",), ("phone", "")])
def test_no_key_is_a_mistake(folder: Path, keys: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="at least one key"):
        take(*keys)


@pytest.mark.parametrize("wait_s", [-1.0, float("nan"), float("inf")])
def test_a_wait_without_end_is_a_mistake(folder: Path, wait_s: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        take("phone", wait_s=wait_s)


def test_nobody_holds_an_unheard_of_device(folder: Path) -> None:
    assert who("phone") is None
    assert not folder.exists()


def test_who_tells_what_the_holder_said(held: Lease) -> None:
    seen = who("phone")
    assert seen == held.holder
    assert seen is not None
    assert seen.since > 0


def test_an_update_is_seen_by_others(held: Lease) -> None:
    held.update(test="tests/test_x.py::test_z", expected_end=5.0)
    seen = who("phone")
    assert seen is not None
    assert (seen.test, seen.expected_end, seen.user) == ("tests/test_x.py::test_z", 5.0, "ada")


def test_an_update_after_release_leaves_no_record(folder: Path, held: Lease) -> None:
    held.release()
    held.update(test="tests/test_x.py::test_z")
    assert lock_file(folder, "phone").read_bytes() == b""


def test_a_normal_end_leaves_the_device_clean(folder: Path) -> None:
    take("phone").release()
    with take("phone") as lease:
        assert lease.dirty is None


@pytest.mark.parametrize("garbage", [b"{", b"\xff\xfe", b"[1]", b"{}", b"[" * 100_000, b'{"pid": true, "user": 3}'])
def test_a_record_that_is_garbage_is_a_crash_of_somebody_unknown(folder: Path, garbage: bytes) -> None:
    take("phone").release()
    lock_file(folder, "phone").write_bytes(garbage)
    with take("phone") as lease:
        assert lease.dirty == Holder()


def test_a_garbled_record_under_a_holder_still_means_held(folder: Path, held: Lease) -> None:
    lock_file(folder, "phone").write_bytes(b"\0\0garbage")
    assert who("phone") == Holder()
    with pytest.raises(DeviceBusyError, match="held by an unknown user"):
        take("phone")


def test_a_record_cannot_send_control_characters_to_a_terminal(folder: Path, held: Lease) -> None:
    record = {"user": "\x1b[2Jeve\n", "test": "x" * 5000, "pid": 10**40, "since": -1, "ci_url": None}
    lock_file(folder, "phone").write_text(json.dumps(record))
    seen = who("phone")
    assert seen is not None
    assert str(seen) == f"?[2Jeve? (pid unknown), test {'x' * 197}..."


def test_a_replaced_lock_file_is_noticed(folder: Path) -> None:
    """A lock on a file that is no longer at its path excludes nobody, and must not be taken for one."""
    from pytest_edgedevice.leases.lockfile import LockFile

    folder.mkdir()
    with LockFile(folder / "x") as old:
        (folder / "x").unlink()
        assert not old.try_lock()
        with LockFile(folder / "x") as new:
            assert not old.try_lock()
            assert new.try_lock()


def test_another_process_is_refused(held: Lease, actor: Start) -> None:
    assert actor("phone").line()[0] == "DeviceBusyError"


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


def test_where_the_kernel_has_no_locks_to_ask_about_they_are_tested_by_taking(
    held: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuses(*_: object) -> bytes:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(fcntl, "fcntl", refuses)
    assert who("phone") is not None
    held.release()
    assert who("phone") is None
    with take("phone") as again:
        assert again.held
        assert who("phone") is not None
