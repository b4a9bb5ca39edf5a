"""``edgedevice build-agent``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.cli.arguments import FINE, add_json

if TYPE_CHECKING:
    import argparse

SENTENCE = "compile the native agent for phones, or for boards without Python"
DRIVES_DEVICES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See the help."""
    add_json(parser)
    parser.add_argument("--ndk", metavar="PATH", default="", help="Android's NDK; by default the environment's")
    sentence = "kind of device, arm64-v8a by default; repeat it for several"
    parser.add_argument("--abi", metavar="ABI", action="append", default=[], help=sentence)
    parser.add_argument("--api", metavar="LEVEL", type=int, default=24, help="least API level of Android (24)")
    parser.add_argument("--compiler", metavar="CC", default="", help="compile with this, e.g. aarch64-linux-gnu-gcc")
    sentence = "keep this inference library (.so, .aar, .apk, .whl, .zip) too; alone it builds nothing"
    parser.add_argument("--runtime", metavar="FILE", default="", help=sentence)
    parser.add_argument("--output", metavar="FOLDER", default="", help="copy what was built there too")


def run(options: argparse.Namespace) -> int:
    """Compile it."""
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
