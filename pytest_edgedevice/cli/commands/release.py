"""``edgedevice release``."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_config, add_json, add_name, add_wait

if TYPE_CHECKING:
    import argparse

SENTENCE = "end a quarantine, or ask your process that holds the device"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add_name(parser)
    add_config(parser)
    add_json(parser)
    parser.add_argument("--yes", action="store_true", help="ask the holder to end without asking you first")
    add_wait(parser, "how long the holder may take to end")


def run(options: argparse.Namespace) -> int:
    """Ask for it."""
    from pytest_edgedevice.cli.release import release
    from pytest_edgedevice.cli.said import said_as_json

    asked = partial(release, options.name, options.config, yes=options.yes, wait_s=options.wait)
    return FINE if said_as_json(asked, as_json=options.json) else WRONG
