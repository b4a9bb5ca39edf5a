"""Text in terminal columns, which are not characters: some take two columns, some none."""

from __future__ import annotations

from unicodedata import combining, east_asian_width

CUT = "..."


def plain(text: str) -> str:
    """A text that steers no terminal: names come from files and devices."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "?" for sign in text)


def display_width(text: str) -> int:
    """Columns that a terminal gives to a text of printable characters."""
    return len(text) if text.isascii() else sum(_width(sign) for sign in text)


def fit(text: str, columns: int) -> str:
    """Pad to so many columns, or cut in the middle: the ends of a test's name tell it apart."""
    excess = display_width(text) - columns
    if excess <= 0:
        return text + " " * -excess
    head, tail, room = "", "", columns - len(CUT)
    if room < 2:
        return CUT[:columns].ljust(columns)
    for sign in text:
        if display_width(head) + _width(sign) > room // 2:
            break
        head += sign
    for sign in reversed(text):
        if display_width(tail) + _width(sign) > room - display_width(head):
            break
        tail = sign + tail
    return head + CUT + tail + " " * (room - display_width(head) - display_width(tail))


def _width(sign: str) -> int:
    if combining(sign):
        return 0
    return 2 if east_asian_width(sign) in "WF" else 1
