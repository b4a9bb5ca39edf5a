"""``edgedevice setup``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import BOARD, FINE, WRONG, add_config, add_json, add_wait

if TYPE_CHECKING:
    import argparse

SENTENCE = "bring an engine to a board that has no internet, or pair an iPhone"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("board", metavar="BOARD", help=f"{BOARD}; or ios:UDID, to be paired with this host")
    add_config(parser)
    add_json(parser)
    parser.add_argument("--engine", choices=("litert", "tflite"), default="", help="by default what fits the board")
    sentence = "take the wheels from here; by default pip downloads them"
    parser.add_argument("--wheels", metavar="FOLDER", type=Path, help=sentence)
    parser.add_argument("--yes", action="store_true", help="do it without asking you first")
    parser.add_argument("--remove", action="store_true", help="take away what setup brought there")
    add_wait(parser, "how long to wait while somebody else uses the board, or for the phone's owner")


def run(options: argparse.Namespace) -> int:
    """Bring it, or take it away."""
    from pytest_edgedevice.cli.pairing import iphone_named, pair, refuse_engine
    from pytest_edgedevice.cli.said import said_as_json
    from pytest_edgedevice.cli.setup import remove, setup

    if phone := iphone_named(options.board, options.config):
        if options.engine or options.wheels or options.remove:
            refuse_engine(options.board)
        pairing = partial(pair, options.board, phone, wait_s=options.wait)
        return FINE if said_as_json(pairing, as_json=options.json) else WRONG
    wanted = {"engine": options.engine, "wheels": options.wheels, "yes": options.yes, "wait_s": options.wait}
    asked = partial(setup, options.board, options.config, **wanted)
    if options.remove:
        asked = partial(remove, options.board, options.config, wait_s=options.wait)
    return FINE if said_as_json(asked, as_json=options.json) else WRONG
