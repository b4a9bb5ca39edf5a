"""Panels in a page that stays small: plain as far as there is room, the gravest cells first, the others packed.

A plain panel stands in a ``noscript``: read by whoever runs no scripts, and no more than a text to a browser
that does. Packed ones are deflated, some together as they resemble each other, and unpacked when one is opened.
"""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.cells import SEVERITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.reports.html.gathering import Cell

PLAIN_BYTES, BYTES_OF_A_CELL = 800_000, 4_500
"""Room for plain panels, and what each cell takes of it elsewhere, so that a page of 200 cells stays under 1 MB."""
PACKED_TOGETHER = 16
BETWEEN = "\f"
"""Between two panels of a pack: a sign that no text in a page holds."""


def plain_first(cells: Sequence[Cell], panels: Mapping[str, str]) -> set[str]:
    """Slugs of the cells whose panels are plain: all if there is room for all, else the gravest as long as there is."""
    found: set[str] = set()
    room = PLAIN_BYTES - BYTES_OF_A_CELL * len(cells)
    for cell in sorted(cells, key=lambda one: -SEVERITY[one.outcome]):
        room -= len(panels[cell.slug])
        if room < 0:
            break
        found.add(cell.slug)
    return found


def packs(panels: Sequence[tuple[str, str]]) -> list[tuple[list[str], str]]:
    """Slugs that are packed together, and what they are packed into: deflated, base64."""
    found = []
    for first in range(0, len(panels), PACKED_TOGETHER):
        part = panels[first : first + PACKED_TOGETHER]
        text = BETWEEN.join(html for _, html in part).encode("utf-8", "replace")
        data = base64.b64encode(zlib.compress(text, 6)).decode("ascii")
        found.append(([slug for slug, _ in part], data))
    return found
