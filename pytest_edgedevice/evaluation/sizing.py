"""How many samples an evaluation takes at once."""

from __future__ import annotations

import time

FIRST_BATCH = 16
CHUNK_S = 0.5
"""A chunk is made as large as this takes: what a cut loses, and how long nothing new can be told."""


class Sizing:
    """How many samples to take at once: a few at first, then as many as take ``CHUNK_S`` all in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = min(FIRST_BATCH, most)
        self._last_s = time.monotonic()

    def __call__(self) -> int:
        """How many samples to take next."""
        return self._size

    def finished(self, samples: int) -> None:
        """Learn from samples that are finished."""
        now_s = time.monotonic()
        each_s, self._last_s = max(now_s - self._last_s, 1e-9) / samples, now_s
        self._size = max(1, min(self._most, 4 * self._size, int(CHUNK_S / each_s)))
