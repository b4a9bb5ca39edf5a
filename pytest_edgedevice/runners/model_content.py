"""What a model holds on this host: one file, or a folder as Core ML's ``.mlpackage`` and ``.mlmodelc``.

A folder is known by its manifest (see PROTOCOL.md): its hash is the manifest's, its size that of all its files.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from pytest_edgedevice.agent.folders import MAX_FILES, Entry, ManifestError, encode_manifest
from pytest_edgedevice.errors import ModelError

SUFFIXES = (".mlpackage", ".mlmodelc")
MARKS = ("Manifest.json", "coremldata.bin")
"""Either is at the top of a Core ML model that has another name."""
OF_THE_FINDER = ".DS_Store"
"""Left in any folder that somebody looked at on a Mac; no part of a model."""


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


def parts_of(folder: Path) -> tuple[Part, ...]:
    """The files of a model folder, by path.

    Raises:
        ModelError: It holds something that is no plain file, or too much.
    """
    try:
        found = tuple(sorted(_walk(folder, folder), key=lambda part: part.path))
    except OSError as error:
        raise ModelError(f"model {str(folder)!r} cannot be read: {error.strerror or error}") from error
    if not found:
        raise ModelError(f"model {str(folder)!r} is a folder without a file in it")
    return found


def _walk(folder: Path, top: Path) -> list[Part]:
    found: list[Part] = []
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                path = Path(entry.path)
                if entry.name == OF_THE_FINDER:
                    continue
                told = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(told.st_mode):
                    waiting.append(path)
                    continue
                if not stat.S_ISREG(told.st_mode):
                    what = "a symbolic link" if stat.S_ISLNK(told.st_mode) else "no regular file"
                    raise ModelError(
                        f"model {str(top)!r} cannot be sent: {path.relative_to(top).as_posix()!r} in it is {what}",
                        hint="put the file itself there",
                    )
                found.append(Part(path.relative_to(top).as_posix(), path, (told.st_size, told.st_mtime_ns)))
        if len(found) + len(waiting) > 2 * MAX_FILES:
            break
    if len(found) > MAX_FILES or waiting:
        raise ModelError(f"model {str(top)!r} has over {MAX_FILES} files or folders, more than a model folder may have")
    return found


def manifest_of(folder: Path, entries: list[Entry]) -> bytes:
    """The manifest of a folder's files.

    Raises:
        ModelError: A file in it has a name that cannot be told to every device.
    """
    try:
        return encode_manifest(entries)
    except ManifestError as error:
        raise ModelError(f"model {str(folder)!r} cannot be sent: {error}") from error


def sha256_of(path: Path) -> str:
    """Identity of a model: its file's hash, or that of its folder's manifest.

    Raises:
        ModelError: A folder that cannot be sent.
        OSError: It cannot be read.
    """
    if not path.is_dir():
        return _file_sha256(path)
    entries = [Entry(part.path, _file_sha256(part.file), part.seen[0]) for part in parts_of(path)]
    return hashlib.sha256(manifest_of(path, entries)).hexdigest()


def size_of(path: Path) -> int:
    """Bytes of a model's file, or of all files of its folder.

    Raises:
        ModelError: A folder that cannot be sent.
        OSError: It cannot be looked at.
    """
    return sum(part.seen[0] for part in parts_of(path)) if path.is_dir() else path.stat().st_size


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
