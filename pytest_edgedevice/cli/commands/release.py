"""``edgedevice release``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_config, add_name, add_wait

if TYPE_CHECKING:
    import argparse

SENTENCE = "end a quarantine, or ask your process that holds the device"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add_name(parser)
    add_config(parser)
    parser.add_argument("--yes", action="store_true", help="ask the holder to end without asking you first")
    add_wait(parser, "how long the holder may take to end")


def run(options: argparse.Namespace) -> int:
    """Ask for it."""
    from pytest_edgedevice.cli.release import release

    return FINE if release(options.name, options.config, yes=options.yes, wait_s=options.wait) else WRONG
