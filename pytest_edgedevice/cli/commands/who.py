"""``edgedevice who``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, add_config, add_json, add_name

if TYPE_CHECKING:
    import argparse

SENTENCE = "tell who holds one device, and who waits for it"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add_name(parser)
    add_config(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from pytest_edgedevice.cli.devices import show_holder

    show_holder(options.name, options.config, as_json=options.json)
    return FINE
