"""``edgedevice replay``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_json, bound

if TYPE_CHECKING:
    import argparse

SENTENCE = "compare both sides of a kept check again, by the same or other tolerances"
DRIVES_DEVICES = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("file", metavar="FILE", type=Path, help="file of --edge-keep, as the end of the run names it")
    parser.add_argument("--atol", metavar="BOUND", type=bound, help="absolute tolerance; by default the check's")
    parser.add_argument("--rtol", metavar="SHARE", type=bound, help="relative tolerance; by default the check's")
    parser.add_argument("--output", metavar="NAME", action="append", help="compare this output only; may be repeated")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Compare them."""
    from pytest_edgedevice.cli.replaying import replay

    given = {"atol": options.atol, "rtol": options.rtol, "outputs": options.output}
    changes = {name: value for name, value in given.items() if value is not None}
    return FINE if replay(options.file, changes, as_json=options.json) else WRONG
