"""One output over several samples, copied once into its place."""

from __future__ import annotations

from typing import Any, List


class Column:
    """Collects an output's arrays: one stacked array while all have one shape, a list from then on.

    Args:
        samples: How many arrays will come.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._count = 0
        self._stack: Any = None
        self._apart: List[Any] = []

    def add(self, array: Any) -> None:
        """Copy the next sample's array; the engine may reuse its memory afterwards."""
        import numpy as np

        if self._stack is None:
            self._stack = np.empty((self._samples, *array.shape), array.dtype)
        if not self._apart and array.shape == self._stack.shape[1:]:
            self._stack[self._count] = array
        else:
            self._apart = self._apart or [self._stack[at] for at in range(self._count)]
            self._apart.append(array.copy())
        self._count += 1

    @property
    def varies(self) -> bool:
        """Whether the shapes differed."""
        return bool(self._apart)

    @property
    def arrays(self) -> List[Any]:
        """The stacked array (samples, ...), or one array a sample where the shapes varied."""
        return self._apart or [self._stack]
