from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases import (
    Holder,
    acquire,
    lockfile,
    queue,
)

if TYPE_CHECKING:
    from pathlib import Path


def take() -> None:
    acquire("phone", holder=Holder(), wait_s=0).release()


def test_rubbish_among_the_tickets_holds_no_place(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "ticket-000").symlink_to(tmp_path / "nowhere")
    (folder / "ticket-001").mkdir()
    (folder / "ticket-rubbish").write_bytes(b"\xff" * 100)
    take()


@pytest.mark.parametrize("words", [0, 1, 3])
def test_a_disk_that_is_full_when_a_waiter_takes_its_place_frees_the_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: int
) -> None:
    """The bookkeeper's pid is one word, a claimed slot is empty, a ticket has three words."""
    real_write = os.pwrite

    def full(fd: int, content: bytes, offset: int) -> int:
        if len(content.split()) == words:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, content, offset)

    with acquire("phone", holder=Holder(), wait_s=0):
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(LeaseError, match="No space left"):
            acquire("phone", holder=Holder(), wait_s=1)
        monkeypatch.undo()
        monkeypatch.setenv("EDGEDEVICE_LOCKS", str(folder))
        assert list(queue.live_tickets(folder)) == []


@pytest.mark.parametrize("content", [b"", b"now 1 abc", b"1.0", b"\xff 1 abc", b"1.0 " + b"9" * 9000])
def test_a_locked_ticket_that_is_garbage_holds_no_place(folder: Path, content: bytes) -> None:
    folder.mkdir()
    with lockfile.LockFile(folder / "ticket-000") as slot:
        assert slot.try_lock()
        slot.write(content)
        assert list(queue.live_tickets(folder)) == []
        take()


def test_one_spoilt_slot_is_passed_over(folder: Path) -> None:
    (folder / "ticket-000").mkdir(parents=True)
    with acquire("phone", holder=Holder(), wait_s=0), pytest.raises(DeviceBusyError):
        acquire("phone", holder=Holder(), wait_s=0.05)


def test_a_folder_of_spoilt_slots_is_an_error(folder: Path) -> None:
    for index in range(3):
        (folder / f"ticket-00{index}").mkdir(parents=True)
    with acquire("phone", holder=Holder(), wait_s=0), pytest.raises(LeaseError, match="Is a directory"):
        acquire("phone", holder=Holder(), wait_s=0.05)


def test_a_line_without_end_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_WAITERS", 0)
    with acquire("phone", holder=Holder(), wait_s=0), pytest.raises(LeaseError, match="0 others wait"):
        acquire("phone", holder=Holder(), wait_s=0.05)


def test_a_folder_that_is_removed_while_somebody_waits_is_an_error_with_the_command_that_makes_it(folder: Path) -> None:
    with acquire("phone", holder=Holder(), wait_s=0), pytest.raises(LeaseError, match="cannot be used") as caught:
        acquire("phone", holder=Holder(), wait_s=60, on_wait=lambda _: shutil.rmtree(folder))
    assert "install -d -m 1777" in caught.value.hint
