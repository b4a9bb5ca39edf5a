"""Everything about one cell, block by block; a block without anything to say is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.panels import accuracy, closeness, conditions, device, latency, resources, stream
from pytest_edgedevice.reports.html.panels.checks import checks, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.reports.html.gathering import Cell
    from pytest_edgedevice.reports.html.parts import Block

_BLOCKS: tuple[Callable[[Cell], Iterator[Block]], ...] = (
    checks,
    latency.blocks,
    conditions.blocks,
    closeness.blocks,
    accuracy.blocks,
    device.placement,
    resources.blocks,
    stream.blocks,
    unknown,
    device.facts,
    device.logs,
)


def blocks_of(cell: Cell) -> list[Block]:
    """The blocks of a cell's panel, from what people ask first."""
    return [block for make in _BLOCKS for block in make(cell)]
