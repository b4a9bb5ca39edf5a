"""``edgedevice matrix``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, add_config, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "print a CI job for each device and delegate of the device file"
DRIVES_DEVICES = False
FORMATS = ("github", "json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add_config(parser)
    add_json(parser)
    sentence = "github: one line for strategy.matrix: ${{ fromJSON(...) }} (the default); json: the same as --json"
    parser.add_argument("--format", choices=FORMATS, default="github", help=sentence)
    sentence = "this device only; repeat it for several. An empty NAME is all of them, as an empty input of a workflow"
    parser.add_argument("--device", metavar="NAME", action="append", default=[], help=sentence)
    sentence = "this delegate instead of those of the device file; repeat it for several"
    parser.add_argument("--delegate", metavar="NAME", action="append", default=[], help=sentence)


def run(options: argparse.Namespace) -> int:
    """Print them."""
    from pytest_edgedevice.cli.matrix import show_matrix

    as_json = options.json or options.format == "json"
    show_matrix(options.config, devices=options.device, delegates=options.delegate, as_json=as_json)
    return FINE
