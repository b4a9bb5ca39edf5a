"""One file a command: its sentence for the help, its arguments, and ``run``, which gives the exit code.

What they import at their top is paid by every command, so what does the work is imported in ``run``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pytest_edgedevice.cli.commands import (
    build_agent,
    compare,
    completion,
    conformance,
    doctor,
    init,
    list_,
    matrix,
    merge,
    recheck,
    record,
    release,
    replay,
    run,
    setup,
    trend,
    who,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping


class Command(Protocol):
    """What each of these modules offers; ``DRIVES_DEVICES`` tells that it needs a system that can."""

    SENTENCE: str
    DRIVES_DEVICES: bool

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What can be asked of it."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and give the exit code."""


COMMANDS: Mapping[str, Command] = {
    "init": init,
    "list": list_,
    "who": who,
    "release": release,
    "doctor": doctor,
    "setup": setup,
    "build-agent": build_agent,
    "run": run,
    "record": record,
    "recheck": recheck,
    "replay": replay,
    "merge": merge,
    "compare": compare,
    "trend": trend,
    "matrix": matrix,
    "conformance": conformance,
    "completion": completion,
}
"""In the order of the help."""
