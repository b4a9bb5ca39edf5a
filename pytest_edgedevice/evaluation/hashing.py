"""What tells one sample from another when it comes again: a hash of its inputs and its label."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

HASH_BYTES = 16


def hash_of(*values: Any) -> bytes:
    """A hash of plain values and arrays.

    Raises:
        TypeError: One is no plain value.
    """
    digest = hashlib.sha256()
    for value in values:
        _feed(digest, value)
    return digest.digest()[:HASH_BYTES]


def _feed(digest: Any, value: Any) -> None:
    """Add a value, whose form is added too, so that no two values look alike.

    Raises:
        TypeError: It is no plain value.
    """
    if isinstance(value, np.ndarray | np.generic):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"an array of {array.dtype} has no bytes of its own")
        digest.update(f"a{array.dtype.str}{np.shape(value)}".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    elif isinstance(value, Mapping):
        digest.update(f"m{len(value)}".encode())
        for key in sorted(value, key=str):
            _feed(digest, str(key))
            _feed(digest, value[key])
    elif isinstance(value, list | tuple):
        digest.update(f"l{len(value)}".encode())
        for one in value:
            _feed(digest, one)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _feed(digest, {one.name: getattr(value, one.name) for one in dataclasses.fields(value)})
    elif value is None or isinstance(value, str | bytes | int | float | bool):
        text = repr(value).encode()
        digest.update(f"v{len(text)}:".encode() + text)
    else:
        raise TypeError(f"a {type(value).__name__} is no plain value")
