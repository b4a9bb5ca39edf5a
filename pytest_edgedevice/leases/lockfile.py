"""One lock file: opened safely, locked in the kernel, never leaked to a child.

Lock files are never unlinked, as a lock on an unlinked file excludes nobody.
They lie in a folder where every user may put things, so nothing is followed,
blocked on or trusted when they are opened.

A forked child inherits the open file, and with it the lock: it would keep the
device for as long as it lives, though the holder is long dead. All our files
are therefore closed in the child before it runs anything else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import stat
import struct
import threading
import time
from typing import TYPE_CHECKING, Self

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import unusable

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

MAX_READ = 16_384
_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FLAGS = os.O_RDWR | _SAFELY
_LOOK = os.O_RDONLY | _SAFELY
_MODE = 0o666
_CREATION_RACE_S = 0.5
_FLOCK_STRUCT = "hhqqi4x"  # l_type, l_whence, l_start, l_len, l_pid

# held over open-and-note and over fork, so that no child is born between the two
_guard = threading.RLock()
_open_files: set[int] = set()


class LockFile:
    """An open lock file; ``try_lock`` makes this process its holder until ``close``.

    Args:
        path: The file; made with mode 0666 when it is missing.
        look_only: Open it for reading only, and never make it.

    Raises:
        LeaseError: The file cannot be opened, or is no plain file of its own.
    """

    def __init__(self, path: Path, *, look_only: bool = False) -> None:
        self.path = path
        self._pid = os.getpid()
        with _guard:
            try:
                self._fd = os.open(path, _LOOK) if look_only else _open_patiently(path)
            except OSError as error:
                raise unusable(path, error, folder=path.parent) from None
            _open_files.add(self._fd)
        if not look_only and (fault := self._fault()):
            self.close()
            raise LeaseError(f"the lock {path} is {fault}", hint=f"run: sudo rm {shlex.quote(str(path))}")

    @property
    def is_open(self) -> bool:
        """False after ``close``, and in a forked child, which must not touch its parent's lock."""
        return self._fd >= 0 and self._pid == os.getpid()

    def try_lock(self) -> bool:
        """Take the lock if it is free; False when somebody else has it, or the file was replaced."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise unusable(self.path, error, folder=self.path.parent) from None
        if not self._is_the_file_at_path():
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            return False
        _mark(self._fd)
        return True

    def is_locked(self) -> bool:
        """Whether somebody else holds the lock, found out without taking it for a moment."""
        return _is_marked(self._fd)

    def read(self) -> bytes:
        """The first 16 KiB of the content."""
        return os.pread(self._fd, MAX_READ, 0)

    def write(self, content: bytes) -> None:
        """Replace the content. A reader may see a torn state, and must be able to live with it.

        Raises:
            LeaseError: The disk is full, or failing.
        """
        try:
            # a write cut short by a full disk leaves a torn record, which readers tolerate
            os.ftruncate(self._fd, os.pwrite(self._fd, content, 0))
        except OSError as error:
            raise unusable(self.path, error, folder=self.path.parent) from None

    def close(self) -> None:
        """Let go of lock and file; does nothing the second time, or in a forked child."""
        with _guard:
            if self.is_open:
                _open_files.discard(self._fd)
                os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_the_file_at_path(self) -> bool:
        mine = os.fstat(self._fd)
        try:
            there = os.lstat(self.path)
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _fault(self) -> str:
        """Why the open file must not be written to; empty when it may."""
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            return "no plain file"
        if found.st_nlink > 1:
            return "a hard link to some other file"
        if stat.S_IMODE(found.st_mode) != _MODE and os.geteuid() in {0, found.st_uid}:
            os.fchmod(self._fd, _MODE)  # the umask cut it, or its maker was killed before this line
        return ""


def _open_patiently(path: Path) -> int:
    deadline = time.monotonic() + _CREATION_RACE_S
    while True:
        try:
            return _open_or_create(path)
        except PermissionError:
            # another user may be between creating the file and giving it its mode
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _open_or_create(path: Path) -> int:
    # first without O_CREAT: fs.protected_regular forbids it on another user's file in a sticky folder
    try:
        return os.open(path, _FLAGS)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
    return os.open(path, _FLAGS)


def _mark(fd: int) -> None:
    """Set a second lock of the kind that can be asked about; it goes with the same open file.

    ``flock`` can only be tested by taking it, and a process that is stopped while
    it tests would hold the device. Where the kernel has no such locks, ``_is_marked``
    has to test by taking.
    """
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK_STRUCT, fcntl.F_WRLCK, 0, 0, 0, 0))


def _is_marked(fd: int) -> bool:
    try:
        answer = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, struct.pack(_FLOCK_STRUCT, fcntl.F_WRLCK, 0, 0, 0, 0))
        return bool(struct.unpack(_FLOCK_STRUCT, answer)[0] != fcntl.F_UNLCK)
    except (OSError, AttributeError):
        pass
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def _close_all_in_child() -> None:
    for fd in _open_files:
        with contextlib.suppress(OSError):
            os.close(fd)
    _open_files.clear()
    _guard.release()


os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_close_all_in_child)
