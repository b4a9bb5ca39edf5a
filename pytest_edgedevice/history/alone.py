"""One writer at a time for a file that is replaced as a whole, among processes of this machine.

The lock is on the file itself, so that nothing lies beside it. Whoever got it looks
again whether the file has that name still: the writer before has put another there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE_S = 60.0
STEP_S = 0.02
UNLOCKABLE = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""A file system that knows no locks; there the last writer wins."""


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Make the file if it is missing, and hold it; one that is still empty when this fails is removed.

    Raises:
        InfraError: It cannot be opened, is no regular file, or is held for longer than ``PATIENCE_S``.
    """
    deadline = time.monotonic() + PATIENCE_S
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not _is_held(held := _opened(path), path):
            os.close(held)
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"another process has held it for {PATIENCE_S:g} s")
            time.sleep(STEP_S)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InfraError(f"cannot write {str(path)!r}: {reason}", hint="name a file that you may write") from error
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()
        raise
    finally:
        os.close(held)


def _opened(path: Path) -> int:
    """Open it for looking, which is enough for a lock; never waits for a pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file")
    return descriptor


def _is_held(descriptor: int, path: Path) -> bool:
    """Take the lock if it is free and the file is still the one of that name."""
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno in UNLOCKABLE
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
