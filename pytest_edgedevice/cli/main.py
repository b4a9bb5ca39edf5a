"""Arguments in, exit code out. What the commands do is in the files beside this one."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice import __version__
from pytest_edgedevice.errors import EdgeDeviceError, InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence

FINE, WRONG = 0, 1
EXIT_CODES = "exit codes: 0 fine, 1 something is wrong, 2 the command was misused"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; usage errors raise ``SystemExit(2)``, as argparse does."""
    options = _parser().parse_args(arguments)
    try:
        code = _run(options)
        sys.stdout.flush()
        return code
    except EdgeDeviceError as error:
        print(f"edgedevice: {error}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print("edgedevice: interrupted", file=sys.stderr)
        return WRONG
    except BrokenPipeError:
        # `edgedevice list | head -1`; the interpreter would complain when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return WRONG
    except OSError as error:  # a current folder that was removed, a standard output that is full
        print(f"edgedevice: {error}", file=sys.stderr)
        return WRONG


def _run(options: argparse.Namespace) -> int:
    if _on_windows():
        raise InfraError(
            f"Windows hosts cannot drive devices in version {__version__}",
            hint="run it on Linux, or in WSL 2",
        )
    config = Path(options.config) if options.config else None
    if options.command == "doctor":
        from pytest_edgedevice.cli.doctor import doctor

        return WRONG if doctor(config, as_json=options.json) else FINE
    from pytest_edgedevice.cli.devices import show_devices, show_holder

    if options.command == "list":
        show_devices(config, as_json=options.json)
    else:
        show_holder(options.name, config)
    return FINE


def _on_windows() -> bool:
    return os.name == "nt"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgedevice",
        description="Devices that neural networks are tested on: which there are, who holds them, what is missing.",
        epilog=EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"pytest-edgedevice {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _command(commands, "list", "list devices with their facts, and who holds them", json=True)
    _command(commands, "doctor", "check what device tests need on this host, and name the remedies", json=True)
    who = _command(commands, "who", "tell who holds one device")
    who.add_argument("name", metavar="NAME", help="local, or a name from edgedevice.toml")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, sentence: str, *, json: bool = False
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=sentence, description=f"{sentence.capitalize()}.", epilog=EXIT_CODES)
    command.add_argument(
        "--config", metavar="PATH", help="device file; by default edgedevice.toml here or in a folder above"
    )
    if json:
        command.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return command
