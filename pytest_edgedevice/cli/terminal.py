"""A question to whoever sits at the terminal, if anybody does."""

from __future__ import annotations

import select
import sys

ANSWER_S = 300.0


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def agreed(question: str) -> bool:
    """Ask on the terminal; an end of input, Ctrl-C, silence and anything but a yes are a no."""
    try:
        print(question, end="", file=sys.stderr, flush=True)
        ready, _, _ = select.select([sys.stdin], [], [], ANSWER_S)
        answer = sys.stdin.readline() if ready else ""
    except KeyboardInterrupt:
        answer = ""
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().casefold() in {"y", "yes"}
