"""One lock file: opened safely, locked in the kernel, never leaked to a child.

Lock files are never unlinked, as a lock on an unlinked file excludes nobody.
They lie in a folder where every user may put things, so nothing is followed,
blocked on or trusted when they are opened.

A forked child inherits the open file, and with it the lock: it would keep the
device for as long as it lives, though the holder is long dead. All our files
are therefore closed in the child before it runs anything else.

Ctrl-C may come at any moment. A ``FileIO`` owns the descriptor from its opening on,
closes it in one step, and at the latest when nobody has it any more, so that no lock is left
without an owner in a process that goes on.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
import threading
import time
import weakref
from io import FileIO
from typing import TYPE_CHECKING, Self

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import is_mine, unusable
from pytest_edgedevice.leases.kernel import SAFELY, State, kernel

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

MAX_READ = 16_384
_FLAGS = os.O_RDWR | SAFELY
_LOOK = os.O_RDONLY | SAFELY
_MODE = 0o666
_CREATION_RACE_S = 0.5

# held over open-and-note and over fork, so that no child is born between the two
guard = threading.RLock()
_open_files: weakref.WeakSet[LockFile] = weakref.WeakSet()


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
        with guard:
            try:
                opener = _open_to_look if look_only else _open_patiently
                self._file = FileIO(path, "rb" if look_only else "r+b", opener=opener)
            except OSError as error:
                raise unusable(path, error, folder=path.parent) from None
            _open_files.add(self)
        if fault := self._fault(mend=not look_only):
            self.close()
            raise LeaseError(f"the lock {path} is {fault}", hint=f"run: sudo rm -r {shlex.quote(str(path))}")

    @property
    def is_open(self) -> bool:
        """False after ``close``, and in a forked child, which must not touch its parent's lock."""
        return not self._file.closed

    def fileno(self) -> int:
        """The open file's descriptor; -1 when it is closed."""
        return -1 if self._file.closed else self._file.fileno()

    def try_lock(self, *, shared: bool = False) -> bool:
        """Take the lock if it is free; False when somebody else has it, or the file was replaced.

        Args:
            shared: Hold it together with others who say so too. Whoever holds it may change
                to the other kind; where that fails, the lock is lost.
        """
        try:
            if not kernel.lock(self.fileno(), shared=shared):
                return False
        except OSError as error:
            raise unusable(self.path, error, folder=self.path.parent) from None
        if not self.is_in_place():
            kernel.unlock(self.fileno())
            return False
        kernel.mark(self.fileno(), shared=shared)
        return True

    def state(self) -> State:
        """How somebody else holds the lock, found out without taking it for a moment."""
        return kernel.state(self.fileno())

    def read(self) -> bytes:
        """The first 16 KiB of the content."""
        return kernel.read(self.fileno(), MAX_READ)

    def write(self, content: bytes) -> None:
        """Replace the content. A reader may see a torn state, and must be able to live with it.

        Raises:
            LeaseError: The disk is full, or failing.
        """
        try:
            with guard:  # another thread may close it, and the number become that of another file
                kernel.write(self.fileno(), content)
        except OSError as error:
            raise unusable(self.path, error, folder=self.path.parent) from None

    def close(self) -> None:
        """Let go of lock and file; does nothing the second time, or in a forked child."""
        with guard:
            _open_files.discard(self)
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def is_in_place(self) -> bool:
        """Whether the path still leads to the file that is open."""
        mine = os.fstat(self.fileno())
        try:
            there = os.lstat(self.path)
        except OSError:
            return False
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def _fault(self, *, mend: bool) -> str:
        """Why the open file must not be used; empty when it may. What is wrong with its mode can be mended."""
        found = os.fstat(self.fileno())
        if not stat.S_ISREG(found.st_mode):
            return "no plain file"
        if found.st_nlink > 1:
            return "a hard link to some other file"
        if mend and stat.S_IMODE(found.st_mode) != _MODE and is_mine(found):
            os.fchmod(self.fileno(), _MODE)  # the umask cut it, or its maker was killed before this line
        return ""


def _open_to_look(path: str, _: int) -> int:
    return os.open(path, _LOOK)


def _open_patiently(path: str, _: int) -> int:
    deadline = time.monotonic() + _CREATION_RACE_S
    while True:
        try:
            return _open_or_create(path)
        except PermissionError:
            # another user may be between creating the file and giving it its mode
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _open_or_create(path: str) -> int:
    # first without O_CREAT: fs.protected_regular forbids it on another user's file in a sticky folder
    try:
        return os.open(path, _FLAGS)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            return os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
    return os.open(path, _FLAGS)


def _close_all_in_child() -> None:
    for file in list(_open_files):
        file.close()
    guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=guard.acquire, after_in_parent=guard.release, after_in_child=_close_all_in_child)
