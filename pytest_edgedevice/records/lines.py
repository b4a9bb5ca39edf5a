"""Records as JSON lines: written whole or not at all, read with suspicion."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records.shape import record_of
from pytest_edgedevice.records.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pytest_edgedevice.records.record import Record

MOST_BYTES = 1 << 29
MOST_LINE_BYTES = 16 << 20
"""A million timed runs, packed, are 3 MB of it."""
MOST_FAULTS = 1000
"""A crash tears one line of a file; one with more than this is none of records."""
MOST_BLANKS = 1_000_000
"""Nothing that writes records leaves blank lines; to look at 500 MiB of them would take minutes."""
_encoded = json.JSONEncoder(allow_nan=False, check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file held.

    Attributes:
        records: In the file's order.
        faults: A sentence for each line that is no record, with file and line.
    """

    records: tuple[Record, ...]
    faults: tuple[str, ...]


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Replace a file by records, one line each; see ``write_text``.

    Raises:
        InfraError: The file cannot be written.
    """
    write_text(path, "".join(map(line_of, records)))


def line_of(record: Record) -> str:
    """A record as one line of JSON, with its end."""
    return _encoded(record) + "\n"


def read_lines(path: Path) -> list[Record]:
    """Read records back, every one of them.

    Raises:
        UsageError: The file is missing or too large, or a line is not a record of this schema; which one is said.
    """
    found = read_what_is_there(path)
    if found.faults:
        raise UsageError(found.faults[0])
    return list(found.records)


def read_what_is_there(path: Path) -> Lines:
    """Read the records of a file, and tell which lines are none: the last one may be torn, others foreign.

    Raises:
        UsageError: The file is missing, no file, too large, or more than ``MOST_FAULTS`` of its lines are no records.
    """
    records: list[Record] = []
    faults: list[str] = []
    blanks = 0
    try:
        with open(path, "rb", opener=without_waiting) as file:
            for number, line in enumerate(_lines(file, path), start=1):
                if line.isspace():
                    blanks += 1
                    if blanks > MOST_BLANKS:
                        raise UsageError(
                            f"{str(path)!r} is no file of records: more than {MOST_BLANKS:,} of its lines are blank"
                        )
                    continue
                fault = _read(line, records)
                if fault:
                    faults.append(f"{path}:{number}: {fault}")
                if len(faults) > MOST_FAULTS:
                    most = f"more than {MOST_FAULTS} of its lines are none, such as"
                    raise UsageError(f"{str(path)!r} is no file of records: {most} {faults[0]}")
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read records from {str(path)!r}: {reason}") from error
    return Lines(tuple(records), tuple(faults))


def without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe would wait for its writer, and is read where it is given on purpose, as ``<(...)``."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(descriptor).st_mode) or path.startswith("/dev/"):
        os.set_blocking(descriptor, True)
        return descriptor
    os.close(descriptor)
    raise OSError(None, "it is no regular file")


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Lines with their ends; of one that is too long only its beginning."""
    _bound(os.fstat(file.fileno()).st_size, path)  # which is nothing for a pipe
    read, line = 0, b""
    while part := file.readline(MOST_LINE_BYTES + 1):
        read += len(part)
        _bound(read, path)
        line = line or part
        if part.endswith(b"\n") or len(part) <= MOST_LINE_BYTES:
            yield line
            line = b""
    if line:
        yield line


def _bound(size: int, path: Path) -> None:
    if size > MOST_BYTES:
        raise UsageError(f"{str(path)!r} is larger than {MOST_BYTES >> 20} MiB, too large for records")


def _read(line: bytes, records: list[Record]) -> str:
    """Why a line is no record; empty where it was one."""
    if len(line.rstrip(b"\n")) > MOST_LINE_BYTES:
        return f"longer than {MOST_LINE_BYTES >> 20} MiB, too long for a record"
    try:
        records.append(record_of(line.decode("utf-8")))
    except UnicodeDecodeError as error:
        return f"not text in UTF-8: {error.reason} at byte {error.start}"
    except ValueError as error:
        return str(error) + ("" if line.endswith(b"\n") else "; the line is cut off")
    return ""
