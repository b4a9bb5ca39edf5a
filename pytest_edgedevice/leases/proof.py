"""Which process holds a lock, as the kernel tells it; the holder's record is not asked.

``/proc/locks`` names the process that took each ``flock``. Processes that our own
pid namespace cannot see are not in it, or as pid 0. That a process has the lock
open still is proven by its own ``/proc/PID/fdinfo``, as far as we may read it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import LeaseError

if TYPE_CHECKING:
    from pytest_edgedevice.leases.lockfile import LockFile

PROC = Path("/proc")


def locking_pids(lock: LockFile) -> list[int]:
    """The processes that hold a file's ``flock`` now, without those who wait for it; 0 for an invisible one.

    Raises:
        LeaseError: This system does not tell.
    """
    try:
        lines = (PROC / "locks").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise LeaseError(
            f"this system does not tell which process holds a lock: {PROC / 'locks'}: {error.strerror}",
            hint="look for the process that the holder's record names: edgedevice list",
        ) from None
    files = _names(lock)
    return sorted({pid for pid, file in map(_flock, lines) if file in files})


def holds(pid: int, lock: LockFile) -> bool:
    """Whether a process has the lock in one of its own open files.

    Raises:
        PermissionError: That process may not be looked into.
    """
    files = _names(lock)
    try:
        entries = list((PROC / str(pid) / "fdinfo").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    for entry in entries:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = entry.read_text(encoding="utf-8", errors="replace")
            # lock:\t1: FLOCK  ADVISORY  WRITE 12 fd:01:34 0 EOF
            locks = [line.removeprefix("lock:") for line in text.splitlines() if line.startswith("lock:")]
            if any(file in files for _, file in map(_flock, locks)):
                return True
    return False


def _flock(line: str) -> tuple[int, str]:
    """Process and file of a line such as ``1: FLOCK  ADVISORY  WRITE 12 fd:01:34 0 EOF``; no file for any other."""
    words = line.split()
    # the lines of those who wait have an arrow in the second place
    if len(words) < 6 or words[1] != "FLOCK" or not words[4].lstrip("-").isdecimal():
        return 0, ""
    return max(int(words[4]), 0), words[5]


def _names(lock: LockFile) -> set[str]:
    """What a file is called there: device and inode. Layered file systems have other ones than ``stat`` says."""
    found = os.fstat(lock.fileno())
    names = {_name(os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)}
    with contextlib.suppress(OSError, ValueError, KeyError):
        info = dict(
            line.split(":", 1)
            for line in (PROC / "self" / "fdinfo" / str(lock.fileno())).read_text("utf-8").splitlines()
        )
        for mount in (PROC / "self" / "mountinfo").read_text("utf-8", "replace").splitlines():
            number, _, device, *_ = mount.split(" ", 3)
            if int(number) == int(info["mnt_id"]):
                major, minor = device.split(":")
                names.add(_name(int(major), int(minor), int(info.get("ino", found.st_ino))))
    return names


def _name(major: int, minor: int, inode: int) -> str:
    return f"{major:02x}:{minor:02x}:{inode}"
