"""Run a program of this host for a moment, whatever it does: bounded in time and in what it may say."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.pipes import kill_group
from pytest_edgedevice.transports.program import converse

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        failure: What went wrong, to follow the program's name; empty when it ended with 0.
        stdout: What it said, at most 1 MiB.
        stderr: Its errors, likewise.
    """

    failure: str
    stdout: str = ""
    stderr: str = ""


def ended(arguments: Sequence[str], *, timeout_s: float) -> Ended:
    """Run a program to its end; it and all it started are gone afterwards."""
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(list(arguments), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Ended(f"cannot be started: {reason}")
    with child:
        try:
            out, err = converse(child, b"", timeout_s=timeout_s, most_bytes=MOST_BYTES)
        except DeadlineError:
            return Ended(f"did not end in {timeout_s:g} s")
        except TransportError as error:
            return Ended(f"was stopped: {error.message}")
        finally:
            kill_group(child.pid)
    return Ended(_failure(child.returncode), out.decode(errors="replace"), err.decode(errors="replace"))


def _failure(code: int) -> str:
    if code >= 0:
        return f"ended with {code}" if code else ""
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
