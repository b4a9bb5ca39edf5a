"""The service ``sync:``: STAT, LIST, SEND, RECV, and STA2 and LST2 of ``stat_v2``."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tests.peers.adb_daemon.faults import flipped

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.adb_daemon.root import Root
    from tests.peers.adb_daemon.stream import Stream

REQUEST = struct.Struct("<4sI")
STAT = struct.Struct("<4s3I")
STAT_V2 = struct.Struct("<4sI2Q4IQ3q")
ENTRY = struct.Struct("<4s4I")
CHUNK = 64 * 1024
MAX_PATH = 1024


class BadRequestError(Exception):
    """The host's sync client sent what is no request."""


class Sync:
    """One sync connection. ``count`` is told of each piece of a pushed file."""

    def __init__(self, root: Root, stream: Stream, count: Callable[[int], None]) -> None:
        self._root, self._stream, self._count = root, stream, count
        self._faults, self._opened = stream.faults, stream.opened

    async def serve(self) -> None:
        """Until the host says QUIT, or what is no request."""
        try:
            while await self._answer():
                pass
        except BadRequestError as error:
            await self._fail(str(error))

    async def _answer(self) -> bool:
        answers = {
            b"STAT": self._stat,
            b"LST2": self._stat_v2,
            b"STA2": self._stat_v2,
            b"LIST": self._list,
            b"SEND": self._receive_file,
            b"RECV": self._send_file,
        }
        request, size = REQUEST.unpack(await self._stream.receive_exactly(REQUEST.size))
        if request == b"QUIT":
            return False
        if size > MAX_PATH:
            raise BadRequestError("path too long")
        name = await self._stream.receive_exactly(size)
        if request not in answers:
            raise BadRequestError(f"unknown command {int.from_bytes(request, 'little'):08x}")
        await answers[request](request, name.decode(errors="surrogateescape"))
        return True

    async def _stat(self, request: bytes, name: str) -> None:
        found = _look(self._root.path(name))
        values = (found.st_mode, self._size(found), int(found.st_mtime)) if found else (0, 0, 0)
        await self._stream.write(STAT.pack(request, *values))

    async def _stat_v2(self, request: bytes, name: str) -> None:
        found = _look(self._root.path(name), follow=request == b"STA2")
        if found is None:
            await self._stream.write(STAT_V2.pack(request, 2, *[0] * 10))
            return
        times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
        who = (found.st_mode, found.st_nlink, found.st_uid, found.st_gid)
        size = self._size(found, bits=64)
        await self._stream.write(STAT_V2.pack(request, 0, found.st_dev, found.st_ino, *who, size, *times))

    async def _list(self, request: bytes, name: str) -> None:
        folder = self._root.path(name)
        names = [".", "..", *sorted(path.name for path in folder.iterdir())] if folder and folder.is_dir() else []
        for name in names:
            if folder and (found := _look(folder / name)):
                told = os.fsencode(name)
                entry = ENTRY.pack(b"DENT", found.st_mode, self._size(found), int(found.st_mtime), len(told))
                await self._stream.write(entry + told)
        await self._stream.write(ENTRY.pack(b"DONE", 0, 0, 0, 0))

    async def _receive_file(self, request: bytes, name: str) -> None:
        """Writes as it comes, under the final name: what is cut off leaves a part of a file, as a dead phone does."""
        name, _, mode = name.rpartition(",")
        path = self._root.path(name)
        refused, got = False, 0
        corrupt = self._faults.take("corrupt_push", self._opened)
        with contextlib.ExitStack() as files:
            try:
                file = files.enter_context(self._create(path, int(mode)))
            except OSError as error:
                file, refused = files.enter_context(Path(os.devnull).open("wb")), True
                await self._fail(f"couldn't create file: {error.strerror}")
            while True:
                full = self._faults.find("sync_fail", self._opened)
                if full and got >= full.number and not refused:
                    full.happened()
                    refused = True
                    await self._fail(full.content.decode())
                kind, size = REQUEST.unpack(await self._stream.receive_exactly(REQUEST.size))
                if kind == b"DONE":
                    break
                if kind != b"DATA" or size > CHUNK:
                    raise BadRequestError("invalid data message" if kind != b"DATA" else "oversize data message")
                data = await self._stream.receive_exactly(size)
                self._count(size)
                file.write(flipped(data) if corrupt and not got else data)
                got += size
        if not refused:
            if path and path.exists():
                os.utime(path, (size, size))  # DONE tells the time where DATA tells a size
            await self._stream.write(REQUEST.pack(b"OKAY", 0))
        elif path and path.is_file():
            path.unlink()

    def _create(self, path: Path | None, mode: int) -> BinaryIO:
        if path is None:
            raise PermissionError(errno.EACCES, "Permission denied")
        if self._faults.take("sync_ok_without_writing", self._opened):
            return Path(os.devnull).open("wb")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.unlink(missing_ok=True)
        file = path.open("wb")
        owner = mode & 0o700
        path.chmod(mode & 0o777 | owner >> 3 | owner >> 6)  # adbd gives everybody what the owner may
        return file

    async def _send_file(self, request: bytes, name: str) -> None:
        path = self._root.path(name)
        try:
            if path is None:
                raise PermissionError(errno.EACCES, "Permission denied")
            content = path.read_bytes()
        except OSError as error:
            step = "read" if path and path.is_dir() else "open"
            await self._fail(f"{step} failed: {error.strerror}")
            return
        if self._faults.take("corrupt_pull", self._opened):
            content = flipped(content)
        for start in range(0, len(content), CHUNK):
            piece = content[start : start + CHUNK]
            await self._stream.write(REQUEST.pack(b"DATA", len(piece)) + piece)
        await self._stream.write(REQUEST.pack(b"DONE", 0))

    async def _fail(self, text: str) -> None:
        await self._stream.write(REQUEST.pack(b"FAIL", len(text.encode())) + text.encode())

    def _size(self, found: os.stat_result, *, bits: int = 32) -> int:
        lie = self._faults.take("sync_size", self._opened) if stat.S_ISREG(found.st_mode) else None
        return (lie.number if lie else found.st_size) & ((1 << bits) - 1)


def _look(path: Path | None, *, follow: bool = False) -> os.stat_result | None:
    try:
        return path.stat(follow_symlinks=follow) if path else None
    except OSError:
        return None
