"""The lock folder and what lies in it: looked at as a session would use it, made or mended by nobody here."""

from __future__ import annotations

import errno
import fcntl
import os
import pwd
import shlex
import stat
import tempfile
from itertools import islice
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.leases.folder import DEFAULT, ENVIRONMENT, lock_folder, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.inventory import Inventory

SHARED_MODE = 0o1777
FILE_MODE = 0o666
FREE_LEAST_BYTES = 1_000_000
MOST_FILES = 5000


def check_locks(_: Inventory) -> Iterator[Finding]:
    """The folder: what it is, whose, for whom, on what file system, and how full."""
    yield _folder(lock_folder())


def check_lock_files(_: Inventory) -> Iterator[Finding]:
    """Files in it that a session would refuse, a finding each."""
    folder = lock_folder()
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return
    with os.scandir(folder) as entries:
        ours = [entry for entry in islice(entries, MOST_FILES) if _is_ours(entry.name)]
    for entry in sorted(ours, key=lambda one: one.name):
        quoted = shlex.quote(entry.path)
        found = entry.stat(follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            yield Finding("locks", "wrong", f"{entry.path} is no plain file of its own", f"sudo rm -r {quoted}")
        elif found.st_mode & FILE_MODE != FILE_MODE:
            text = f"{entry.path} has the mode {stat.S_IMODE(found.st_mode):04o}, so that others cannot use it"
            yield Finding("locks", "wrong", text, f"sudo chmod 0666 {quoted}")


def _is_ours(name: str) -> bool:
    return name.endswith((".lock", ".sick")) or name.startswith("ticket-") or ".shared-" in name


def _folder(folder: Path) -> Finding:
    said = f" ({ENVIRONMENT} says so)" if os.environ.get(ENVIRONMENT) else ""
    quoted = shlex.quote(str(folder))
    make = f"sudo install -d -m 1777 {quoted}"
    if not os.path.lexists(folder):
        if folder.parent.is_dir() and os.access(folder.parent, os.W_OK | os.X_OK):
            return Finding("locks", "ok", f"{folder}{said} is not there yet; the first session makes it")
        return Finding("locks", "wrong", f"{folder}{said} is not there and cannot be made", make)
    if folder.is_symlink() and folder == DEFAULT:
        return Finding("locks", "wrong", f"{folder} is a symbolic link, which sessions refuse", f"sudo rm {quoted}")
    if not folder.is_dir():
        return Finding("locks", "wrong", f"{folder}{said} is no folder", f"sudo rm {quoted}; {make}")
    return _permissions(folder, said) or _tried(folder) or _described(folder, said)


def _permissions(folder: Path, said: str) -> Finding | None:
    """Faults of its mode and owner."""
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    chmod = f"sudo chmod 1777 {shlex.quote(str(folder))}"
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        text = f"{folder}{said} has the mode {mode:04o}: anybody may remove the locks of others"
        return Finding("locks", "wrong", text, chmod)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK) and not _read_only(folder):
        text = f"{folder}{said} is closed to you: it belongs to {_user(found.st_uid)} and has the mode {mode:04o}"
        return Finding("locks", "wrong", text, chmod)
    if folder == DEFAULT and mode != SHARED_MODE:
        return Finding("locks", "wrong", f"{folder} has the mode {mode:04o}: other users are locked out", chmod)
    return None


def _tried(folder: Path) -> Finding | None:
    """What happens to whoever makes a file there and locks it."""
    fault = _fault(folder)
    if fault is None:
        return None
    if fault.errno in {errno.ENOLCK, errno.ENOTSUP}:
        text = f"the file system of {folder} has no locks: {fault.strerror}"
        return Finding("locks", "wrong", text, f"set {ENVIRONMENT} to a folder on a local disk, for every job")
    refused = unusable(folder, fault, folder=folder)
    return Finding("locks", "wrong", refused.message, refused.hint)


def _fault(folder: Path) -> OSError | None:
    if _read_only(folder):
        return OSError(errno.EROFS, os.strerror(errno.EROFS))
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error
    status = os.statvfs(folder)
    if status.f_bavail * status.f_frsize < FREE_LEAST_BYTES or (status.f_files and not status.f_favail):
        return OSError(errno.ENOSPC, "hardly any space or inodes are left")
    return None


def _described(folder: Path, said: str) -> Finding:
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    text = f"{folder}{said} is owned by {_user(found.st_uid)}, has the mode {mode:04o}"
    if folder.is_symlink():
        text = f"{text}, is a link to {folder.resolve()}"
    status = os.statvfs(folder)
    text = f"{text} and {status.f_bavail * status.f_frsize / 1e9:.1f} GB free"
    quoted = shlex.quote(str(folder))
    if mode != SHARED_MODE:
        return Finding("locks", "ok", f"{text}; not every user may use it", f"sudo chmod 1777 {quoted}")
    if found.st_uid not in {0, os.geteuid()}:
        return Finding("locks", "ok", f"{text}; its owner may remove locks", f"sudo chown root {quoted}")
    return Finding("locks", "ok", text)


def _read_only(folder: Path) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
