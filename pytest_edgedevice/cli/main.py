"""Arguments in, exit code out. What the commands do is in the files beside this one."""

from __future__ import annotations

import argparse
import io
import math
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice import __version__
from pytest_edgedevice.cli.running_options import add_arguments
from pytest_edgedevice.cli.text import printable_lines
from pytest_edgedevice.errors import EdgeDeviceError, InfraError

if TYPE_CHECKING:
    from collections.abc import Sequence

FINE, WRONG = 0, 1
EXIT_CODES = "exit codes: 0 fine, 1 something is wrong or not done, 2 misused"
WAIT_S = 30.0
MOST_MS = 1e12
BOARD = "ssh:[user@]host[:port], or a name from edgedevice.toml"
DEVICE = "ssh:[user@]host[:port], adb:SERIAL, or a name from edgedevice.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; usage errors raise ``SystemExit(2)``, as argparse does."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that knows no umlauts is no reason to fail
    try:
        code = _rechecked(options) if options.command == "recheck" else _run(options)
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


def _rechecked(options: argparse.Namespace) -> int:
    """Needs no device, and so no system that can drive one."""
    from pytest_edgedevice.cli.recheck import recheck

    asked = {name: getattr(options, name) for name in ("quantiles", "confidence", "allow_emulated")}
    return FINE if recheck(Path(options.records), as_json=options.json, **asked) else WRONG


def _run(options: argparse.Namespace) -> int:
    if _on_windows():
        raise InfraError(
            f"Windows hosts cannot drive devices in version {__version__}",
            hint="run it on Linux, or in WSL 2",
        )
    if options.command in ("build-agent", "run"):
        return _build_agent(options) if options.command == "build-agent" else _run_model(options)
    config = Path(options.config) if options.config else None
    if options.command == "doctor":
        from pytest_edgedevice.cli.doctor import doctor

        return WRONG if doctor(config, as_json=options.json, board=options.board) else FINE
    if options.command == "setup":
        from pytest_edgedevice.cli.setup import remove, setup

        if options.remove:
            return FINE if remove(options.board, config, wait_s=options.wait) else WRONG
        wheels = Path(options.wheels) if options.wheels else None
        wanted = {"engine": options.engine, "wheels": wheels, "yes": options.yes, "wait_s": options.wait}
        return FINE if setup(options.board, config, **wanted) else WRONG
    if options.command == "release":
        from pytest_edgedevice.cli.release import release

        return FINE if release(options.name, config, yes=options.yes, wait_s=options.wait) else WRONG
    from pytest_edgedevice.cli.devices import show_devices, show_holder

    if options.command == "list":
        show_devices(config, as_json=options.json)
    else:
        show_holder(options.name, config, as_json=options.json)
    return FINE


def _run_model(options: argparse.Namespace) -> int:
    from pytest_edgedevice.cli.running import run

    return FINE if run(options) else WRONG


def _build_agent(options: argparse.Namespace) -> int:
    from pytest_edgedevice.cli.build_agent import Wish, build_agent

    wish = Wish(
        ndk=options.ndk,
        abis=tuple(dict.fromkeys(options.abi)),
        api=options.api,
        compiler=options.compiler,
        runtime=options.runtime,
        output=options.output,
    )
    build_agent(wish, as_json=options.json)
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
    _command(commands, "list", "list devices with their facts, and how each is used now", json=True)
    _command(commands, "who", "tell who holds one device, and who waits for it", json=True, name=True)
    release = _command(commands, "release", "end a quarantine, or ask your process that holds the device", name=True)
    release.add_argument("--yes", action="store_true", help="ask the holder to end without asking you first")
    _wait(release, "how long the holder may take to end")
    sentence = "check what device tests need on this host, a board or a phone, and name the remedies"
    doctor = _command(commands, "doctor", sentence, json=True)
    doctor.add_argument("board", metavar="DEVICE", nargs="?", default="", help=f"look at it instead: {DEVICE}")
    sentence = "run a model in every way a device offers, and show how fast and how right each is"
    sweep = _command(commands, "run", sentence, json=True)
    add_arguments(sweep)
    _wait(sweep, "how long to wait while somebody else uses the device")
    _setup(_command(commands, "setup", "bring an engine to a board that has no internet"))
    sentence = "compile the native agent for phones, or for boards without Python"
    _native(_command(commands, "build-agent", sentence, json=True, config=False))
    sentence = "judge the latencies of a record file again, by other budgets"
    _recheck(_command(commands, "recheck", sentence, json=True, config=False))
    return parser


def _recheck(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("records", metavar="RECORDS", help="file of --edge-report json=RECORDS")
    for percent in (50, 90, 95, 99):
        parser.add_argument(
            f"--p{percent}-ms",
            metavar="MS",
            dest="quantiles",
            action="append",
            type=partial(_budget_of, percent / 100),
            help=f"budget of the {percent}th percentile; without budgets those of the records",
        )
    parser.add_argument(
        "--quantile", metavar="Q=MS", dest="quantiles", action="append", type=_budget, help="e.g. 0.999=250"
    )
    parser.add_argument("--confidence", metavar="SHARE", type=_share, help="by default that of each record")
    parser.add_argument("--allow-emulated", action="store_true", help="judge times of emulated devices too")


def _setup(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("board", metavar="BOARD", help=BOARD)
    parser.add_argument("--engine", choices=("litert", "tflite"), default="", help="by default what fits the board")
    parser.add_argument("--wheels", metavar="FOLDER", help="take the wheels from here; by default pip downloads them")
    parser.add_argument("--yes", action="store_true", help="do it without asking you first")
    parser.add_argument("--remove", action="store_true", help="take away what setup brought there")
    _wait(parser, "how long to wait while somebody else uses the board")


def _native(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ndk", metavar="PATH", default="", help="Android's NDK; by default the environment's")
    sentence = "kind of device, arm64-v8a by default; repeat it for several"
    parser.add_argument("--abi", metavar="ABI", action="append", default=[], help=sentence)
    parser.add_argument("--api", metavar="LEVEL", type=int, default=24, help="least API level of Android (24)")
    parser.add_argument("--compiler", metavar="CC", default="", help="compile with this, e.g. aarch64-linux-gnu-gcc")
    sentence = "keep this inference library (.so, .aar, .apk, .whl, .zip) too; alone it builds nothing"
    parser.add_argument("--runtime", metavar="FILE", default="", help=sentence)
    parser.add_argument("--output", metavar="FOLDER", default="", help="copy what was built there too")


def _wait(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--wait", metavar="SECONDS", type=_seconds, default=WAIT_S, help=f"{what} ({WAIT_S:g})")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    command: str,
    sentence: str,
    *,
    json: bool = False,
    name: bool = False,
    config: bool = True,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        command, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.", epilog=EXIT_CODES
    )
    if name:
        parser.add_argument("name", metavar="NAME", help=f"local, {DEVICE}")
    if config:
        parser.add_argument(
            "--config", metavar="PATH", help="device file; by default edgedevice.toml here or in a folder above"
        )
    if json:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser


def _budget(text: str) -> tuple[float, float]:
    quantile, _, budget = text.partition("=")
    return _budget_of(_share(quantile), budget)


def _budget_of(quantile: float, text: str) -> tuple[float, float]:
    try:
        budget = float(text)
    except ValueError:
        budget = math.nan
    if not 0 < budget < MOST_MS:
        raise argparse.ArgumentTypeError(f"{text!r} is no budget in milliseconds, such as 80")
    return quantile, budget


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1, such as 0.95")
    return share


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds, such as 30")
    return seconds
