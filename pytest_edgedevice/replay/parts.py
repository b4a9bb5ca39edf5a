"""Files in the making, hidden beside their place: those that a killed process left are removed by the next one.

A file is locked for as long as its writer lives; the kernel ends that with the process, on every host that shares the
folder. Where there are no such locks (Windows), nothing is removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from itertools import islice
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCKS: bool = fcntl is not None
PREFIX, SUFFIX = ".edgedevice-archive-", ".part"
MOST_SWEPT = 100


class Part:
    """An empty hidden file, open for writing.

    Args:
        folder: Where; what dead writers left there is removed first.

    Attributes:
        path: Where it is.
        file: For its content; may be closed before all of this is.

    Raises:
        OSError: It cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        _sweep(folder)
        while True:
            handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=SUFFIX, dir=folder)
            self.path = Path(name)
            self.file = os.fdopen(handle, "wb")
            # a copy, which outlives the file's own, until it has its name; on Windows nobody could give it one then
            self._lock = os.dup(handle) if LOCKS else None
            if LOCKS:
                with contextlib.suppress(OSError):  # a file system without locks, where nobody else gets one either
                    fcntl.flock(handle, fcntl.LOCK_EX)  # waits for whoever sweeps it at this very moment
            if self.path.exists():
                break
            self.close()

    def close(self) -> None:
        """Let go of it; idempotent."""
        with contextlib.suppress(OSError):
            self.file.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _sweep(folder: Path) -> None:
    """Remove what nobody writes any more; what cannot be removed is left to others."""
    if not LOCKS:
        return
    with contextlib.suppress(OSError):
        for path in islice(folder.glob(f"{PREFIX}*{SUFFIX}"), MOST_SWEPT):
            with contextlib.suppress(OSError):
                _remove_if_dead(path)


def _remove_if_dead(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if stat.S_ISREG(os.fstat(handle).st_mode):
            path.unlink()
    finally:
        os.close(handle)
