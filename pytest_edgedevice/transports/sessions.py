"""Folders of sessions on this machine: made with a lock held, and swept when their owner was killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
import weakref
from io import FileIO
from pathlib import Path

from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.leftovers import PREFIX, clear
from pytest_edgedevice.transports.orphans import OWNER

UNBORN = "edgedevice-unborn-"
UNBORN_S = 60
ENTRIES = 100
SWEEP_S = 10.0

# held over making a lock and over fork; reentrant, as a device that is collected meanwhile lets go of its own
_guard = threading.RLock()
_locks: weakref.WeakSet[FileIO] = weakref.WeakSet()


class Session:
    """A session's folder, and its owner's lock, which is held until ``close`` or the end of this process.

    Attributes:
        folder: Its path.
        swept: What others had left beside it and is gone now; clauses for a report.
    """

    def __init__(self, root: Path, swept: list[str]) -> None:
        self.swept = tuple(swept)
        self.folder, self._lock = _claim(root)

    def close(self) -> None:
        """Let go of the lock; does nothing the second time, or in a forked child."""
        with _guard:
            _locks.discard(self._lock)
            self._lock.close()


def _let_go_in_child() -> None:
    """A forked child has no part in the session: with its copy of the lock it would outlive its parent's."""
    for lock in list(_locks):
        lock.close()
    _guard.release()


os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_let_go_in_child)


def enter(root: Path, *, chosen: bool) -> Session:
    """Make a session's folder in ``root``, which another session that ends may remove at any moment.

    Args:
        root: Folder for the folders of sessions; made when it is missing.
        chosen: Whether somebody chose it, so that it may be a link.

    Raises:
        OSError: The folder cannot be made.
        TransportError: ``root`` is somebody else's.
    """
    for _ in range(ENTRIES):
        with contextlib.suppress(FileNotFoundError):
            _make(root)
            _refuse_foreign(root, chosen=chosen)
            return Session(root, _sweep(root))
    raise FileNotFoundError(errno.ENOENT, "it is removed again and again")


def _make(root: Path) -> None:
    try:
        root.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        # asked again, because it may be gone by now: that is no error, but a reason to start over
        if not stat.S_ISDIR(root.stat().st_mode):
            raise


def _refuse_foreign(root: Path, *, chosen: bool) -> None:
    """Anybody can make a folder of our name in the shared temporary one; a folder that was chosen may be a link."""
    status = root.stat() if chosen else root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.getuid(), 0):
        raise TransportError(
            f"{root} is not a folder of ours",
            hint=f"remove it, or set TMPDIR or 'folder' in edgedevice.toml: rm -r {root}",
        )


def _claim(root: Path) -> tuple[str, FileIO]:
    """Make a session's folder with its owner's lock held, and only then give it the name that a sweep looks for.

    A ``FileIO`` closes the lock when nobody has it any more: whatever Ctrl-C leaves behind can be swept.
    """
    unborn = Path(tempfile.mkdtemp(prefix=UNBORN, dir=root))
    with _guard:
        lock = FileIO(unborn / OWNER, "xb")
        _locks.add(lock)
    fcntl.flock(lock, fcntl.LOCK_EX)  # sweepers share it, so that nobody takes one of them for an owner
    folder = root / (PREFIX + unborn.name[len(UNBORN) :])
    unborn.rename(folder)
    return str(folder), lock


def _sweep(root: Path) -> list[str]:
    """Remove the folders of sessions that were killed: their owner's lock is free, or was never made.

    Sweepers do not wait for each other: each does all of it, so that when it is done, it is done.
    """
    done: list[str] = []
    deadline = time.monotonic() + SWEEP_S
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if entry.name.startswith((PREFIX, UNBORN))]
    for name in names:
        folder = root / name
        if name.startswith(PREFIX):
            with contextlib.suppress(DeadlineError):  # whoever cleans up after it by name is told
                done += clear(str(folder), deadline=deadline).done
        with contextlib.suppress(OSError):
            unowned = name.startswith(UNBORN) or not (folder / OWNER).exists()
            if unowned and time.time() - folder.stat().st_mtime > UNBORN_S:
                shutil.rmtree(folder, ignore_errors=True)
    return done
