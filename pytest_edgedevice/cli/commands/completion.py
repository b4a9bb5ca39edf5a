"""``edgedevice completion``: needs no device, and so no system that can drive one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "print a script that completes this command's options in a shell"
DRIVES_DEVICES = False
SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    parser.add_argument("shell", choices=SHELLS, help='e.g. for bash: eval "$(edgedevice completion bash)"')
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print it."""
    import json

    from pytest_edgedevice.cli.completion import SCHEMA, script_for

    script = script_for(options.shell)
    print(json.dumps({"schema": SCHEMA, "shell": options.shell, "script": script}) if options.json else script)
    return FINE
