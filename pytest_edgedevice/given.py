"""What a caller gave as a number: whether it is one, and how to repeat it in a message. Knows nothing else of ours."""

from __future__ import annotations

import math
from typing import Any

MOST_CHARS = 60
MOST_BITS = 4000
"""Python refuses to write out whole numbers of many more digits."""


def is_number(value: Any) -> bool:
    """Whether it is a finite int or float; a truth value is none, nor is a whole number that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def shown(value: Any) -> str:
    """Its ``repr`` in one line, cut; never an error of its own, as this stands in messages of errors."""
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an object's own may raise anything
        return f"a {type(value).__name__}"
    return " ".join(text.split())[:MOST_CHARS]
