"""Records as JSON lines: written whole or not at all, read with suspicion."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records.record import SCHEMA, Record
from pytest_edgedevice.records.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST_BYTES = 1 << 29


def write_lines(path: Path, records: Iterable[Record]) -> None:
    """Replace a file by records, one line each; see ``write_text``.

    Raises:
        InfraError: The file cannot be written.
    """
    write_text(path, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records))


def read_lines(path: Path) -> list[Record]:
    """Read records back.

    Raises:
        UsageError: The file is missing or too large, or a line is not a record of this schema; which one is said.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        lines = content.decode("utf-8").split("\n") if len(content) <= MOST_BYTES else []
    except (OSError, ValueError) as error:  # ValueError: no text, or a name that no file can have
        raise UsageError(f"cannot read records from {str(path)!r}: {error}") from error
    if len(content) > MOST_BYTES:
        raise UsageError(f"{str(path)!r} is larger than {MOST_BYTES >> 20} MiB, too large for records")
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
