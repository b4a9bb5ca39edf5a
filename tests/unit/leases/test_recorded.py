"""Devices that only the lock folder knows, for commands that no conftest tells of them."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import Holder, acquire, lift, looking, note_fault, recorded, waiters
from pytest_edgedevice.leases.folder import safe_name

if TYPE_CHECKING:
    from pathlib import Path


def test_a_device_that_is_held_is_found_by_its_key(folder: Path) -> None:
    with acquire("serial 7", holder=Holder(user="ada"), wait_s=0):
        assert recorded() == {"serial 7": ""}
    assert recorded() == {}


def test_a_device_that_is_shared_is_found_by_its_key(folder: Path) -> None:
    with acquire("serial 7", holder=Holder(user="ada"), wait_s=0, shared=True):
        assert recorded() == {"serial 7": ""}


def test_a_device_with_errors_is_found_with_its_name(folder: Path) -> None:
    note_fault("serial 7", name="pixel8", reason="the link broke")
    with acquire("serial 7", holder=Holder(user="ada"), wait_s=0):
        assert recorded() == {"serial 7": "pixel8"}
    lift("serial 7")
    assert recorded() == {}


@pytest.mark.parametrize("record", ['{"key": "other"}', '{"key": 7}', "[]", "", "!{", "[" * 9999])
def test_a_record_that_proves_no_key_is_not_believed(record: str, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{safe_name('serial 7')}.sick").write_text(record)
    assert recorded() == {}


def test_a_name_cannot_steer_a_terminal(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{safe_name('serial 7')}.sick").write_text('{"key": "serial 7", "name": "a\\u001b[2J"}')
    assert recorded() == {"serial 7": "a?[2J"}


def test_without_a_folder_nothing_is_known(folder: Path) -> None:
    assert recorded() == {}


def test_a_folder_that_may_not_be_read_is_told_with_its_remedy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    folder.mkdir(exist_ok=True)
    monkeypatch.setattr(looking, "live_tickets", refuse)
    with pytest.raises(LeaseError, match="cannot be used: Permission denied") as told:
        waiters("serial 7")
    assert told.value.hint == f"run: sudo install -d -m 1777 {folder}"
