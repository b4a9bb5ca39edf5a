"""One output over several samples, copied once into its place."""

from __future__ import annotations

from typing import Any, List, Sequence


class Column:
    """Collects an output's arrays, one a sample.

    Args:
        samples: How many arrays will come.
        shape: The output's shape in the model. Where it is fixed, all arrays go into one; where it
            varies, the first array says nothing of the others, and no memory is reserved on its word.
    """

    def __init__(self, samples: int, shape: Sequence[int]) -> None:
        self._samples = samples
        self._fixed = bool(shape) and -1 not in shape  # a file without dimensions may hide any rank
        self._stack: Any = None
        self._apart: List[Any] = []
        self._count = 0

    def add(self, array: Any) -> None:
        """Copy the next sample's array; the engine may reuse its memory afterwards."""
        import numpy as np

        if not self._fixed:
            self._apart.append(array.copy())
            return
        if self._stack is None:
            self._stack = np.empty((self._samples, *array.shape), array.dtype)
        if array.shape != self._stack.shape[1:]:  # the file lied: what came so far is kept one by one
            self._fixed = False
            self._apart = [self._stack[at] for at in range(self._count)]
            self._apart.append(array.copy())
            return
        self._stack[self._count] = array
        self._count += 1

    @property
    def varies(self) -> bool:
        """Whether the shapes differed."""
        return len({array.shape for array in self._apart}) > 1

    @property
    def arrays(self) -> List[Any]:
        """One stacked array (samples, ...), or one array a sample where the shapes varied."""
        import numpy as np

        if self._fixed:
            return [self._stack]
        return self._apart if self.varies else [np.stack(self._apart)]
