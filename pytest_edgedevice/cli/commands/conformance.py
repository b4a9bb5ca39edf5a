"""``edgedevice conformance``: streams and pipes of POSIX, and so no Windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import add_json, add_wait, seconds

if TYPE_CHECKING:
    import argparse

SENTENCE = "check an agent of your own against the protocol, promise by promise"
DRIVES_DEVICES = True
TIMEOUT_S, LOAD_TIMEOUT_S = 30.0, 300.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    sentence = (
        "HOST:PORT of an agent that listens, ios:UDID:PORT of an app on an iPhone, or after -- a command that is "
        "started anew for every conversation; {folder} in it becomes a new empty folder each time"
    )
    parser.add_argument("agent", metavar="AGENT", nargs="+", help=sentence)
    sentence = "a model that the agent's engine loads, for checks that any model serves, a file or a folder; repeatable"
    parser.add_argument(
        "--model", metavar="FILE", type=Path, action="append", default=[], help=f"{sentence}. Without it ours (.tflite)"
    )
    sentence = "only checks in whose group or name this stands; repeatable"
    parser.add_argument("--only", metavar="TEXT", action="append", default=[], help=sentence)
    for name, default, what in (("--timeout", TIMEOUT_S, "every answer"), ("--load-timeout", LOAD_TIMEOUT_S, "load")):
        sentence = f"deadline of {what} ({default:g})"
        parser.add_argument(name, metavar="SECONDS", type=seconds, default=default, help=sentence)
    add_wait(parser, "how long to wait while somebody else holds the phone")
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Check it."""
    from pytest_edgedevice.cli.conformance import conformance

    return conformance(
        options.agent,
        models=options.model,
        only=options.only,
        timeout_s=options.timeout,
        load_timeout_s=options.load_timeout,
        wait_s=options.wait,
        as_json=options.json,
    )
