"""``edgedevice list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, add_config, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "list devices with their facts, and how each is used now"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print them."""
    from pytest_edgedevice.cli.devices import show_devices

    show_devices(options.config, as_json=options.json)
    return FINE
