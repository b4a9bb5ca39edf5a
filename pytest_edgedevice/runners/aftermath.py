"""What a device's own logs say of a process that died there, put beside the error: printable, and cut to a size."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import EdgeDeviceError
from pytest_edgedevice.runners.wording import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.transports.base import Transport

    Aftermath = Callable[[int | None], Mapping[str, str]]

MOST_TEXTS = 8
MOST_TITLE_CHARS = 40
MOST_CHARS = 16_000
"""Of one text in the record."""
MOST_SHOWN_LINES = 12
MOST_SHOWN_CHARS = 200
"""Of one line in the failure's own text."""


FROM_THE_START = frozenset({"tombstone"})
"""Texts that say at their beginning what happened, and go on with registers and memory; of others the end tells."""
_TELLING = re.compile(r"\s*(signal \d|Abort message|Cause|#\d\d pc)")


def aftermath_of(link: Transport) -> Aftermath:
    """A function that asks a device for the aftermath of a process that starts now, by its number there."""
    since = time.time()
    return lambda pid: link.aftermath(pid, since)


def add_aftermath(error: EdgeDeviceError, aftermath: Aftermath, pid: int | None, *, show: bool = True) -> None:
    """Ask what the device's logs say of a death, and keep it with the error.

    Args:
        error: The error that tells of it; gets ``details``, and their last lines at the end of its message.
        aftermath: Asks the device; what fails there is no news beside the death.
        pid: The process's number on the device; None where it is not known.
        show: Whether the message gets lines of it.
    """
    told: Mapping[str, str] = {}
    with contextlib.suppress(EdgeDeviceError, OSError):
        told = aftermath(pid)
    for title, text in list(told.items())[:MOST_TEXTS]:
        kept = printable(text[:MOST_CHARS] if title in FROM_THE_START else text[-MOST_CHARS:]).strip()
        if kept:
            error.details[printable(title)[:MOST_TITLE_CHARS].replace("\n", " ")] = kept
    if show and error.details:
        error.message += "".join(f"\n  {line}" for line in _shown(error.details))
        error.args = (error.message,)


def _shown(details: Mapping[str, str]) -> list[str]:
    """The lines of each text that tell most; all get the same share."""
    share = max(MOST_SHOWN_LINES // len(details), 1)
    lines = []
    for title, text in details.items():
        said = [line.strip() for line in text.splitlines() if line.strip()]
        if title in FROM_THE_START:
            chosen = ([line for line in said if _TELLING.match(line)] or said)[:share]
        else:
            chosen = said[-share:]
        lines += [f"{title}: {line}"[:MOST_SHOWN_CHARS] for line in chosen]
    return lines
