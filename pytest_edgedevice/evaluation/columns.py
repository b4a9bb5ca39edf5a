"""Values of several samples under each other: arrays, lists, or mappings of names to those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Column = Any
"""An array with samples along the first axis, a list of one value a sample, or a mapping of name to such."""


def row(column: Column, at: int) -> Any:
    """One sample's value, or mapping of name to value."""
    if isinstance(column, Mapping):
        return {name: one[at] for name, one in column.items()}
    return column[at]


def rows(column: Column, chosen: Sequence[int]) -> Column:
    """Several samples' values, in the same form."""
    if isinstance(column, Mapping):
        return {name: rows(one, chosen) for name, one in column.items()}
    return column[list(chosen)] if isinstance(column, np.ndarray) else [column[at] for at in chosen]


def part(column: Column, first: int, last: int) -> Column:
    """The samples from ``first`` up to and without ``last``, as views."""
    if isinstance(column, Mapping):
        return {name: one[first:last] for name, one in column.items()}
    return column[first:last]


def is_column(value: Any) -> bool:
    """Whether it has one value a sample, which can be told by their places."""
    if isinstance(value, str | bytes) or not all(hasattr(value, name) for name in ("__len__", "__getitem__")):
        return False
    return getattr(value, "ndim", 1) > 0


def tags_of(value: Any) -> tuple[str, ...]:
    """One sample's tags: a text, as arrays hold them, is as many as it has words, and a number is one."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.split())
    is_one = isinstance(value, np.ndarray | np.generic) and value.ndim == 0
    return tuple(map(str, value)) if isinstance(value, Iterable) and not is_one else (str(value),)


def length(column: Column) -> int | None:
    """How many samples there are; None where the columns of a mapping disagree."""
    if not isinstance(column, Mapping):
        return len(column)
    counts = {len(one) for one in column.values()}
    return counts.pop() if len(counts) == 1 else None


def stacked(values: Sequence[Any]) -> Column:
    """Single samples' values under each other: an array where all have one shape and dtype, else a list."""
    first = values[0]
    if isinstance(first, Mapping):
        return {name: stacked([one[name] for one in values]) for name in first}
    if not all(isinstance(one, np.ndarray | np.generic) for one in values):
        return list(values)
    if len({(one.shape, one.dtype) for one in values}) > 1:
        return list(values)
    return first[np.newaxis] if len(values) == 1 and isinstance(first, np.ndarray) else np.stack(values)


def size_bytes(value: Any) -> int:
    """About what one sample's arrays take."""
    if isinstance(value, Mapping):
        return sum(size_bytes(one) for one in value.values())
    return int(getattr(value, "nbytes", 0))
