"""What a waiter is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.leases.holder import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.leases.holder import Holder


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiter is told.

    Attributes:
        keys: The devices it waits for, any of which will do.
        place: 1 when it is next.
        holder: Who holds the first of them; None when that cannot be said.
        waited_s: How long it has waited so far.
        sibling: Whether the holder is a worker of the same pytest-xdist run, so that waiting is not counted.
        note: What is odd about the queue, e.g. a stopped process; mostly empty.
        wanted: What people call the devices; by default their keys.
        there: What the device's own line says, which we wait in then: our place and the holder.
    """

    keys: tuple[str, ...]
    place: int
    holder: Holder | None
    waited_s: float
    sibling: bool = False
    note: str = ""
    wanted: str = ""
    there: str = ""

    def __str__(self) -> str:
        held = f"held by {self.holder}" if self.holder else "held by somebody who left no record"
        line = self.there or f"place {self.place}, {held}"
        waited = f"{line}; waited {duration(self.waited_s)}"
        text = f"waiting for {self.wanted or named(self.keys)}: {waited}"
        return f"{text} ({self.note})" if self.note else text


def named(keys: Sequence[str]) -> str:
    """What devices are called that have no other name than their keys."""
    shown = ", ".join(repr(key) for key in keys[:4])
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return f"{'the device' if len(keys) == 1 else 'the devices'} {shown}{more}"
