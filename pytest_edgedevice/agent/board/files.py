"""Files that arrive: under a temporary name, checked by hash, then under their own.

What a cut left of a file is kept for the next session of the same user for a few
seconds, beside the sessions' folders, so that it need not travel twice.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import time
from typing import Any, Callable, Dict, List

from pytest_edgedevice.agent.board.hashing import Hashing

SHA256 = re.compile(r"[0-9a-f]{64}")
KEPT = re.compile(r"edgedevice-part-([0-9]{1,15})-([0-9]{1,15})-([0-9a-f]{64})")
KEPT_S = 10.0
LEAST_KEPT_BYTES = 1 << 20
MOST_KEPT = 16
PIECE_BYTES = 4 << 20


class FileError(Exception):
    """A file cannot be stored; ``kind`` says whose fault it is: ``full``, ``hash`` or ``internal``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Upload:
    """One file on its way.

    Args:
        folder: The session's folder.
        number: What the host calls it.
        size: Bytes that the host means to send; refused now when there is no room for them.
    """

    def __init__(self, folder: str, number: int, size: int) -> None:
        self.folder = folder
        self.size = size
        self.have = 0
        self.path = os.path.join(folder, f"put-{number}.part")
        with _worded("cannot write"):
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._digest = Hashing(self._fd)
        room = os.fstatvfs(self._fd)
        if room.f_bavail * room.f_frsize < size:
            self.drop()
            raise FileError("full", f"{size} bytes need more than the {room.f_bavail * room.f_frsize} that are free")

    def write(self, payload: memoryview) -> None:
        """Append bytes."""
        with _worded("cannot write", self.drop):
            left = payload
            while left:
                left = left[os.write(self._fd, left) :]
        self.have += len(payload)
        self._digest.reach(self.have, last=self.have >= self.size)

    def resume(self, kept: str, sha256: str, alive: Callable[[], None]) -> None:
        """Go on from what a cut left, if its content is what the host says; from nothing otherwise.

        Args:
            kept: Path of the kept part; whoever renames it first has it.
            sha256: Hash of its whole content.
            alive: Called now and then, as hashing may take long.
        """
        mine = self.path + ".kept"
        digest = hashlib.sha256()
        try:
            os.rename(kept, mine)
            descriptor = os.open(mine, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        have = 0
        while True:
            piece = os.read(descriptor, PIECE_BYTES)
            if not piece:
                break
            digest.update(piece)
            have += len(piece)
            alive()
        if digest.hexdigest() != sha256 or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            os.unlink(mine)
            return
        os.close(self._fd)
        os.rename(mine, self.path)
        self._fd, self._digest, self.have = descriptor, Hashing(descriptor, digest, start=have), have

    def commit(self, sha256: object) -> str:
        """Give it its name, if its hash is right; the path."""
        with _worded("cannot read what was written", self.drop):
            arrived = self._digest.hexdigest()
        if not isinstance(sha256, str) or not SHA256.fullmatch(sha256) or arrived != sha256:
            self.drop()
            raise FileError("hash", f"the file arrived with hash {arrived}, sent was {sha256!r:.80}")
        target = os.path.join(self.folder, sha256)
        with _worded("cannot write", self.drop):
            os.close(self._fd)
            self._fd = -1
            os.rename(self.path, target)
        return target

    def drop(self) -> None:
        """Remove it."""
        self.end()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        with contextlib.suppress(OSError):
            os.unlink(self.path)

    def end(self) -> None:
        """Come to rest, with the file as it is."""
        self._digest.end()

    def keep(self, base: str) -> str:
        """Put it aside for the next session; its path there, empty when it is not worth it."""
        if self._fd < 0 or self.have < LEAST_KEPT_BYTES:
            return ""
        try:
            path = os.path.join(base, f"edgedevice-part-{self.size}-{self.have}-{self._digest.hexdigest()}")
            os.rename(self.path, path)
        except OSError:
            return ""
        return path


def kept_parts(base: str) -> List[Dict[str, Any]]:
    """What cuts left lately: size of the whole file, bytes that are here, their hash; the old ones are removed."""
    found = []
    for name in sorted(os.listdir(base))[:10000]:
        match = KEPT.fullmatch(name)
        path = os.path.join(base, name)
        if not match:
            continue
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            if status.st_uid != os.getuid() or not stat.S_ISREG(status.st_mode):
                continue
            if not -60 < time.time() - status.st_mtime < 4 * KEPT_S:  # its keeper was killed, or the board went down
                os.unlink(path)
            elif status.st_size == int(match[2]):
                found.append({"size": int(match[1]), "have": int(match[2]), "sha256": match[3], "path": path})
    return found[:MOST_KEPT]


def remove_later(paths: List[str]) -> None:
    """Wait until somebody has gone on with the parts, or nobody has in time: then remove them."""
    deadline = time.monotonic() + KEPT_S
    left = [path for path in paths if path]
    while left and time.monotonic() < deadline:
        time.sleep(0.2)
        left = [path for path in left if os.path.lexists(path)]
    for path in left:
        with contextlib.suppress(OSError):
            os.unlink(path)


class _worded:  # noqa: N801 - read as a function
    """Say an error of the system as ours, after cleaning up."""

    def __init__(self, what: str, clean: Callable[[], None] = lambda: None) -> None:
        self._what = what
        self._clean = clean

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, OSError):
            self._clean()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise FileError("full" if full else "internal", f"{self._what}: {error.strerror}") from error
