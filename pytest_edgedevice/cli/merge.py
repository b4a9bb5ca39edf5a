"""``edgedevice merge``: files of records in, one file and reports out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.text import complain, printable
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records import Merged, merge, read_what_is_there, write_lines
from pytest_edgedevice.reports.renderers import parse_report
from pytest_edgedevice.reports.terminal import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records import Record

SCHEMA = 1


def merge_files(files: Sequence[Path], *, output: Path | None, reports: Sequence[str], as_json: bool) -> bool:
    """Join files of records; whether everything in them could be read and agrees.

    Args:
        files: Files of records; one that cannot be read is told, and the others are joined.
        output: Where to write the joined records.
        reports: Reports to write, each ``FORMAT=PATH``.
        as_json: Print one JSON object instead of text.

    Raises:
        UsageError: A report's format is unknown, or not one file can be read.
        EdgeDeviceError: A file cannot be written, or what renders it is not installed.
    """
    asked = [parse_report(text, Path.cwd()) for text in reports]
    found, faults = _read(files)
    merged = merge(found)
    if output is not None:
        write_lines(output, merged.records)
    for report in asked:
        report.write(merged.records)
    written = [str(path) for path in ([output] if output else []) + [report.path for report in asked]]
    if as_json:
        told = {"same": merged.same, "replaced": merged.replaced, "conflicts": merged.conflicts, "faults": faults}
        print(json.dumps({"schema": SCHEMA, "records": len(merged.records), **told, "written": written}))
    else:
        _tell(merged, faults, written)
    return not (faults or merged.conflicts)


def _read(files: Sequence[Path]) -> tuple[list[tuple[str, Sequence[Record]]], list[str]]:
    found: list[tuple[str, Sequence[Record]]] = []
    faults: list[str] = []
    for path in files:
        try:
            lines = read_what_is_there(path)
        except UsageError as error:
            faults.append(str(error))
            continue
        found.append((str(path), lines.records))
        faults += lines.faults
    if not found:
        raise UsageError(faults[0])
    return found, faults


def _tell(merged: Merged, faults: Sequence[str], written: Sequence[str]) -> None:
    for line, _ in table(merged.records, width=shutil.get_terminal_size().columns):
        print(line)
    complain(faults)
    complain(merged.conflicts)
    print(_summary(merged, faults))
    for path in written:
        print(f"written: {printable(path)}")


def _summary(merged: Merged, faults: Sequence[str]) -> str:
    tests = len({record["test"] for record in merged.records})
    parts = [f"{len(merged.records)} records of {tests} test{'s' * (tests != 1)} kept"]
    if merged.same:
        parts.append(f"{merged.same} were there twice")
    if merged.replaced:
        parts.append(f"{merged.replaced} gave way to a later attempt")
    if merged.conflicts:
        parts.append(f"{len(merged.conflicts)} test{'s' * (len(merged.conflicts) != 1)} with records that conflict")
    if faults:
        parts.append(f"{len(faults)} could not be read")
    return "; ".join(parts)
