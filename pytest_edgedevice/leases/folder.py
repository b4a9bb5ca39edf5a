"""The one folder in which all locks of this host live.

A literal path, not ``$TMPDIR``, which differs between users and jobs and would
make two domains that do not see each other. Mode 1777, so that every user may
add files and none may remove another's. A folder that cannot be used is an
error with the command that mends it, never a reason to lock somewhere else.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import re
import shlex
import stat
import time
from pathlib import Path

from pytest_edgedevice.errors import LeaseError

_WINDOWS = os.name == "nt"
# shared by all users on purpose; nothing in it is followed or trusted
DEFAULT = (
    Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "pytest-edgedevice"
    if _WINDOWS
    else Path("/var/tmp/pytest-edgedevice")  # noqa: S108
)
ENVIRONMENT = "EDGEDEVICE_LOCKS"
_MODE = 0o1777
_CREATION_RACE_S = 0.5


def lock_folder() -> Path:
    """Where the locks are: ``/var/tmp/pytest-edgedevice``, or what ``EDGEDEVICE_LOCKS`` says.

    On Windows it is ``pytest-edgedevice`` in ``%PROGRAMDATA%``.

    The variable is for tests and for containers that mount the host's folder elsewhere.

    Raises:
        LeaseError: The variable holds a relative path, which would mean another folder in every job.
    """
    named = os.environ.get(ENVIRONMENT)
    if not named:
        return DEFAULT
    if not Path(named).is_absolute():
        raise LeaseError(f"{ENVIRONMENT} is the relative path {named!r}", hint="give it an absolute path")
    return Path(named)


def ready_folder() -> Path:
    """Give the lock folder, made and checked.

    Raises:
        LeaseError: It cannot be made, is no folder, or is not writable for this user.
    """
    folder = lock_folder()
    try:
        _make(folder)
        found = folder.lstat()
        # made by one who was killed before chmod, or by hand; mended where it is ours to mend
        if folder == DEFAULT and stat.S_ISDIR(found.st_mode) and is_mine(found):
            folder.chmod(_MODE)
    except OSError as error:
        raise unusable(folder, error, folder=folder) from None
    if folder == DEFAULT and stat.S_ISLNK(found.st_mode):
        raise LeaseError(f"the lock folder {folder} is a symbolic link", hint=f"run: sudo rm {folder}")
    if not folder.is_dir():
        raise LeaseError(f"the lock folder {folder} is no folder", hint=_remedy(folder, first_remove=True))
    _check_access(folder)
    return folder


def _make(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(_MODE)  # mkdir's own mode is cut by the umask


def _check_access(folder: Path) -> None:
    deadline = time.monotonic() + _CREATION_RACE_S
    while not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        # another user may be between mkdir and chmod
        if time.monotonic() > deadline:
            code = errno.EROFS if _is_read_only(folder) else errno.EACCES
            raise unusable(folder, OSError(code, os.strerror(code)), folder=folder)
        time.sleep(0.01)


def _is_read_only(folder: Path) -> bool:
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def is_mine(found: os.stat_result) -> bool:
    """Whether this user may change the mode of a file; False where there are no such modes."""
    return hasattr(os, "geteuid") and os.geteuid() in {0, found.st_uid}


def lock_path(folder: Path, key: str) -> Path:
    """Where the lock of a device is."""
    return folder / f"{safe_name(key)}.lock"


@functools.lru_cache(maxsize=256)
def safe_name(key: str) -> str:
    """Make a file name of a device's key: readable in front, and unique by its hash."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", key)[:40].strip("-")
    return f"{readable or 'device'}-{digest}"


def unusable(path: Path, error: OSError, *, folder: Path) -> LeaseError:
    """Word an operating system's refusal, with the command that mends it."""
    reason = error.strerror or str(error)
    quoted, quoted_folder = shlex.quote(str(path)), shlex.quote(str(folder))
    if error.errno in {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}:
        hint = f"free space or inodes there: df -h {quoted_folder}; df -i {quoted_folder}"
    elif error.errno == errno.EROFS:
        hint = (
            f"its file system is read-only: mount it writable, into containers with -v {quoted_folder}:{quoted_folder}"
        )
    elif error.errno == errno.ELOOP:
        hint = f"a symbolic link stands where a lock should be; run: sudo rm {quoted}"
    elif error.errno in {errno.EISDIR, errno.ENXIO}:
        hint = f"something else stands where a lock should be; run: sudo rm -r {quoted}"
    elif error.errno in {errno.EACCES, errno.EPERM} and path != folder:
        hint = f"run: sudo chmod 0666 {quoted}"
    else:
        hint = _remedy(folder)
    return LeaseError(f"the lock {'folder ' if path == folder else ''}{path} cannot be used: {reason}", hint=hint)


def _remedy(folder: Path, *, first_remove: bool = False) -> str:
    if _WINDOWS:  # every authenticated user may change what is in it
        return f'run as administrator: mkdir "{folder}" & icacls "{folder}" /grant *S-1-5-11:(OI)(CI)M'
    quoted = shlex.quote(str(folder))
    return f"run: {f'sudo rm {quoted}; ' if first_remove else ''}sudo install -d -m 1777 {quoted}"
