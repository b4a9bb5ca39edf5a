"""``edgedevice merge``: files of records in, one file and reports out."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.text import complain, printable, printable_lines
from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.records import Merged, merge, read_what_is_there
from pytest_edgedevice.reports.renderers import Report, parse_report, refuse_one_place_for_two
from pytest_edgedevice.reports.telling_apart import told_apart
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
        UsageError: A report's format is unknown, two files to write are one, or not one file can be read.
        MissingExtraError: What renders a report is not installed.
    """
    asked = [parse_report(text, Path.cwd()) for text in reports]
    if output is not None:
        asked.insert(0, Report("json", output))
    refuse_one_place_for_two(asked)
    found, faults = _read(files)
    merged = merge(found)
    shown = told_apart(merged.records)
    written, refused = _write(asked, merged.records, shown)
    if as_json:
        told = {"same": merged.same, "replaced": merged.replaced, "conflicts": merged.conflicts, "faults": faults}
        print(json.dumps({"schema": SCHEMA, "records": len(merged.records), **told, "written": written}))
    else:
        _tell(merged, shown, faults, written)
    for sentence in refused:
        print(f"edgedevice: {printable_lines(sentence)}", file=sys.stderr)
    return not (faults or merged.conflicts or refused)


def _write(asked: Sequence[Report], records: Sequence[Record], shown: Sequence[Record]) -> tuple[list[str], list[str]]:
    """The files that were written, and a sentence for each that was not; records stay as they are in files of them."""
    written, refused = [], []
    for report in asked:
        try:
            report.write(records if report.name == "json" else shown)
            written.append(str(report.path))
        except InfraError as error:
            refused.append(str(error))
    return written, refused


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


def _tell(merged: Merged, shown: Sequence[Record], faults: Sequence[str], written: Sequence[str]) -> None:
    for line, _ in table(shown, width=shutil.get_terminal_size().columns):
        print(line)
    complain(faults)
    complain(merged.conflicts)
    print(_summary(merged, faults))
    for path in written:
        print(f"written: {printable(path)}")


def _summary(merged: Merged, faults: Sequence[str]) -> str:
    tests = len({record["test"] for record in merged.records})
    count = len(merged.records)
    parts = [f"{count} record{'s' * (count != 1)} of {tests} test{'s' * (tests != 1)} kept"]
    if merged.same:
        parts.append(f"{merged.same} were there twice")
    if merged.replaced:
        parts.append(f"{merged.replaced} gave way to a later attempt")
    if merged.conflicts:
        parts.append(f"{len(merged.conflicts)} test{'s' * (len(merged.conflicts) != 1)} with records that conflict")
    if faults:
        parts.append(f"{len(faults)} could not be read")
    return "; ".join(parts)
