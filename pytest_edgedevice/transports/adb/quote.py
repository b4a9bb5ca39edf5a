"""Arguments for a POSIX shell, quoted so that they reach a program as they were written.

adb's shell service takes one text, so an argument list has to become one. This is
the only place where that happens; nothing else builds a text for a shell from a name.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_ARGUMENT_BYTES = 128 * 1024 - 1
"""Linux takes no longer one: MAX_ARG_STRLEN."""
MOST_BYTES = 1_500_000
"""Longest list that is sent; a system takes 2 MB, its environment and this list's quotes included."""


def quoted(argument: str) -> bytes:
    """One word for a POSIX shell: between single quotes nothing has a meaning but the single quote.

    Raises:
        TransportError: No program can be given it: it holds a NUL, or is too long.
    """
    raw = os.fsencode(argument)
    if b"\0" in raw:
        raise TransportError(f"an argument holds a NUL, which no program can be given: {argument[:80]!r}")
    if len(raw) > MOST_ARGUMENT_BYTES:
        raise TransportError(
            f"an argument is {len(raw)} bytes long, and Linux takes {MOST_ARGUMENT_BYTES}: {argument[:80]!r}...",
            hint="place it as a file, and give its path",
        )
    return b"'" + raw.replace(b"'", rb"'\''") + b"'"


def words(arguments: Sequence[str]) -> bytes:
    """Arguments as words of one line of a shell script, each quoted.

    Raises:
        TransportError: There is none, or no program can be given them.
    """
    if not arguments or not arguments[0]:
        raise TransportError("there is no program to run: the argument list is empty")
    if arguments[0].startswith("-"):
        raise TransportError(
            f"no shell takes {arguments[0][:80]!r} for a program's name: it begins with a dash",
            hint="give its path, e.g. ./-name",
        )
    line = b" ".join(map(quoted, arguments))
    if len(line) > MOST_BYTES:
        raise TransportError(
            f"{len(arguments)} arguments are {len(line)} bytes long, more than {MOST_BYTES}",
            hint="place them as a file, and give its path",
        )
    return line
