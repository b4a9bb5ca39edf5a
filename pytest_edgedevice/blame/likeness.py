"""Whether two sets of outputs look the same, whatever their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def kind_of(values: Any) -> str:
    """Kind of dtype of an array, or of a list of one a sample."""
    first = values[0] if isinstance(values, list | tuple) and values else values
    return str(getattr(getattr(first, "dtype", None), "kind", ""))


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two sets of outputs have the same names, shapes and kinds of dtype."""
    return one.keys() == other.keys() and all(_form(values) == _form(other[name]) for name, values in one.items())


def _form(values: Any) -> tuple[Any, ...]:
    each = values if isinstance(values, list | tuple) else [values]
    return (kind_of(values), *(getattr(one, "shape", None) for one in each))
