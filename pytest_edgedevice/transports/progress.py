"""How far a transfer has come that takes longer than a second, told about once a second, also while nothing moves."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Told = Callable[["Progress"], None]

SHOW_EVERY_S = 1.0
DECIMALS_BELOW_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer has come.

    Attributes:
        name: The file's name, or what travels.
        sent_bytes: How much has gone; what the device has taken of it may be less.
        size_bytes: All of it.
        elapsed_s: Since it began, seconds.
        over: Whether it has ended, well or not; told once, and only where it was told of before.
    """

    name: str
    sent_bytes: int
    size_bytes: int
    elapsed_s: float
    over: bool = False

    def __str__(self) -> str:
        decimals = 1 if self.size_bytes < DECIMALS_BELOW_BYTES else 0
        sent, size = (f"{one / 1e6:.{decimals}f}" for one in (self.sent_bytes, self.size_bytes))
        speed = self.sent_bytes / max(self.elapsed_s, 1e-9) / 1e6
        name = "".join(sign if sign.isprintable() else " " for sign in self.name)
        return f"{name}: {sent} of {size} MB after {self.elapsed_s:.0f} s, {speed:.1f} MB/s"


class Moved:
    """A transfer's own count, for whoever moves its bytes.

    Attributes:
        sent_bytes: How much has gone.
    """

    def __init__(self) -> None:
        self.sent_bytes = 0


@contextlib.contextmanager
def shown(told: Told | None, name: str, size_bytes: int) -> Iterator[Moved]:
    """Tell how far a transfer is, from a thread of its own, once it has taken a second.

    Args:
        told: Called with it; None to tell nobody. What it raises ends the telling, not the transfer.
        name: What travels.
        size_bytes: How much.
    """
    moved = Moved()
    if told is None:
        yield moved
        return
    ended, began = threading.Event(), time.monotonic()

    def tell() -> None:
        shown_once = False
        while not ended.wait(SHOW_EVERY_S):
            shown_once = True
            told(Progress(name, moved.sent_bytes, size_bytes, time.monotonic() - began))
        if shown_once:
            told(Progress(name, moved.sent_bytes, size_bytes, time.monotonic() - began, over=True))

    def safely() -> None:
        with contextlib.suppress(Exception):  # a terminal that went away is no reason to stop a transfer
            tell()

    thread = threading.Thread(target=safely, name="edgedevice-progress", daemon=True)
    thread.start()
    try:
        yield moved
    finally:
        ended.set()
        thread.join()


def size_of(sources: Sequence[Path]) -> int:
    """How much files hold together; what cannot be looked at counts nothing, and fails where it is read."""
    total = 0
    for source in sources:
        with contextlib.suppress(OSError):
            total += source.stat().st_size
    return total
