"""NPZ files with a JSON description inside: written whole or not at all, read with suspicion and without pickle.

The description is the member ``description``, UTF-8 octets; so one file can be sent to a
colleague, and ``bytes(numpy.load(FILE)["description"])`` shows what it holds.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import stat
import struct
import zipfile
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.replay.parts import Part

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from pytest_edgedevice.values import Array

DESCRIPTION = "description"
ENDING = ".npy"
MOST_DESCRIPTION_BYTES = 1 << 28
MOST_BYTES = 1 << 36
MOST_MEMBERS = 1_000_000
BROKEN = (OSError, ValueError, ArithmeticError, EOFError, struct.error, zipfile.BadZipFile, RuntimeError)
"""What reading a broken file raises, ``NotImplementedError`` among them."""
KINDS = "fiubc"
"""Kinds of dtype that are numbers: what else numpy can store is not ours."""


class ArchiveWriter:
    """Writes arrays one after another, and replaces the file when it ends well; nothing half-written stays.

    Args:
        path: The file. Its folder is made.

    Raises:
        InfraError: It cannot be written; so do ``add`` and ``finish``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        with self._telling():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part = Part(path.parent)
            self._zip = zipfile.ZipFile(self._part.file, "w", zipfile.ZIP_STORED, allowZip64=True)

    def add(self, name: str, array: Array) -> None:
        """One more array."""
        with self._telling(), self._zip.open(name + ENDING, "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
        self.size_bytes += array.nbytes

    def finish(self, description: dict[str, Any]) -> None:
        """Write the description, and put the file in its place."""
        text = json.dumps(description, allow_nan=False)
        self.add(DESCRIPTION, np.frombuffer(text.encode("utf-8"), np.uint8))
        with self._telling():
            self._zip.close()
            self._part.file.close()
            mask = os.umask(0)
            os.umask(mask)
            self._part.path.chmod(0o666 & ~mask)
            self._part.path.replace(self.path)
            self._part.close()

    def abandon(self) -> None:
        """Leave nothing behind; without effect after ``finish``."""
        with contextlib.suppress(OSError, ValueError):
            self._zip.close()
        with contextlib.suppress(OSError):
            self._part.path.unlink()
        self._part.close()

    @contextlib.contextmanager
    def _telling(self) -> Any:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            hint = "name a file in a folder that you may write to and that has room"
            raise InfraError(f"cannot write {str(self.path)!r}: {reason}", hint=hint) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()


class Archive:
    """A file that ``ArchiveWriter`` has written, or claims to be one; arrays are read when they are asked for.

    Args:
        path: The file.
        kind: What the description's ``kind`` must be.

    Attributes:
        description: The description.

    Raises:
        UsageError: It is none; the message says why.
    """

    def __init__(self, path: Path, *, kind: str) -> None:
        self._path = path
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for, a device never ends
                raise self._wrong("it is no file")
            self._zip = zipfile.ZipFile(path)
        except BROKEN as error:
            raise self._wrong(getattr(error, "strerror", None) or error) from error
        try:
            self._sizes = self._members()
            self.description = self._described(kind)
        except BaseException:
            self._zip.close()
            raise

    def _members(self) -> dict[str, int]:
        members = self._zip.infolist()
        if sum(one.file_size for one in members) > MOST_BYTES:
            raise self._wrong(f"it is larger than {MOST_BYTES >> 30} GiB")
        if sum(one.file_size for one in members) > self._path.stat().st_size:
            raise self._wrong("its members overlap")
        if len(members) > MOST_MEMBERS:
            raise self._wrong(f"it has {len(members)} members")
        for one in members:
            if one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size:
                raise self._wrong("a member is compressed, which ours never are")
        return {one.filename: one.file_size for one in members}

    def _described(self, kind: str) -> dict[str, Any]:
        octets = self.array(DESCRIPTION, most_bytes=MOST_DESCRIPTION_BYTES)
        if octets.dtype != np.uint8 or octets.ndim != 1:
            raise self._wrong("its description is no text")
        try:
            found = json.loads(octets.tobytes().decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"its description is no JSON: {error}") from error
        if not isinstance(found, dict) or found.get("kind") != kind or found.get("schema") != 1:
            raise self._wrong(f"its description is not of {kind!r}, schema 1")
        return found

    def array(self, name: Any, *, most_bytes: int = MOST_BYTES) -> Array:
        """One array.

        Raises:
            UsageError: There is none of that name, or it is broken.
        """
        if not isinstance(name, str) or name + ENDING not in self._sizes:
            raise self._wrong(f"it has no array {str(name)[:80]!r}")
        if self._sizes[name + ENDING] > most_bytes:
            raise self._wrong(f"its {name!r} is too large")
        try:
            with self._zip.open(name + ENDING) as member:
                return _read(member)
        except BROKEN as error:
            raise self._wrong(f"its {name!r} cannot be read: {error}") from error

    def samples(self, where: str | tuple[str, ...]) -> Array | list[Array]:
        """One array with samples along its first axis; or one array a sample, each another one.

        Raises:
            UsageError: There are none of these names, they are broken, or one array is named again and again.
        """
        if isinstance(where, str):
            found = self.array(where)
            if found.ndim == 0:
                raise self._wrong(f"{where} has no sample axis")
            return found
        if len(set(where)) < len(where):
            raise self._wrong("it gives one array for several samples")
        return [self.array(one) for one in where]

    def _wrong(self, reason: object) -> UsageError:
        return UsageError(f"{str(self._path)!r} cannot be read: {reason}", hint="write it again")

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(member: IO[bytes]) -> Array:
    """An array of numbers whose header and size agree; numpy's own reader would reserve what the header says."""
    version = np.lib.format.read_magic(member)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, in_columns, dtype = reader(member)
    if dtype.kind not in KINDS:
        raise ValueError(f"it holds {dtype}, which are no numbers")
    octets = member.read()
    if len(octets) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"it has {len(octets)} bytes for {shape} of {dtype}")
    found: Array = np.frombuffer(octets, dtype)
    return found.reshape(shape, order="F" if in_columns else "C")
