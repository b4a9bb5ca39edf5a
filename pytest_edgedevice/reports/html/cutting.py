"""Long texts in a page that stays small: what of a log or a message is shown, where the whole does not fit.

A device that is gone fails everything on it, each time with its log. Cells have logs as
far as there is room for all of them when deflated, and the list of failures has the
beginnings of messages; what was cut says so, and where the whole is.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.reading import lines, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.reports.html.gathering import Cell

MOST_LOGS = 20
"""Of one record."""
MOST_CHARS, LEAST_CHARS = 20_000, 800
PAGE_BYTES, BYTES_OF_A_CELL = 900_000, 4200
"""What a page should take at most, and what each cell takes of it without logs."""
LEAST_ROOM_BYTES = 50_000
GROWTH = 1.37
"""Of deflated bytes in base64, with the lines of what is packed."""
ROOM_IN_LIST, LEAST_IN_LIST = 100_000, 500
WHOLE = "the whole is in this test's record, in the file of --edge-report json=PATH"


def cut_long_texts(cells: Sequence[Cell]) -> None:
    """Make logs and messages fit into the page: whole where there is room for all, else of each as many signs."""
    records = [record for cell in cells for record in cell.records]
    for record in records:
        told = list(record["device_log"].items())[:MOST_LOGS]
        record["device_log"] = {text(title): lines(said, most=MOST_CHARS) for title, said in told}
    long = dict.fromkeys(
        said
        for record in records
        for said in (record["message"], *record["device_log"].values())
        if len(said) > LEAST_CHARS
    )
    most = _fitting(list(long), max(LEAST_ROOM_BYTES, int((PAGE_BYTES - BYTES_OF_A_CELL * len(cells)) / GROWTH)))
    for record in records if most < MOST_CHARS else ():
        record["message"] = _beginning(record["message"], most)
        record["device_log"] = {title: _end(said, most) for title, said in record["device_log"].items()}


def _fitting(texts: Sequence[str], room_bytes: int) -> int:
    """How many characters each of these texts may have, so that all of them, deflated, fit into so many bytes."""
    size = sum(map(len, texts))
    deflated = len(zlib.compress("\n".join(texts).encode("utf-8", "replace"), 1)) if size > room_bytes else 0
    if deflated <= room_bytes:
        return MOST_CHARS
    sizes, room = sorted(map(len, texts)), size * room_bytes // deflated
    for place, one in enumerate(sizes):
        share = room // (len(sizes) - place)
        if one > share:
            return max(LEAST_CHARS, share)
        room -= one
    return MOST_CHARS


def _end(said: str, most: int) -> str:
    """Of a log the end, where the error is."""
    if len(said) <= most:
        return said
    return f"[the last {most:,} of {len(said):,} characters, so that this page stays small; {WHOLE}]\n{said[-most:]}"


def _beginning(said: str, most: int) -> str:
    if len(said) <= most:
        return said
    return f"{said[:most]}...\n[the first {most:,} of {len(said):,} characters, so that this page stays small; {WHOLE}]"


def message_in_list(message: str, count: int) -> str:
    """A message among so many others; the beginning of a long one."""
    most = max(LEAST_IN_LIST, ROOM_IN_LIST // max(count, 1))
    if len(message) <= most:
        return message
    return f"{message[:most]}...\n[{len(message) - most:,} characters more are in the cell]"
