"""Records as JSON lines: written whole or not at all, read with suspicion."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.records.record import SCHEMA, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

DEVICES = frozenset({Path("/dev"), Path("/proc")})
"""Below these even a regular file is somebody's open stream."""


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Replace a file by records, one line each; an existing file stays as it was if that fails.

    What is no regular file, such as ``/dev/stdout`` or a pipe, is written to and not replaced.

    Raises:
        InfraError: The file cannot be written.
    """
    text = "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)
    try:
        if DEVICES.intersection(path.parents) or (path.exists() and not path.is_file()):
            with path.open("a", encoding="utf-8") as stream:
                stream.write(text)
        else:
            _replace(Path(os.path.realpath(path)), text)  # the file that a link names, not the link
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InfraError(
            f"cannot write the report {str(path)!r}: {reason}", hint="name a file in a folder that you may write to"
        ) from error


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{path.parent} is not a folder") from None
    handle, part = tempfile.mkstemp(prefix=".edgedevice-", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        _share(Path(part))
        Path(part).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(part).unlink()
        raise


def read_lines(path: Path) -> list[Record]:
    """Read records back.

    Raises:
        UsageError: The file is missing, or a line is not a record of this schema; which one is said.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read records from {str(path)!r}: {error}") from error
    return [_record(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _record(line: str, where: str) -> Record:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: not JSON: {error}") from error
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else type(record).__name__
        raise UsageError(f"{where}: not a record of schema {SCHEMA}, but {str(found)[:40]}")
    for key, kind in (
        ("test", str),
        ("check", str),
        ("verdict", str),
        ("message", str),
        ("numbers", dict),
        ("device", dict),
    ):
        if not isinstance(record.get(key), kind):
            raise UsageError(f"{where}: {key!r} is missing or not a {kind.__name__}")
    return record


def _share(path: Path) -> None:
    """Give the file the mode that a plain ``open`` would have given it."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
