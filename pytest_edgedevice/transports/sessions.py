"""Folders of sessions on this machine: made with a lock held, and swept when their owner was killed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

from pytest_edgedevice.errors import TransportError

PREFIX = "edgedevice-session-"
UNBORN = "edgedevice-unborn-"
UNBORN_S = 60
ENTRIES = 100
OWNER = "owner.lock"


def _refuse_foreign(root: Path, *, chosen: bool) -> None:
    """Anybody can make a folder of our name in the shared temporary one; a folder that was chosen may be a link."""
    status = root.stat() if chosen else root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in (os.getuid(), 0):
        raise TransportError(
            f"{root} is not a folder of ours",
            hint=f"remove it, or set TMPDIR or 'folder' in edgedevice.toml: rm -r {root}",
        )


def enter(root: Path, *, chosen: bool) -> tuple[str, BinaryIO]:
    """Make a session's folder in ``root``, which another session that ends may remove at any moment.

    Args:
        root: Folder for the folders of sessions; made when it is missing.
        chosen: Whether somebody chose it, so that it may be a link.

    Returns:
        The session's folder, and its owner's lock, which is held until it is closed.

    Raises:
        OSError: The folder cannot be made.
        TransportError: ``root`` is somebody else's.
    """
    for _ in range(ENTRIES):
        with contextlib.suppress(FileNotFoundError):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(root, chosen=chosen)
            _sweep(root)
            return _claim(root)
    raise FileNotFoundError(errno.ENOENT, "it is removed again and again")


def _claim(root: Path) -> tuple[str, BinaryIO]:
    """Make a session's folder with its owner's lock held, and only then give it the name that a sweep looks for."""
    unborn = Path(tempfile.mkdtemp(prefix=UNBORN, dir=root))
    owner = (unborn / OWNER).open("wb")
    fcntl.flock(owner, fcntl.LOCK_EX)
    folder = root / (PREFIX + unborn.name[len(UNBORN) :])
    unborn.rename(folder)
    return str(folder), owner


def _sweep(root: Path) -> None:
    """Remove the folders of sessions that were killed: their owner's lock is free, or was never made."""
    for folder in root.glob(PREFIX + "*"):
        with contextlib.suppress(OSError), (folder / OWNER).open("rb") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            end_leftovers(folder)
            shutil.rmtree(folder, ignore_errors=True)
    for folder in [*root.glob(UNBORN + "*"), *root.glob(PREFIX + "*")]:
        with contextlib.suppress(OSError):
            unowned = folder.name.startswith(UNBORN) or not (folder / OWNER).exists()
            if unowned and time.time() - folder.stat().st_mtime > UNBORN_S:
                shutil.rmtree(folder, ignore_errors=True)


def end_leftovers(folder: Path) -> None:
    """End agents of a session whose owner was killed: one that is stopped never saw that its stream had ended."""
    wanted = os.fsencode(str(folder))
    for process in Path("/proc").glob("[0-9]*"):  # nothing there on systems without /proc
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if process.stat().st_uid == os.getuid() and wanted in words:
                os.kill(int(process.name), signal.SIGKILL)
