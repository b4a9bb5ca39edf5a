"""Lines for a terminal: nothing in them may steer it, and they fit its width."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_COLUMNS = 40
MOST_TOLD = 20


def printable(text: str) -> str:
    """Facts, records and answers were written by others: nothing in them may steer the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def printable_lines(text: str) -> str:
    """The same for our own texts of several lines, in which others' words may stand."""
    return "\n".join(printable(line) for line in text.split("\n"))


def complain(sentences: Sequence[str]) -> None:
    """Say on standard error what is wrong, as much of it as somebody reads."""
    for sentence in sentences[:MOST_TOLD]:
        print(f"edgedevice: {printable(sentence)}", file=sys.stderr)
    if len(sentences) > MOST_TOLD:
        print(f"edgedevice: and {len(sentences) - MOST_TOLD} more of the kind", file=sys.stderr)


def row(first: str, rest: str, *, indent: int) -> str:
    """One entry of a list: ``first``, and ``rest`` beside it in a column that begins at ``indent``.

    Wrapped on a terminal only: whoever reads a pipe wants whole lines.
    """
    head = f"{printable(first):{indent - 2}}  "
    text = printable(rest)
    if sys.stdout is None or not sys.stdout.isatty():
        return (head + text).rstrip()
    columns = max(shutil.get_terminal_size().columns, indent + LEAST_COLUMNS)
    return textwrap.fill(
        text,
        columns,
        initial_indent=head,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
