"""What tells a metric from an earlier version of itself: its code, and every value that the code can see.

Scores that another version gave must not be mixed with new ones, so that what cannot be told apart counts as changed
where that is possible: the code of functions that are called by name is part of it, of any module but the standard
library's and those that are installed.
"""

from __future__ import annotations

import functools
import hashlib
import sysconfig
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

MOST_PARTS = 2000
MOST_DEPTH = 60
FOREIGN = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
PLAIN = (str, bytes, int, float, complex, type(None), type(...))


def fingerprint_of(metric: Any) -> str:
    """A hash of code, defaults, closures, attributes and globals; empty where there is nothing but a built-in."""
    if isinstance(metric, types.BuiltinFunctionType):
        return ""
    digest = hashlib.sha256()
    for part in _Walk().parts(metric):
        digest.update(f"{len(part)}:".encode() + part)
    return digest.hexdigest()[:16]


class _Walk:
    """Goes through a value once, however often it is met."""

    def __init__(self) -> None:
        self._met: list[Any] = []  # kept, so that no other value takes over an identity
        self._places: dict[int, int] = {}
        self._depth = 0

    def parts(self, value: Any) -> Iterator[bytes]:
        if isinstance(value, PLAIN):
            yield f"{type(value).__name__} {value!r}".encode(errors="backslashreplace")
        elif id(value) in self._places or len(self._met) >= MOST_PARTS or self._depth >= MOST_DEPTH:
            yield f"met {self._places.get(id(value))}".encode()
        else:
            self._places[id(value)] = len(self._met)
            self._met.append(value)
            self._depth += 1
            yield from self._inside(value)
            self._depth -= 1

    def _inside(self, value: Any) -> Iterator[bytes]:
        yield _named(value)
        if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
            yield f"{value.dtype.str}{np.shape(value)}".encode() + value.tobytes()
        elif isinstance(value, Mapping):
            for key in sorted(value, key=repr):
                yield from self.parts(key)
                yield from self.parts(value[key])
        elif isinstance(value, set | frozenset):
            yield repr(sorted(map(repr, value))).encode(errors="backslashreplace")
        elif isinstance(value, list | tuple):
            for one in value:
                yield from self.parts(one)
        elif isinstance(value, types.CodeType):
            yield value.co_code
            yield from self.parts((value.co_names, value.co_varnames, value.co_freevars, value.co_consts))
        else:
            for one in _of(value):
                yield from self.parts(one)


def _of(value: Any) -> Iterator[Any]:
    """What a function or an object is made of; nothing for what comes with Python or was installed."""
    if isinstance(value, types.FunctionType):
        if not value.__code__.co_filename.startswith(FOREIGN):
            yield from (value.__code__, value.__defaults__, value.__kwdefaults__)
            yield [one.cell_contents for one in value.__closure__ or () if _is_filled(one)]
            yield {name: value.__globals__[name] for name in _names(value.__code__) if name in value.__globals__}
    elif isinstance(value, types.MethodType):
        yield from (value.__func__, value.__self__)
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, type):
        for kind in value.__mro__[:-1]:
            yield {name: one for name, one in vars(kind).items() if not name.startswith("__") or name == "__call__"}
    elif not isinstance(value, types.ModuleType | types.BuiltinFunctionType):
        yield type(value)
        yield getattr(value, "__dict__", {})


def _names(code: types.CodeType) -> Iterator[str]:
    """Names that a function looks up, and those of the functions inside of it."""
    yield from code.co_names
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from _names(one)


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asking is the only way to find out
    except ValueError:
        return False
    return True


def _named(value: Any) -> bytes:
    name = getattr(value, "__qualname__", None) or type(value).__qualname__
    return str(name).encode(errors="backslashreplace")
