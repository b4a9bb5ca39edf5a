"""``edgedevice compare``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_history, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "compare two runs: latency, error, size and verdict of every model on every device"
DRIVES_DEVICES = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    sentence = "a file of records, the beginning of a run's id, last, or last~N for the Nth before it"
    parser.add_argument("before", metavar="A", nargs="?", default="last~1", help=f"{sentence} (last~1)")
    parser.add_argument("after", metavar="B", nargs="?", default="last", help="the same (last)")
    add_json(parser)
    add_history(parser)
    sentence = "exit with 1 when anything became worse beyond the noise, or there is nothing to compare"
    parser.add_argument("--fail", action="store_true", help=sentence)


def run(options: argparse.Namespace) -> int:
    """Compare them."""
    from pytest_edgedevice.cli.compare import compare

    better = compare(options.before, options.after, folder=options.history, as_json=options.json)
    return WRONG if options.fail and not better else FINE
