"""One file on its way to the board: in one frame, or in as many as it needs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from pytest_edgedevice.agent.board import CHUNK_BYTES, WINDOW_BYTES
from pytest_edgedevice.agent.board.hashing import Hashing
from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.ssh.outgoing import FilePiece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_edgedevice.transports.progress import Moved
    from pytest_edgedevice.transports.ssh.files import SshFiles


class Sending:
    """One file on its way.

    Args:
        files: The files of the session.
        file: Where its bytes are, unless they are in memory.
        name: For messages.
        size: All of it, bytes.
        deadline: On the monotonic clock.
        moved: Counts what has gone.
    """

    def __init__(self, files: SshFiles, file: BinaryIO, name: str, size: int, *, deadline: float, moved: Moved) -> None:
        self._files = files
        self._link = files.link
        self._file = file
        self._name = name
        self._size = size
        self._deadline = deadline
        self._moved = moved
        self._have: int | None = None
        self._room = WINDOW_BYTES
        self._path: str | None = None
        self._absent = False
        self._sha256 = ""
        self._failed: Mapping[str, Any] | None = None
        self._number = self._link.number()

    def _hear(self, header: dict[str, Any], _payload: memoryview) -> None:
        operation = header["op"]
        if operation == "ready":
            self._have = int(header["have"])
        elif operation == "took":
            self._room += int(header["bytes"])
            if self._room > WINDOW_BYTES:
                raise ValueError("it took more than it was given")
        elif operation == "stored":
            self._path = str(header["path"])
        elif operation == "absent":
            self._absent = True
        elif operation == "failed":
            self._failed = header
        else:
            raise ValueError("unknown operation")

    def ask_for(self, sha256: str) -> bool:
        """Whether the board has it from an earlier session."""
        with self._in_time():
            self._link.send({"op": "have", "id": self._number, "sha256": sha256}, deadline=self._deadline)
            self._until(lambda: self._path is not None or self._absent)
        if self._path is not None:
            self._files.stored(sha256, self._path)
        return self._path is not None

    def run_whole(self, content: bytes, sha256: str, *, keep: bool = False) -> Pushed:
        """All of it in one frame, and one answer."""
        with self._in_time():
            self.begin_whole(content, sha256, keep=keep)
            return self.end_whole()

    def begin_whole(self, content: bytes, sha256: str, *, keep: bool = False) -> None:
        """Send all of it in one frame; ``end_whole`` waits for the answer, or ``forget`` gives it up."""
        self._link.handlers[self._number] = self._hear
        self._sha256 = sha256
        request = {"op": "store", "id": self._number, "sha256": sha256, "keep": keep}
        self._link.send(request, [content], deadline=self._deadline)
        self._moved.sent_bytes += len(content)

    def end_whole(self) -> Pushed:
        """The answer to ``begin_whole``."""
        self._until(lambda: self._path is not None)
        assert self._path is not None
        self._files.stored(self._sha256, self._path)
        self.forget()
        return Pushed(self._sha256, self._size, self._size)

    def forget(self) -> None:
        """Listen no more."""
        self._link.handlers.pop(self._number, None)

    def run(self, part: str, *, keep: bool = False) -> Pushed:
        """As many frames as it needs, behind what a cut left."""
        with self._in_time():
            request = {"op": "put", "id": self._number, "size": self._size, "resume": part}
            self._link.send(request, deadline=self._deadline)
            digest = hashlib.sha256()
            if part:
                self._until(lambda: self._have is not None)
                self._file.seek(0)
                digest = hash_of(self._file, self._have or 0, self._deadline)
            hashing = Hashing(self._file.fileno(), digest, start=self._have or 0)
            try:
                sent = self._stream(hashing)
            finally:
                hashing.end()
            if os.fstat(self._file.fileno()).st_size != self._size:
                raise TransportError(f"cannot push {self._name!r}: it changed while it was sent")
            return self._commit(hashing.hexdigest(), sent, keep=keep)

    def run_bytes(self, content: bytes, sha256: str) -> Pushed:
        """Bytes that are in memory already, in as many frames as they need."""
        with self._in_time():
            self._link.send({"op": "put", "id": self._number, "size": self._size}, deadline=self._deadline)
            view = memoryview(content)
            for start in range(0, self._size, CHUNK_BYTES):
                piece = view[start : start + CHUNK_BYTES]
                self._make_room(len(piece))
                self._link.send({"op": "in", "id": self._number}, [piece], deadline=self._deadline)
                self._moved.sent_bytes += len(piece)
            return self._commit(sha256, self._size)

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """Listen while it is on its way, and have it removed if that fails."""
        self._link.handlers[self._number] = self._hear
        try:
            yield
        except DeadlineError:
            self._drop()
            raise DeadlineError(
                f"sending {self._name or 'bytes'!r} ({self._size} bytes) did not end in time",
                hint="raise --edge-timeout for a slow connection",
            ) from None
        except BaseException:
            self._drop()
            raise
        finally:
            self.forget()

    def _stream(self, hashing: Hashing) -> int:
        """Send what the file holds from here on, hashed beside it; how much that was."""
        start = at = self._have or 0
        self._moved.sent_bytes += start
        while self._failed is None and at < self._size:
            count = min(CHUNK_BYTES, self._size - at)
            self._make_room(count)
            piece = FilePiece(self._file.fileno(), at, count)
            self._link.send_piece({"op": "in", "id": self._number}, piece, deadline=self._deadline)
            at += count
            self._moved.sent_bytes += count
            hashing.reach(at)
        return at - start

    def _make_room(self, count: int) -> None:
        """Wait until the board has taken so much that this may be sent too."""
        if self._room < count:
            self._until(lambda: self._room >= count)
        self._room -= count

    def _commit(self, sha256: str, sent: int, *, keep: bool = False) -> Pushed:
        if self._failed is None:
            request = {"op": "commit", "id": self._number, "sha256": sha256, "keep": keep}
            self._link.send(request, deadline=self._deadline)
        self._until(lambda: self._path is not None)
        assert self._path is not None
        self._files.stored(sha256, self._path)
        return Pushed(sha256, self._size, sent)

    def _until(self, ready: Callable[[], bool]) -> None:
        self._link.wait(lambda: ready() or self._failed is not None, deadline=self._deadline)
        if self._failed is not None:
            raise self._files.refusal(self._failed)

    def _drop(self) -> None:
        """Have what was sent removed; where that cannot be said, the connection is gone."""
        try:
            self._link.send({"op": "drop", "id": self._number}, deadline=time.monotonic() + 1)
        except (TransportError, DeadlineError):
            return


def hash_of(file: BinaryIO, most: int, deadline: float) -> Any:
    """Hash the first ``most`` bytes; the file stands behind them."""
    digest = hashlib.sha256()
    buffer = bytearray(CHUNK_BYTES)
    left = most
    while left and (count := file.readinto(memoryview(buffer)[: min(left, CHUNK_BYTES)])):  # type: ignore[attr-defined]
        digest.update(memoryview(buffer)[:count])
        left -= count
        if time.monotonic() > deadline:
            raise DeadlineError("reading the file did not end in time")
    return digest
