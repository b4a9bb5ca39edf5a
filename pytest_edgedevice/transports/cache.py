"""Models that stay on this machine between sessions, where the device file allows it.

A cached model is a second name (a hard link) for the file in a session's folder. It
is given only to a file that is whole and hashed, so that nothing half-written is
ever in the cache; taking a model out makes a third name, so that it may be evicted
while it is used. Each use hashes it again: a name proves nothing. Inputs never come here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from typing import TYPE_CHECKING

from pytest_edgedevice.transports.orphans import LOOK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class ModelCache:
    """A folder of models, private to this user, beside the folders of its sessions.

    Args:
        root: Folder of the sessions.
        cap_bytes: How much may stay; 0 for nothing.
        hashed: The SHA-256 of an open file by a deadline; None for this host's own way.
    """

    def __init__(self, root: Path, *, cap_bytes: int, hashed: Callable[[BinaryIO, float], str] | None = None) -> None:
        self._hashed = hashed
        self.folder = root / f"edgedevice-models-{os.getuid()}"
        self._cap_bytes = cap_bytes

    def sizes(self) -> set[int]:
        """Sizes of the models that are here."""
        with contextlib.suppress(OSError), self._opened() as descriptor:
            return {status.st_size for _, status in _models(descriptor)}
        return set()

    def holds_size(self, size_bytes: int) -> bool:
        """Whether a model of this size is here: only then can an equal one be."""
        return size_bytes in self.sizes()

    def give(self, sha256: str, target: Path, *, part: Path, deadline: float) -> bool:
        """Name a cached model ``target``, if it is here and is what it says; it is removed if it is not.

        Args:
            sha256: Its hash.
            target: A new name for it, in a session's folder.
            part: A name that is free there, until it is proven.
            deadline: By when, on the monotonic clock.

        Raises:
            DeadlineError: Hashing took too long.
        """
        with contextlib.suppress(OSError), self._opened() as folder:
            os.link(sha256, part, src_dir_fd=folder, follow_symlinks=False)
            try:
                with os.fdopen(os.open(part, LOOK), "rb", buffering=0) as file:
                    plain = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
                    if plain and (self._hashed or hash_of)(file, deadline) == sha256:
                        os.utime(file.fileno())  # used last
                        part.rename(target)
                        return True
                os.unlink(sha256, dir_fd=folder)
            finally:
                part.unlink(missing_ok=True)
        return False

    def keep(self, path: Path) -> None:
        """Let a model stay, whose name is its hash, and make room for it; a disk that fails keeps nothing."""
        with contextlib.suppress(OSError):
            if not 0 < path.stat().st_size <= self._cap_bytes:
                return
            self.folder.mkdir(mode=0o700, exist_ok=True)
            with self._opened() as folder:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path.name, dir_fd=folder)  # it was not found: the name was not what it says
                with contextlib.suppress(FileExistsError):  # another session was faster
                    os.link(path, path.name, dst_dir_fd=folder)
                self._evict(folder, but=path.name)

    def _evict(self, folder: int, *, but: str) -> None:
        """Remove what was used longest ago; others who do so at the same time remove the same."""
        models = sorted(_models(folder), key=lambda model: (model[0] == but, model[1].st_mtime_ns))
        total = sum(status.st_size for _, status in models)
        for name, status in models:
            if self._cap_bytes and total <= self._cap_bytes:
                return
            total -= status.st_size
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)

    def close(self) -> None:
        """Leave no more than may stay; without a cap not even the folder."""
        with contextlib.suppress(OSError), self._opened() as folder:
            self._evict(folder, but="")
        with contextlib.suppress(OSError):  # not empty
            self.folder.rmdir()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self.folder, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if status.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "somebody else's")
            if stat.S_IMODE(status.st_mode) != 0o700:
                os.fchmod(descriptor, 0o700)
            yield descriptor
        finally:
            os.close(descriptor)


def hash_of(file: BinaryIO, deadline: float) -> str:
    """The SHA-256 of a file, as pushes to this machine take it; boards have a way of their own."""
    from pytest_edgedevice.transports import placing

    return placing.hash_of(file, deadline)


def _models(folder: int) -> list[tuple[str, os.stat_result]]:
    found = []
    for name in os.listdir(folder):
        if _SHA256.fullmatch(name):
            with contextlib.suppress(FileNotFoundError):
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode):
                    found.append((name, status))
    return found
