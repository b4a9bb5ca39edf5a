"""``edgedevice merge``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "join the records of several hosts, shards and attempts, and write reports of them"
DRIVES_DEVICES = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    sentence = (
        "file of --edge-report json=FILE; where a line of it cannot be read, or records conflict, that is told, "
        "everything else is written, and the exit code is 1"
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help=sentence)
    add_json(parser)
    parser.add_argument("--output", metavar="PATH", type=Path, help="write the joined records, one JSON object a line")
    sentence = "write a report, as --edge-report does, e.g. html=report.html; repeat it for several"
    parser.add_argument("--report", metavar="FORMAT=PATH", action="append", default=[], help=sentence)


def run(options: argparse.Namespace) -> int:
    """Join them."""
    from pytest_edgedevice.cli.merge import merge_files

    whole = merge_files(options.files, output=options.output, reports=options.report, as_json=options.json)
    return FINE if whole else WRONG
