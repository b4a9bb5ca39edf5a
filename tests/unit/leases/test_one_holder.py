from __future__ import annotations

import errno
import json
import pickle
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder, Lease, acquire, holders, waiting, who
from pytest_edgedevice.leases.folder import lock_path
from pytest_edgedevice.leases.lockfile import LockFile
from tests.unit.leases.acts import ME, Start, take, write_record

if TYPE_CHECKING:
    from pathlib import Path


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
    assert "wait longer with wait_s=SECONDS" in caught.value.hint
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
    with LockFile(lock_path(folder, "phone")) as file:
        assert file.read() == b""


def test_a_normal_end_leaves_the_device_clean(folder: Path) -> None:
    take("phone").release()
    with take("phone") as lease:
        assert lease.dirty is None


def test_an_update_with_an_unknown_field_is_a_mistake(held: Lease) -> None:
    with pytest.raises(TypeError):
        held.update(tset="x")


def test_a_device_that_is_let_go_of_at_this_moment_is_not_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody looked at the lock, or handed it back, between two of our looks."""
    before = take("phone")

    def lets_go(key: str) -> list[Holder]:
        before.release()
        return holders(key)

    monkeypatch.setattr(waiting, "holders", lets_go)
    with take("phone") as lease:
        assert lease.held


def test_a_garbled_record_under_a_holder_still_means_held(folder: Path, held: Lease) -> None:
    write_record(folder, b"\0\0garbage")
    assert who("phone") == Holder()
    with pytest.raises(DeviceBusyError, match="held by an unknown user"):
        take("phone")


def test_a_record_cannot_send_control_characters_to_a_terminal(folder: Path, held: Lease) -> None:
    record = {"user": "\x1b[2Jeve\n", "test": "x" * 5000, "pid": 10**40, "since": -1, "ci_url": None}
    write_record(folder, json.dumps(record).encode())
    seen = who("phone")
    assert seen is not None
    assert str(seen) == f"?[2Jeve? (pid unknown), test {'x' * 197}..."


def test_a_replaced_lock_file_is_noticed(folder: Path) -> None:
    """A lock on a file that is no longer at its path excludes nobody, and must not be taken for one."""
    folder.mkdir()
    with LockFile(folder / "x") as old:
        (folder / "x").unlink()
        assert not old.try_lock()
        with LockFile(folder / "x") as new:
            assert not old.try_lock()
            assert new.try_lock()


def test_another_process_is_refused(held: Lease, actor: Start) -> None:
    assert actor("phone").line()[0] == "DeviceBusyError"


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
