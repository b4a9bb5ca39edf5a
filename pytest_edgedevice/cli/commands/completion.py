"""``edgedevice completion``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE

if TYPE_CHECKING:
    import argparse

SENTENCE = "print a script that completes this command's options in a shell"
DRIVES_DEVICES = False
SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("shell", choices=SHELLS, help='e.g. for bash: eval "$(edgedevice completion bash)"')


def run(options: argparse.Namespace) -> int:
    """Print it."""
    from pytest_edgedevice.cli.completion import script_for

    print(script_for(options.shell))
    return FINE
