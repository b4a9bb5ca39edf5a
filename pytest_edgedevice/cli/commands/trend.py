"""``edgedevice trend``: needs no device, and so no system that can drive one."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_edgedevice.cli.arguments import FINE, WRONG, add_history, add_json

SENTENCE = "show how a model's latency, or another number, developed over the last runs"
DRIVES_DEVICES = False
MOST_RUNS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("model", metavar="MODEL", help="file name of a model, or its beginning")
    add_json(parser)
    add_history(parser)
    parser.add_argument("--device", metavar="NAME", default="", help="this device only")
    parser.add_argument("--delegate", metavar="NAME", default="", help="this delegate only, as it was asked for")
    sentence = "p50, p90, p95 (the default), p99, error, size, or a name from the records, e.g. memory_mb"
    parser.add_argument("--metric", metavar="NAME", default="p95", help=sentence)
    parser.add_argument("--last", metavar="N", type=_runs, default=20, help="runs to show (20)")
    sentence = "exit with 1 when the newest run is worse than the median of those before it, beyond their noise"
    parser.add_argument("--otava", metavar="FOLDER", type=Path, help="write all runs for Apache Otava, see the README")
    parser.add_argument("--fail", action="store_true", help=sentence)


def run(options: argparse.Namespace) -> int:
    """Show it."""
    from pytest_edgedevice.cli.trend import Wish, trend

    wish = Wish(options.model, options.metric, options.device, options.delegate, options.last)
    fine = trend(wish, folder=options.history, otava=options.otava, as_json=options.json)
    return WRONG if options.fail and not fine else FINE


def _runs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_RUNS}")
    return int(text)
