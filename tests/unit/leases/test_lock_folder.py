from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases import (
    Holder,
    acquire,
    lock_folder,
    lockfile,
    who,
)
from pytest_edgedevice.leases import folder as folder_module
from pytest_edgedevice.leases.folder import safe_name, unusable

if TYPE_CHECKING:
    from collections.abc import Callable


def take() -> None:
    acquire("phone", holder=Holder(), wait_s=0).release()


def lock_path(folder: Path) -> Path:
    return folder / f"{safe_name('phone')}.lock"


def test_the_folder_is_one_literal_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEDEVICE_LOCKS", raising=False)
    monkeypatch.setenv("TMPDIR", "/somewhere/else")
    assert lock_folder() == Path("/var/tmp/pytest-edgedevice")


def test_the_environment_may_move_it_but_not_to_a_relative_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEDEVICE_LOCKS", "locks")
    with pytest.raises(LeaseError, match="relative path 'locks'"):
        take()


def test_folder_and_files_are_open_to_every_user_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        take()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o666}


def test_a_file_whose_maker_was_killed_before_chmod_is_mended(folder: Path) -> None:
    take()
    lock_path(folder).chmod(0o600)
    take()
    assert stat.S_IMODE(lock_path(folder).stat().st_mode) == 0o666


def test_a_default_folder_whose_maker_was_killed_before_chmod_is_mended(default_folder: Path) -> None:
    default_folder.mkdir(mode=0o755)
    take()
    assert stat.S_IMODE(default_folder.stat().st_mode) == 0o1777


def test_on_windows_the_remedy_is_one_for_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_WINDOWS", True)
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "not there" / "locks"))
    with pytest.raises(LeaseError) as caught:
        take()
    assert caught.value.hint.startswith("run as administrator: mkdir ")


def test_files_are_kept_after_release(folder: Path) -> None:
    take()
    first = lock_path(folder).stat().st_ino
    take()
    assert lock_path(folder).stat().st_ino == first


def test_a_link_in_the_place_of_the_default_folder_is_refused(default_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    default_folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LeaseError, match="is a symbolic link") as caught:
        take()
    assert caught.value.hint == f"run: sudo rm {default_folder}"
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_file_in_the_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.write_text("")
    with pytest.raises(LeaseError, match="is no folder") as caught:
        take()
    assert caught.value.hint == f"run: sudo rm {folder}; sudo install -d -m 1777 {folder}"


def test_a_folder_on_a_read_only_file_system_is_to_be_mounted_where_it_is(folder: Path) -> None:
    error = OSError(errno.EROFS, os.strerror(errno.EROFS))
    assert f"-v {folder}:{folder}" in (unusable(folder, error, folder=folder).hint or "")


def test_a_missing_parent_is_an_error_with_the_command_that_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "not there" / "locks"
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(place))
    with pytest.raises(LeaseError, match="No such file") as caught:
        take()
    assert caught.value.hint == f"run: sudo install -d -m 1777 '{place}'"


def test_a_link_in_the_place_of_a_lock_is_not_followed(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder.mkdir()
    lock_path(folder).symlink_to(victim)
    with pytest.raises(LeaseError, match="cannot be used") as caught:
        take()
    assert "sudo rm" in caught.value.hint
    assert victim.read_text() == "precious"


def test_a_link_to_nowhere_makes_no_file_there(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    lock_path(folder).symlink_to(tmp_path / "made")
    with pytest.raises(LeaseError):
        take()
    assert not (tmp_path / "made").exists()
    with pytest.raises(LeaseError):
        who("phone")


def test_a_hard_link_in_the_place_of_a_lock_is_not_written_to(folder: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder.mkdir()
    lock_path(folder).hardlink_to(victim)
    with pytest.raises(LeaseError, match="hard link"):
        take()
    assert victim.read_text() == "precious"


def test_a_pipe_in_the_place_of_a_lock_does_not_block(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(lock_path(folder))
    with pytest.raises(LeaseError, match="no plain file"):
        take()


def test_a_folder_in_the_place_of_a_lock_is_refused(folder: Path) -> None:
    lock_path(folder).mkdir(parents=True)
    with pytest.raises(LeaseError, match="Is a directory"):
        take()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file_is_an_error_for_who_looks_too(folder: Path, make: Callable[[Path], None]) -> None:
    folder.mkdir()
    make(lock_path(folder))
    with pytest.raises(LeaseError):
        who("phone")


def test_a_socket_in_the_place_of_a_lock_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.chdir(folder)  # socket paths are short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(lock_path(folder).name)
    with pytest.raises(LeaseError, match="cannot be used"):
        take()


@pytest.mark.parametrize(
    ("flag", "complaint", "remedy"),
    [(0, "Permission denied", "sudo install -d -m 1777"), (os.ST_RDONLY, "Read-only file system", "mount it writable")],
)
def test_a_folder_without_access_tells_rights_from_a_read_only_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, flag: int, complaint: str, remedy: str
) -> None:
    monkeypatch.setattr(folder_module, "_CREATION_RACE_S", 0.02)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flag))
    with pytest.raises(LeaseError, match=complaint) as caught:
        take()
    assert remedy in caught.value.hint


def test_a_lock_without_access_is_tried_for_a_moment_and_then_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take()
    real_open = os.open

    def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if Path(path) == lock_path(folder):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_open(path, flags, mode)

    monkeypatch.setattr(lockfile, "_CREATION_RACE_S", 0.02)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LeaseError, match="Permission denied") as caught:
        take()
    assert caught.value.hint == f"run: sudo chmod 0666 {lock_path(folder)}"


def test_a_file_made_by_another_at_the_same_moment_is_shared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    real_open = os.open

    def meanwhile(path: str | Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_EXCL:
            Path(path).touch()
        return real_open(path, flags, mode)

    monkeypatch.setattr(os, "open", meanwhile)
    take()
    assert lock_path(folder).exists()


def test_a_file_system_without_locks_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(LeaseError, match="No locks available"):
        take()
