"""A file that is brought to a folder: its bytes first, its hash behind them, its name last.

Copying is twice as fast as hashing. So whoever pushes a file may go on when its bytes
are there, and waits for the hash when it is needed. The hash is taken
of the bytes that were placed, not of the source, which may have changed since.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, EdgeDeviceError, TransportError
from pytest_edgedevice.transports.base import Pushed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

CHUNK_BYTES = 1 << 20
COPY_BYTES = 4 << 20
LONGEST_WAIT_S = 3600.0


class Placing:
    """The rest of a push: a thread that hashes a file and then gives it its name.

    Args:
        part: The whole file, under a name that nobody looks for. It gets its name in the same folder, or is removed.
        size_bytes: Its size.
        deadline: By when, on the monotonic clock.
        done: Called by the thread with the hash once the file has its name.
    """

    def __init__(self, part: Path, size_bytes: int, *, deadline: float, done: Callable[[str], None]) -> None:
        self.size_bytes = size_bytes
        self._part = part
        self._deadline = deadline
        self._done = done
        self._cancelled = threading.Event()
        self._sha256 = ""
        self._error: EdgeDeviceError | None = None
        self._thread = threading.Thread(target=self._work, name="edgedevice-hash", daemon=True)
        self._thread.start()  # not before the copy has ended: it would hold it up wherever cores are busy

    def _work(self) -> None:
        try:
            with self._part.open("rb", buffering=0) as file:
                sha256 = hash_of(file, self._deadline, self._cancelled)
            self._part.rename(self._part.with_name(sha256))
            self._sha256 = sha256
        except (OSError, EdgeDeviceError) as error:
            self._error = os_fault(error, "cannot hash what was pushed") if isinstance(error, OSError) else error
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)
        else:
            self._done(sha256)

    def is_busy(self) -> bool:
        """Whether the hash is still being taken."""
        return self._thread.is_alive()

    def settle(self, deadline: float) -> None:
        """Come back when the hash is known or will never be, or when it is time to go on without."""
        while self._thread.is_alive() and (left_s := deadline - time.monotonic()) > 0:
            self._thread.join(min(left_s, LONGEST_WAIT_S))

    def wait(self) -> str:
        """The hash, once the file has its name.

        Raises:
            TransportError: The file cannot be read or named, or the link was closed before.
            DeadlineError: It took too long.
        """
        self.settle(self._deadline)
        if self._sha256:
            return self._sha256
        error = self._error or DeadlineError("hashing the file that was pushed did not end in time")
        raise type(error)(error.message, hint=error.hint)

    def end(self, *, timeout_s: float) -> None:
        """Come back when it is done, and stop it if that takes too long."""
        self._thread.join(timeout_s)
        self._cancelled.set()
        self._thread.join(timeout_s)


class Placed(Pushed):
    """A file that was pushed and whose hash is still being taken; to all else a ``Pushed``."""

    __slots__ = ("_placing",)
    _placing: Placing

    def __init__(self, placing: Placing) -> None:
        object.__setattr__(self, "_placing", placing)
        object.__setattr__(self, "size_bytes", placing.size_bytes)
        object.__setattr__(self, "sent_bytes", placing.size_bytes)

    @property
    def sha256(self) -> str:
        """See the base class; waits for it.

        Raises:
            TransportError, DeadlineError: It could not be taken; nothing was placed.
        """
        return self._placing.wait()

    def _plain(self) -> Pushed:
        return Pushed(self.sha256, self.size_bytes, self.sent_bytes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pushed):
            return NotImplemented
        return self._plain() == (other._plain() if isinstance(other, Placed) else other)

    def __hash__(self) -> int:
        return hash(self._plain())

    def __repr__(self) -> str:
        return repr(self._plain())

    def __reduce__(self) -> tuple[Any, ...]:
        return (Pushed, (self.sha256, self.size_bytes, self.sent_bytes))


def copy(source: BinaryIO, target: Path, deadline: float) -> int:
    """Copy all that is left of an open file to a new one; its size.

    Raises:
        OSError: It cannot be read, or the new one cannot be written; what there is of it is removed.
        TransportError: It was written to meanwhile.
        DeadlineError: It took too long.
    """
    before = os.fstat(source.fileno())

    def check() -> None:
        _check(deadline)
        after = os.fstat(source.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise TransportError(
                f"cannot push {source.name}: it changed meanwhile, from {before.st_size} bytes to {after.st_size}",
                hint="push it when whatever writes it has ended",
            )

    try:
        with target.open("xb", buffering=0) as file:
            while _copy_some(source.fileno(), file.fileno()):
                check()
            _copy_rest(source, file, check)
            return os.fstat(file.fileno()).st_size
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _copy_some(source: int, target: int) -> int:
    """Have the kernel copy some; 0 at the end, and where it cannot: the rest is copied by hand then."""
    try:
        return os.copy_file_range(source, target, COPY_BYTES)
    except (OSError, AttributeError):  # another file system, not Linux; a full disk shows again
        return 0


def _copy_rest(source: BinaryIO, target: BinaryIO, check: Callable[[], None]) -> None:
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while count := source.readinto(buffer):  # type: ignore[attr-defined]
        view = buffer[:count]
        while view:
            view = view[target.write(view) :]
        check()
    check()


def hash_of(file: BinaryIO, deadline: float, cancelled: threading.Event | None = None) -> str:
    """The SHA-256 of what is left of an open file.

    Raises:
        OSError: It cannot be read.
        TransportError: It was cancelled.
        DeadlineError: It took too long.
    """
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(CHUNK_BYTES))
    while count := file.readinto(buffer):  # type: ignore[attr-defined]
        digest.update(buffer[:count])
        _check(deadline)
        if cancelled is not None and cancelled.is_set():
            raise TransportError("the link was closed before the hash of what was pushed was known")
    return digest.hexdigest()


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise DeadlineError("reading and placing the file did not end in time")


def os_fault(error: OSError, what: str) -> TransportError:
    """Word an operating system's refusal."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DeviceFullError(
            f"{what}: no space left on the device",
            hint="free space there, or set 'folder' in edgedevice.toml",
        )
    return TransportError(f"{what}: {error.strerror or error}")
