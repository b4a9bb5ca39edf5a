"""``edgedevice doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import DEVICE, FINE, WRONG, add_config, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "check what device tests need on this host, a board or a phone, and name the remedies"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("board", metavar="DEVICE", nargs="?", default="", help=f"look at it instead: {DEVICE}")
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Look, and print what was found."""
    from pytest_edgedevice.cli.doctor import doctor

    return WRONG if doctor(options.config, as_json=options.json, board=options.board) else FINE
