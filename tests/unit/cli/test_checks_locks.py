"""The lock folder: looked at, never mended."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli.checks import locks as looking
from pytest_edgedevice.inventory import Inventory

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.cli.checks import Finding


def looked_at_locks() -> Finding:
    (found,) = looking.check_locks(Inventory())
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default lock folder, elsewhere, and as it should be."""
    path = tmp_path / "default"
    path.mkdir()
    path.chmod(0o1777)
    monkeypatch.delenv("EDGEDEVICE_LOCKS")
    monkeypatch.setattr(looking, "DEFAULT", path)
    monkeypatch.setattr(looking, "lock_folder", lambda: path)
    return path


def test_a_folder_in_order_is_described(folder: Path) -> None:
    found = looked_at_locks()
    assert (found.status, found.hint) == ("ok", "")
    assert found.text.startswith(f"{folder} is owned by ")
    assert ", has the mode 1777 and " in found.text


def test_a_folder_that_the_environment_names_says_so(locks: Path) -> None:
    found = looked_at_locks()
    assert found.status == "ok"
    assert found.text.startswith(f"{locks} (EDGEDEVICE_LOCKS says so) is owned by ")
    assert found.text.endswith("not every user may use it")


def test_a_folder_that_is_not_there_yet_is_in_order_and_not_made(folder: Path) -> None:
    folder.rmdir()
    assert looked_at_locks().text.endswith("is not there yet; the first session makes it")
    assert not folder.exists()


def test_a_folder_that_nobody_can_make_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", "/absent/a b")
    assert (looked_at_locks().status, looked_at_locks().hint) == ("wrong", "sudo install -d -m 1777 '/absent/a b'")


def test_a_link_in_the_default_folders_place_is_wrong(folder: Path) -> None:
    folder.rename(folder.with_name("other"))
    folder.symlink_to("other")
    assert (looked_at_locks().status, looked_at_locks().hint) == ("wrong", f"sudo rm {folder}")


def test_a_link_that_somebody_chose_is_told(tmp_path: Path, locks: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(locks)
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "link"))
    assert f"is a link to {locks}" in looked_at_locks().text


def test_a_file_in_its_place_is_wrong(folder: Path) -> None:
    folder.rmdir()
    folder.touch()
    assert looked_at_locks().text.endswith("is no folder")


@pytest.mark.parametrize(
    ("mode", "text"),
    [(0o777, "anybody may remove the locks of others"), (0o1755, "other users are locked out")],
)
def test_a_mode_that_does_not_do_is_wrong(mode: int, text: str, folder: Path) -> None:
    folder.chmod(mode)
    found = looked_at_locks()
    assert (found.status, found.hint) == ("wrong", f"sudo chmod 1777 {folder}")
    assert text in found.text


def test_a_folder_that_is_closed_to_us_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "is closed to you: it belongs to " in looked_at_locks().text


def test_an_owner_who_is_a_stranger_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(folder, 54321, -1)
    found = looked_at_locks()
    assert (found.status, found.hint) == ("ok", f"sudo chown root {folder}")
    assert "is owned by uid 54321" in found.text


def test_a_read_only_file_system_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_read_only", lambda path: True)
    assert "its file system is read-only" in looked_at_locks().hint


@pytest.mark.parametrize(
    ("code", "hint"), [(errno.ENOSPC, "free space or inodes there"), (errno.ENOLCK, "to a folder on a local disk")]
)
def test_a_folder_in_which_nothing_can_be_locked_is_wrong(
    code: int, hint: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    found = looked_at_locks()
    assert found.status == "wrong"
    assert hint in found.hint


def test_a_folder_with_hardly_any_space_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "FREE_LEAST_BYTES", 1 << 62)
    assert "hardly any space or inodes are left" in looked_at_locks().text


def test_lock_files_that_sessions_refuse_are_each_named(locks: Path) -> None:
    (locks / "a-1.lock").mkdir()
    (locks / "b-1.lock").touch()
    (locks / "b-1.lock").chmod(0o644)
    (locks / "ticket-000").symlink_to("/etc/passwd")
    (locks / "unrelated").mkdir()
    found = list(looking.check_lock_files(Inventory()))
    assert [one.hint for one in found] == [
        f"sudo rm -r {locks}/a-1.lock",
        f"sudo chmod 0666 {locks}/b-1.lock",
        f"sudo rm -r {locks}/ticket-000",
    ]


def test_without_a_lock_folder_no_file_is_wrong(folder: Path) -> None:
    folder.rmdir()
    assert list(looking.check_lock_files(Inventory())) == []
