"""A question to whoever sits at the terminal, if anybody does."""

from __future__ import annotations

import select
import sys
import time

ANSWER_S = 300.0
LOOK_S = 1.0
"""A Ctrl-C that comes just before the system begins to wait is noticed when it has waited, and not before."""


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def agreed(question: str) -> bool:
    """Ask on the terminal; an end of input, Ctrl-C, silence and anything but a yes are a no."""
    try:
        print(question, end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline() if _is_answered() else ""
    except KeyboardInterrupt:
        answer = ""
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    return answer.strip().casefold() in {"y", "yes"}


def _is_answered() -> bool:
    deadline = time.monotonic() + ANSWER_S
    while (left_s := deadline - time.monotonic()) > 0:
        if select.select([sys.stdin], [], [], min(LOOK_S, left_s))[0]:
            return True
    return False
