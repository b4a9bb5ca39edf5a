"""Files to the board: streamed while they are hashed, gone on with where a cut left them, named by what arrived."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from pytest_edgedevice.agent.board import CHUNK_BYTES
from pytest_edgedevice.agent.board.files import SHA256
from pytest_edgedevice.errors import DeviceFullError, TransportError
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.progress import Moved
from pytest_edgedevice.transports.ssh.client import last_words
from pytest_edgedevice.transports.ssh.crowd import Crowd
from pytest_edgedevice.transports.ssh.sending import Sending, hash_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.transports.ssh.connection import Hello
    from pytest_edgedevice.transports.ssh.link import Link

SAMPLE_BYTES = 4096
FULL_HINT = "free space there, or name a folder on a larger disk with 'folder' in edgedevice.toml"


class SshFiles:
    """The files of one session.

    Args:
        link: The connection.
        hello: What the helper said of its folder, of what a cut left there, and of models that stayed.
        where: The board, for messages.
        keep: Whether models may stay there.
    """

    def __init__(self, link: Link, hello: Hello, *, where: str, keep: bool) -> None:
        self._link = link
        self._where = where
        self._folder = hello.folder
        self._stayed = hello.models if keep else frozenset()
        self._keep = keep
        self._parts = [part for part in hello.parts if SHA256.fullmatch(str(part["sha256"]))]
        self._present: dict[str, str] = {}
        self._samples: set[tuple[int, bytes]] = set()

    def push(self, source: Path, *, timeout_s: float, moved: Moved) -> Pushed:
        """Place a file; see ``Transport.push``. How far it is, is counted in ``moved``."""
        deadline = time.monotonic() + timeout_s
        try:
            if not stat.S_ISREG(source.stat().st_mode):  # before it is opened: a pipe would wait for its writer
                raise TransportError(f"cannot push {source}: it is not a file")
            with source.open("rb", buffering=0) as file:
                return self._push(file, source.name, deadline, moved)
        except OSError as error:
            raise TransportError(f"cannot push {source}: {error.strerror}") from error

    def push_all(self, sources: Sequence[Path], *, timeout_s: float, moved: Moved) -> list[Pushed]:
        """Place files; the small ones follow each other without waiting for answers. See ``Transport.push_all``."""
        deadline = time.monotonic() + timeout_s
        crowd = Crowd(self, deadline, moved)
        try:
            for source in sources:
                if not crowd.take(source):
                    crowd.give(self.push(source, timeout_s=max(deadline - time.monotonic(), 0), moved=moved))
            return crowd.end()
        finally:
            crowd.forget()

    def has(self, sha256: str) -> bool:
        """Whether it is there."""
        return sha256 in self._present

    def _push(self, file: BinaryIO, name: str, deadline: float, moved: Moved) -> Pushed:
        size = os.fstat(file.fileno()).st_size
        if size <= CHUNK_BYTES:
            content = file.read(CHUNK_BYTES + 1)
            if len(content) <= CHUNK_BYTES:
                sha256 = hashlib.sha256(content).hexdigest()
                if sha256 in self._present or self._is_there_still(sha256, len(content), deadline):
                    return Pushed(sha256, len(content), 0)
                return Sending(self, file, name, len(content), deadline=deadline, moved=moved).run_whole(
                    content, sha256, keep=self._keep
                )
        sample = _sample(size, lambda at, count: os.pread(file.fileno(), count, at))
        if sample in self._samples or size in self._stayed:  # only then can an equal one be there
            file.seek(0)
            sha256 = hash_of(file, size, deadline).hexdigest()
            if sha256 in self._present or self._is_there_still(sha256, size, deadline):
                return Pushed(sha256, size, 0)
        pushed = Sending(self, file, name, size, deadline=deadline, moved=moved).run(
            self._part_of(file, size, deadline), keep=self._keep
        )
        self._samples.add(sample)
        return pushed

    def _is_there_still(self, sha256: str, size: int, deadline: float) -> bool:
        """Whether the board has kept a model since an earlier session; it is in this session's folder then."""
        if size not in self._stayed:
            return False
        return Sending(self, io.BytesIO(), "", size, deadline=deadline, moved=Moved()).ask_for(sha256)

    def _part_of(self, file: BinaryIO, size: int, deadline: float) -> str:
        """The hash of what the board has of this very file; empty when it has nothing of it."""
        for part in self._parts:
            if part["size"] == size and 0 < int(part["have"]) <= size:
                file.seek(0)
                if hash_of(file, int(part["have"]), deadline).hexdigest() == part["sha256"]:
                    self._parts.remove(part)
                    return str(part["sha256"])
        return ""

    def place(self, content: bytes, *, timeout_s: float, moved: Moved) -> str:
        """Put bytes there; see ``Transport.place``."""
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 not in self._present:
            sending = Sending(self, io.BytesIO(), "", len(content), deadline=time.monotonic() + timeout_s, moved=moved)
            if len(content) <= CHUNK_BYTES:
                sending.run_whole(content, sha256)
            else:
                sending.run_bytes(content, sha256)
                self._samples.add(_sample(len(content), lambda at, count: content[at : at + count]))
        return self._present[sha256]

    @property
    def link(self) -> Link:
        """The connection."""
        return self._link

    def stored(self, sha256: str, path: str) -> None:
        """Remember what is there.

        Raises:
            TransportError: It is not where it was to be.
        """
        if path != f"{self._folder}/{sha256}":
            raise TransportError(f"{self._where}: the board says that it stored a file elsewhere: {path!r:.200}")
        self._present[sha256] = path

    def refusal(self, header: Mapping[str, Any]) -> TransportError:
        """The error for what the helper says about a file."""
        message = " ".join(last_words(str(header.get("message"))))
        if header.get("kind") == "full":
            return DeviceFullError(f"{self._where}: no space left on the device: {message}", hint=FULL_HINT)
        return TransportError(f"{self._where}: the file could not be stored: {message}")


def _sample(size: int, read: Callable[[int, int], bytes]) -> tuple[int, bytes]:
    """What equal files have in common for sure, and different ones hardly ever: cheaper than a hash of all of it."""
    return size, b"".join(read(size * part // 8, SAMPLE_BYTES) for part in range(8))
