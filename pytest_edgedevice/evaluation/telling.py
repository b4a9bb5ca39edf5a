"""How far an evaluation has come, in a line that is told now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_S = 1.0
LIVE_EVERY_S, PLAIN_EVERY_S = 1.0, 10.0


class Telling:
    """Tells a line about once a second where lines are rewritten, and every ten where they pile up.

    Args:
        tell: Given a line, and an empty one when it is over; it may have ``is_live``. None tells nobody.
        what: What is evaluated, for people.
        samples: How many samples there are; None where that is not known.
    """

    def __init__(self, tell: Callable[[str], None] | None, what: str, samples: int | None) -> None:
        self._tell = tell
        self._what = what
        self._samples = samples
        self._began = time.monotonic()
        self._due_s = FIRST_S
        self._every_s = LIVE_EVERY_S if getattr(tell, "is_live", False) else PLAIN_EVERY_S
        self._told = False

    def tell(self, done: int, run: int, value: float | None) -> None:
        """Tell, if it is time.

        Args:
            done: Samples that are finished.
            run: How many of them were run now, and so tell how fast it goes.
            value: The metric so far; None for nothing to show.
        """
        elapsed_s = time.monotonic() - self._began
        if self._tell is None or elapsed_s < self._due_s:
            return
        self._due_s, self._told = elapsed_s + self._every_s, True
        of = "" if self._samples is None else f" of {self._samples:,}"
        text = f"evaluating {self._what}: {done:,}{of} samples after {elapsed_s:.0f} s"
        text += "" if value is None else f", {value:.4g} so far"
        if self._samples is not None and run:
            text += f", about {max(self._samples - done, 0) * elapsed_s / run:.0f} s left"
        self._tell(text)

    def over(self) -> None:
        """Wipe the line."""
        if self._tell is not None and self._told:
            self._tell("")
