"""What a model holds on this host: one file, or a folder as Core ML's ``.mlpackage`` and ``.mlmodelc``.

A folder is known by its manifest (see PROTOCOL.md): its hash is the manifest's, its size that of all its files.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.folders import MAX_FILES, Entry, ManifestError, encode_manifest
from pytest_edgedevice.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

SUFFIXES = (".mlpackage", ".mlmodelc")
MARKS = ("Manifest.json", "coremldata.bin")
"""Either is at the top of a Core ML model that has another name."""
OF_THE_FINDER = ".DS_Store"
"""Left in any folder that somebody looked at on a Mac; no part of a model."""
MOST_FOUND = 2 * MAX_FILES
"""Files and folders that are looked at before that is too much."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a model folder as it was found.

    Attributes:
        path: Below the folder, as a manifest names it.
        file: Where it is.
        seen: Size and time of its last change, to tell whether it changed.
    """

    path: str
    file: Path
    seen: tuple[int, int]


def is_model_folder(path: Path) -> bool:
    """Whether a path is a folder that some engine takes for a model."""
    if not path.is_dir():
        return False
    return path.suffix.lower() in SUFFIXES or any((path / mark).is_file() for mark in MARKS)


def is_model(path: Path) -> bool:
    """Whether there is a file, or a folder that is a model; what no path can be is none."""
    try:
        return path.is_file() or is_model_folder(path)
    except (OSError, ValueError):  # longer than any file's name, or with a NUL in it
        return False


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder as it was found.

    Attributes:
        path: Where it is.
        parts: Its files, by path.
        empty: The folders in it that hold nothing, which Core ML misses where they are not there.
    """

    path: Path
    parts: tuple[Part, ...]
    empty: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(part.seen[0] for part in self.parts)

    def manifest(self, known: Sequence[tuple[str, int]]) -> bytes:
        """Its manifest.

        Args:
            known: Hash and size of each part, as they were read.

        Raises:
            ModelError: Something in it has a name that cannot be told to every device.
        """
        entries = [Entry(part.path, *told) for part, told in zip(self.parts, known, strict=True)]
        try:
            return encode_manifest(entries, self.empty)
        except ManifestError as error:
            raise ModelError(f"model {str(self.path)!r} cannot be sent: {error}") from error


def look_into(folder: Path) -> ModelFolder:
    """What a model folder holds.

    Raises:
        ModelError: It holds something that is no plain file, or too much.
    """
    parts: list[Part] = []
    empty: list[str] = []
    waiting = [folder]
    try:
        while waiting and len(parts) + len(empty) + len(waiting) <= MOST_FOUND:
            here = waiting.pop()
            files, folders = _look(here, folder)
            parts += files
            waiting += folders
            if not files and not folders:
                empty.append(here.relative_to(folder).as_posix())
    except OSError as error:
        raise ModelError(f"model {str(folder)!r} cannot be read: {error.strerror or error}") from error
    if waiting or len(parts) + len(empty) > MAX_FILES:
        raise ModelError(f"model {str(folder)!r} has over {MAX_FILES} files or folders, more than a model may have")
    if not parts:
        raise ModelError(f"model {str(folder)!r} is a folder without a file in it")
    return ModelFolder(folder, tuple(sorted(parts, key=lambda part: part.path)), tuple(sorted(empty)))


def _look(folder: Path, top: Path) -> tuple[list[Part], list[Path]]:
    """Files and folders in one folder."""
    files, folders = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            told = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(told.st_mode):
                folders.append(path)
            elif not stat.S_ISREG(told.st_mode):
                what = "a symbolic link" if stat.S_ISLNK(told.st_mode) else "no regular file"
                raise ModelError(
                    f"model {str(top)!r} cannot be sent: {path.relative_to(top).as_posix()!r} in it is {what}",
                    hint="put the file itself there",
                )
            elif entry.name != OF_THE_FINDER:
                files.append(Part(path.relative_to(top).as_posix(), path, (told.st_size, told.st_mtime_ns)))
    return files, folders


def sha256_of(path: Path) -> str:
    """Identity of a model: its file's hash, or that of its folder's manifest.

    Raises:
        ModelError: A folder that cannot be sent.
        OSError: It cannot be read.
    """
    if not path.is_dir():
        return _file_sha256(path)
    found = look_into(path)
    known = [(_file_sha256(part.file), part.seen[0]) for part in found.parts]
    return hashlib.sha256(found.manifest(known)).hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a model's file, or of all files of its folder.

    Raises:
        ModelError: A folder that cannot be sent.
        OSError: It cannot be looked at.
    """
    return look_into(path).size_bytes if path.is_dir() else path.stat().st_size


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
