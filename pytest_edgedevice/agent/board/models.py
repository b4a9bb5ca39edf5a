"""Models that stay on a board between sessions, where the host's device file allows it; inputs never come here."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, BinaryIO, Callable, List, Optional

PIECE_BYTES = 4 << 20
MOST_TOLD = 1000
FOREVER = float("inf")
Cache = Callable[..., Any]
"""Called with the folder of all sessions and ``hashed``; gives a cache, or None where nothing may or does stay."""


class Models:
    """The cache as one session sees it.

    Args:
        make: Makes the cache; None for a board that keeps nothing.
        folder: The session's folder.
        alive: Called now and then, as hashing may take long.
    """

    def __init__(self, make: Optional[Cache], folder: str, alive: Callable[[], None]) -> None:
        self._folder = Path(folder)
        self._alive = alive
        self._cache = make(self._folder.parent, hashed=self._hashed) if make is not None else None

    def sizes(self) -> List[int]:
        """Sizes of what is there: only a file of such a size need be asked for."""
        return sorted(self._cache.sizes())[:MOST_TOLD] if self._cache is not None else []

    def give(self, number: int, sha256: str) -> bool:
        """Give a model its name in the session's folder, if it is here and is what it says."""
        if self._cache is None:
            return False
        part = self._folder / f"have-{number}.part"
        return bool(self._cache.give(sha256, self._folder / sha256, part=part, deadline=FOREVER))

    def keep(self, path: str) -> None:
        """Let a model stay whose name is its hash."""
        if self._cache is not None:
            self._cache.keep(Path(path))

    def close(self) -> None:
        """Leave no more than may stay."""
        if self._cache is not None:
            self._cache.close()

    def _hashed(self, file: BinaryIO, _deadline: float) -> str:
        digest = hashlib.sha256()
        while True:
            piece = os.read(file.fileno(), PIECE_BYTES)
            if not piece:
                return digest.hexdigest()
            digest.update(piece)
            self._alive()
