"""``edgedevice init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, add_json, add_wait

if TYPE_CHECKING:
    import argparse

SENTENCE = "write a first test, its golden set and a device file into this folder; they pass with pytest at once"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    sentence = "your .tflite file; without it a small classifier of digits, which comes with this package"
    parser.add_argument("model", metavar="MODEL", nargs="?", type=Path, help=sentence)
    add_json(parser)
    add_wait(parser, "how long somebody else may keep this machine")


def run(options: argparse.Namespace) -> int:
    """Write them."""
    from pytest_edgedevice.cli.init import init

    init(options.model, Path.cwd(), wait_s=options.wait, as_json=options.json)
    return FINE
