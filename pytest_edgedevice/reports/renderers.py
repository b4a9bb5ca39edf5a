"""The table of renderers: what ``--edge-report NAME=PATH`` and ``edgedevice merge --report NAME=PATH`` can write.

A renderer is a pure function of records that writes one file whole or not at all;
``github`` adds to one that other steps of a job write to.
The names are looked up at start, so each one's work is imported when it is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_edgedevice.records import Record

Renderer = Callable[[Sequence["Record"], Path], None]


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was asked for.

    Attributes:
        name: Of its renderer.
        path: Of the file to write.
    """

    name: str
    path: Path

    def write(self, records: Sequence[Record]) -> None:
        """Write it.

        Raises:
            EdgeDeviceError: The file cannot be written, or what renders it is not installed.
        """
        RENDERERS[self.name](records, self.path)


def parse_report(text: str, base: Path) -> Report:
    """Understand ``NAME=PATH``.

    Args:
        text: As it was written on a command line or in an ini file.
        base: Folder that the path is relative to.

    Raises:
        UsageError: The name is unknown, the path is missing or a folder, or what renders it is not installed.
    """
    from pytest_edgedevice.errors import UsageError

    name, equals, place = (part.strip() for part in text.partition("="))
    if name not in RENDERERS or not equals or not place:
        known = ", ".join(f"{known}=PATH" for known in RENDERERS)
        raise UsageError(f"{text!r} is not FORMAT=PATH with a known format; there is: {known}")
    path = base / place
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder; name a file, e.g. {name}={place}/edge.{name}")
    if name == "html":
        from pytest_edgedevice.reports.html import check_installed

        check_installed()
    return Report(name, path)


def refuse_one_place_for_two(reports: Sequence[Report]) -> None:
    """The last one would take the place of the others; only a job's summary, or a terminal, takes several.

    Raises:
        UsageError: Two would be written to one file.
    """
    from pytest_edgedevice.errors import UsageError

    places = [os.path.realpath(report.path) for report in reports if report.name != "github"]
    twice = [place for place in places if places.count(place) > 1 and not place.startswith(("/dev/", "/proc/"))]
    if twice:
        raise UsageError(f"two reports would be written to {twice[0]!r}", hint="name a file for each")


def _json(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.records.lines import write_lines

    write_lines(path, records)


def _junit(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.reports.junit import write_junit

    write_junit(records, path)


def _html(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.reports.html import write

    write(records, path)


def _csv(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.reports.csv_file import write_csv

    write_csv(records, path)


def _benchmark_json(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.reports.benchmark_json import write_benchmark_json

    write_benchmark_json(records, path)


def _bencher(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.reports.bencher import write_bencher

    write_bencher(records, path)


def _github(records: Sequence[Record], path: Path) -> None:
    from pytest_edgedevice.reports.github import append_summary

    append_summary(records, path)


RENDERERS: Mapping[str, Renderer] = {
    "json": _json,
    "html": _html,
    "junit": _junit,
    "csv": _csv,
    "pytest-benchmark": _benchmark_json,
    "bencher": _bencher,
    "github": _github,
}
"""By the name that users write."""
