"""Arguments in, exit code out. What each command takes is in ``commands``."""

from __future__ import annotations

import argparse
import io
import os
import sys
from typing import TYPE_CHECKING

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.arguments import WRONG, waiting
from pytest_edgedevice.cli.commands import COMMANDS
from pytest_edgedevice.cli.text import printable_lines
from pytest_edgedevice.errors import EdgeDeviceError, InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_CODES = "exit codes: 0 fine, 1 something is wrong or not done, 2 misused"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; usage errors raise ``SystemExit(2)``, as argparse does."""
    options = build_parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no umlauts is no reason to fail
    try:
        code = _run(options)
        if sys.stdout is not None:  # closed by `>&-`
            sys.stdout.flush()
        return code
    except EdgeDeviceError as error:
        print(f"edgedevice: {printable_lines(str(error))}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("edgedevice: interrupted", file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        # `edgedevice list | head -1`; the interpreter would complain when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except OSError as error:  # a current folder that was removed, a standard output that is full
        print(f"edgedevice: {printable_lines(str(error))}", file=sys.stderr)
        return WRONG


def _run(options: argparse.Namespace) -> int:
    command = COMMANDS[options.command]
    if command.DRIVES_DEVICES and _on_windows():
        raise InfraError(
            f"Windows hosts cannot drive devices in version {__version__}",
            hint="run it on Linux, or in WSL 2",
        )
    with waiting():
        return command.run(options)


def _on_windows() -> bool:
    return os.name == "nt"


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; what each command takes is its own affair."""
    parser = argparse.ArgumentParser(
        prog="edgedevice",
        description="Devices that neural networks are tested on: which there are, who holds them, what is missing.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"pytest-edgedevice {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sentence = command.SENTENCE
        command.add_arguments(
            commands.add_parser(
                name, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.", epilog=EXIT_CODES
            )
        )
    return parser
