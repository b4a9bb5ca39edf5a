"""The lock calls of the operating system, and nothing else.

POSIX has ``flock``, which goes with its process, and open file description
locks, which can be asked about. Where ``fcntl`` is missing (Windows), the
library ``portalocker`` locks: for one holder at a time only, as sharing would
need a further library. Knows nothing of devices, records or queues.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from typing import Any, Literal, Protocol

from pytest_edgedevice.errors import LeaseError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

State = Literal["free", "shared", "exclusive"]

# what of this a system lacks, it has no need of: Windows has no forks and no links that any user may make
SAFELY = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_NOINHERIT"))
_FLOCK_STRUCT = "hhqqi4x"  # l_type, l_whence, l_start, l_len, l_pid


class Kernel(Protocol):
    """What ``LockFile`` needs; ``fd`` is always an open file descriptor.

    Attributes:
        can_share: Whether many can hold one lock at once.
    """

    can_share: bool

    def lock(self, fd: int, *, shared: bool) -> bool:
        """Take the lock, or change it, if that can be done at once; a change that fails may lose it."""
        ...

    def unlock(self, fd: int) -> None:
        """Let go of the lock."""
        ...

    def mark(self, fd: int, *, shared: bool) -> None:
        """Make the lock that was taken one that others can ask about."""
        ...

    def state(self, fd: int) -> State:
        """How somebody else holds the lock."""
        ...

    def read(self, fd: int, size: int) -> bytes:
        """The first ``size`` bytes of the content."""
        ...

    def write(self, fd: int, content: bytes) -> None:
        """Replace the content."""
        ...


class Posix:
    """``flock`` is the lock; a second one, of the kind that can be asked about, tells others of it.

    ``flock`` can only be tested by taking it, and a process that is stopped while
    it tests would hold the device. Where the kernel has no locks to ask about
    (before Linux 3.15, macOS), there is no other way.
    """

    can_share = True

    def lock(self, fd: int, *, shared: bool) -> bool:
        """Take the lock, or change it, if that can be done at once; a change that fails may lose it."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self, fd: int) -> None:
        """Let go of the lock."""
        fcntl.flock(fd, fcntl.LOCK_UN)

    def mark(self, fd: int, *, shared: bool) -> None:
        """Set the second lock; it goes with the same open file."""
        kind = fcntl.F_RDLCK if shared else fcntl.F_WRLCK
        with contextlib.suppress(OSError, AttributeError):
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK_STRUCT, kind, 0, 0, 0, 0))

    def state(self, fd: int) -> State:
        """How somebody else holds the lock."""
        try:
            asked = struct.pack(_FLOCK_STRUCT, fcntl.F_WRLCK, 0, 0, 0, 0)
            found = struct.unpack(_FLOCK_STRUCT, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))[0]
        except (OSError, AttributeError):
            return self._state_by_taking(fd)
        if found == fcntl.F_UNLCK:
            return "free"
        return "shared" if found == fcntl.F_RDLCK else "exclusive"

    def _state_by_taking(self, fd: int) -> State:
        if not self.lock(fd, shared=True):
            return "exclusive"
        free = self.lock(fd, shared=False)
        self.unlock(fd)
        return "free" if free else "shared"

    def read(self, fd: int, size: int) -> bytes:
        """The first ``size`` bytes of the content."""
        return os.pread(fd, size, 0)

    def write(self, fd: int, content: bytes) -> None:
        """Replace the content; a disk that is full cuts it, which readers tolerate."""
        os.ftruncate(fd, os.pwrite(fd, content, 0))


class Portalocker:
    """``portalocker``'s exclusive lock, tested by taking it for a moment.

    On Windows nobody else can read what is locked, and the library locks the first
    64 KiB of a file or, in its other variant, 4 GiB: short records are therefore kept
    behind the first 64 KiB, and the variant that is used here is the first.
    """

    can_share = False
    _CONTENT_AT = 0x10000

    def __init__(self) -> None:
        self._position = threading.Lock()  # reading moves the file's position, and threads may share a file

    def lock(self, fd: int, *, shared: bool) -> bool:
        """Take the lock, alone even where sharing would do, if that can be done at once."""
        del shared
        portalocker = _portalocker()
        try:
            portalocker.lock(fd, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.AlreadyLocked:
            return False
        except portalocker.LockException as error:
            raise OSError(0, str(error)) from None
        return True

    def unlock(self, fd: int) -> None:
        """Let go of the lock."""
        _portalocker().unlock(fd)

    def mark(self, fd: int, *, shared: bool) -> None:
        """Nothing can be asked about here."""

    def state(self, fd: int) -> State:
        """How somebody else holds the lock."""
        if not self.lock(fd, shared=False):
            return "exclusive"
        self.unlock(fd)
        return "free"

    def read(self, fd: int, size: int) -> bytes:
        """The first ``size`` bytes of the content."""
        with self._position:
            os.lseek(fd, self._CONTENT_AT, os.SEEK_SET)
            return os.read(fd, size)

    def write(self, fd: int, content: bytes) -> None:
        """Replace the content."""
        with self._position:
            os.lseek(fd, self._CONTENT_AT, os.SEEK_SET)
            os.ftruncate(fd, self._CONTENT_AT + os.write(fd, content))


def _portalocker() -> Any:
    try:
        import portalocker
    except ImportError:
        raise LeaseError(
            "the library portalocker is missing, which locks devices on this system",
            hint="run: python -m pip install portalocker",
        ) from None
    return portalocker


kernel: Kernel = Posix() if fcntl is not None else Portalocker()  # type: ignore[redundant-expr]  # checked on Linux
