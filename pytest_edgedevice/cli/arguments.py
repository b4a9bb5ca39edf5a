"""Arguments that several commands have, and their types: light, because every command builds the parser."""

from __future__ import annotations

import argparse
import contextlib
import math
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceBusyError

if TYPE_CHECKING:
    from collections.abc import Iterator

FINE, WRONG, MISUSED = 0, 1, 2
WAIT_S = 30.0
MOST_MS = 1e12
BOARD = "ssh:[user@]host[:port], or a name from edgedevice.toml"
DEVICE = "ssh:[user@]host[:port], adb:SERIAL, ios:UDID, or a name from edgedevice.toml"


def add_json(parser: argparse.ArgumentParser) -> None:
    """``--json``: one object for programs."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def add_config(parser: argparse.ArgumentParser) -> None:
    """``--config``: another device file."""
    sentence = "device file; by default edgedevice.toml here or in a folder above"
    parser.add_argument("--config", metavar="PATH", type=Path, help=sentence)


def add_name(parser: argparse.ArgumentParser) -> None:
    """The name of one device."""
    parser.add_argument("name", metavar="NAME", help=f"local, {DEVICE}")


def add_history(parser: argparse.ArgumentParser) -> None:
    """``--history``: another folder."""
    sentence = "folder of the history; by default .edgedevice here or in a folder above"
    parser.add_argument("--history", metavar="FOLDER", type=Path, help=sentence)


def add_wait(parser: argparse.ArgumentParser, what: str) -> None:
    """``--wait``: how long somebody may keep us waiting."""
    parser.add_argument("--wait", metavar="SECONDS", type=seconds, default=WAIT_S, help=f"{what} ({WAIT_S:g})")


@contextlib.contextmanager
def waiting() -> Iterator[None]:
    """Have whoever waits in vain in this block be told of ``--wait``."""
    try:
        yield
    except DeviceBusyError as error:
        error.name_option("--wait")
        raise


def seconds(text: str) -> float:
    """A number of seconds, 0 or more."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, such as 30")
    return number


def share(text: str) -> float:
    """A number between 0 and 1."""
    number = _number(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1, such as 0.95")
    return number


def bound(text: str) -> float:
    """A tolerance, 0 or more."""
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no tolerance, such as 1e-3")
    return number


def milliseconds(text: str) -> float:
    """A budget."""
    number = _number(text)
    if not 0 < number < MOST_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is no budget in milliseconds, such as 80")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
