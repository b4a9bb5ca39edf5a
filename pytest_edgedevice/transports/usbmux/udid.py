"""How an iPhone's number is written: people leave out its dash, and write it in either case. Pure."""

from __future__ import annotations

import re

_NEWER = re.compile(r"[0-9a-f]{24}")
_CHIP_DIGITS = 8


def plain(udid: str) -> str:
    """What two spellings of one number have in common."""
    return udid.replace("-", "").lower()


def identity(udid: str) -> str:
    """Key of a phone's lease, the same however usbmuxd spells its number.

    Source:
        Since 2018 a UDID is the chip's number, a dash and the unit's: 8 and 16 digits. Before it was 40 digits.
    """
    digits = plain(udid)
    if _NEWER.fullmatch(digits):
        return f"ios-{digits[:_CHIP_DIGITS]}-{digits[_CHIP_DIGITS:]}"
    return f"ios-{udid.lower()}"
