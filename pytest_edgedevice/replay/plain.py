"""Values as JSON and back: dataclasses rebuilt field by field, by types that the reader names.

What comes from a file is hostile until it has been checked. Nothing is looked up
or executed by what it says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pytest_edgedevice.values import Disturbance, Fact, Rule, Verdict

T = TypeVar("T")
_NAMES = {"Mapping": Mapping, "Fact": Fact, "Rule": Rule, "Verdict": Verdict, "Disturbance": Disturbance}
MOST_SHOWN = 80


def rebuild(kind: type[T], value: Any) -> T:
    """A dataclass from what ``dataclasses.asdict`` and JSON made of it.

    Raises:
        ValueError: A field is missing, unknown or of another type.
    """
    found: T = _rebuilt(kind, value)
    return found


def _rebuilt(kind: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value)
    if origin is tuple and isinstance(value, list):
        return tuple(_rebuilt(arguments[0], item) for item in value)
    if origin is Mapping and isinstance(value, dict):
        return {name: _rebuilt(arguments[1], item) for name, item in value.items()}
    if not _is_plain(kind, value, arguments if origin is typing.Literal else ()):
        raise ValueError(f"{str(value)[:MOST_SHOWN]!r} is no {getattr(kind, '__name__', kind)}")
    return float(value) if kind is float else value


def _is_plain(kind: Any, value: Any, known: tuple[Any, ...]) -> bool:
    """Whether a value has this type exactly: true is no number."""
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return kind is Any or type(value) is kind or (type(value) is str and value in known)


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    for one in kinds:
        with contextlib.suppress(ValueError):
            return _rebuilt(one, value)
    raise ValueError(f"{str(value)[:MOST_SHOWN]!r} is none of {' or '.join(str(one) for one in kinds)}")


def _dataclass(kind: Any, value: Any) -> Any:
    known = {field.name: field for field in dataclasses.fields(kind)}
    if not isinstance(value, dict) or not value.keys() <= known.keys():
        raise ValueError(f"{str(value)[:MOST_SHOWN]!r} is no {kind.__name__}")
    hints = typing.get_type_hints(kind, localns=_NAMES)
    given = {name: _rebuilt(hints[name], item) for name, item in value.items()}
    try:
        return kind(**given)
    except TypeError as error:  # a field is missing
        raise ValueError(f"{kind.__name__}: {error}") from None
