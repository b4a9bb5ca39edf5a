"""Files of the host that go to a device: opened without waiting, sent, and hashed behind that."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.placing import hash_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_BYTES = 1 << 20
SMALL_BYTES = 4 << 20
"""Largest file whose hash is taken before it is sent; of larger ones, behind that."""


class Reading:
    """A large file on its way: read once to be sent, and once more behind that to be hashed.

    Hashing beside the transfer would hold it up wherever cores are busy.

    Args:
        file: Open for reading; not owned.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._name = file.name
        self._before = os.fstat(file.fileno())

    def pieces(self) -> Iterator[memoryview]:
        """Its content; each piece is valid until the next one.

        Raises:
            TransportError: It was written to meanwhile.
        """
        buffer = memoryview(bytearray(READ_BYTES))
        sent = 0
        while count := self._file.readinto(buffer):  # type: ignore[attr-defined]
            sent += count
            yield buffer[:count]
        if self.has_changed(self._file) or sent != self._before.st_size:
            raise TransportError(
                f"cannot push {self._name}: it changed meanwhile, from {self._before.st_size} bytes to {sent}",
                hint="push it when whatever writes it has ended",
            )

    def kept_open(self) -> BinaryIO:
        """The same file for whoever hashes it later, whatever becomes of its name."""
        return os.fdopen(os.dup(self._file.fileno()), "rb", buffering=0)

    def sha256(self, file: BinaryIO, deadline: float) -> str:
        """Of what was sent; empty when the file has changed since, so that this cannot be told any more.

        Raises:
            DeadlineError: It took too long.
            OSError: It cannot be read.
        """
        file.seek(0)
        found = hash_of(file, deadline)
        return "" if self.has_changed(file) else found

    def has_changed(self, file: BinaryIO) -> bool:
        """Whether it was written to since."""
        after = os.fstat(file.fileno())
        return (self._before.st_size, self._before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


@contextlib.contextmanager
def opened(source: Path) -> Iterator[BinaryIO]:
    """Open a file to push.

    Raises:
        TransportError: It is none, or cannot be read.
    """
    try:
        if not stat.S_ISREG(source.stat().st_mode):  # before it is opened: a pipe would wait for its writer
            raise TransportError(f"cannot push {source}: it is not a file")
        with source.open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise TransportError(f"cannot push {source}: {error.strerror}") from error


def read_small(file: BinaryIO, source: Path) -> bytes:
    """All of a small file.

    Raises:
        TransportError: It is not small any more.
    """
    content = b"".join(iter(lambda: file.read(SMALL_BYTES + 1), b""))
    if len(content) > SMALL_BYTES:
        raise TransportError(f"cannot push {source}: it grew meanwhile", hint="push it when its writer has ended")
    return content


def pieces_of(content: bytes) -> Iterator[memoryview]:
    """Bytes in pieces, as of a file."""
    view = memoryview(content)
    for start in range(0, len(view), READ_BYTES):
        yield view[start : start + READ_BYTES]
