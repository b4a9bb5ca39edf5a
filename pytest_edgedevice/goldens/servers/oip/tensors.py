"""Tensors as the protocol writes them: datatypes, JSON values, raw bytes.

Raises only ``ProtocolError`` for what a server wrote, and ``InputError`` for what it cannot be told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.errors import InputError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = npt.NDArray[Any]

DTYPES = {
    "BOOL": "bool",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}
REFUSED = {
    "BYTES": "texts and files, which no golden compares",
    "BF16": "bfloat16, which numpy does not have",
}
KINDS: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}
MOST_DIMENSIONS = 32


def dtype_of(datatype: Any, *, where: str) -> str:
    """Give numpy's name of a datatype.

    Raises:
        ProtocolError: There is none of that name, or it is one that no golden can hold.
    """
    if isinstance(datatype, str) and datatype in DTYPES:
        return DTYPES[datatype]
    if isinstance(datatype, str) and datatype in REFUSED:
        raise ProtocolError(
            f"{where} is of datatype {datatype}: {REFUSED[datatype]}",
            hint="let the server give numbers, for example by a cast to FP32 as its last step",
        )
    raise ProtocolError(f"{where} has the datatype {datatype!r:.40}; known are {', '.join(DTYPES)}")


def datatype_of(array: Array, *, where: str) -> str:
    """The protocol's name of an array's dtype.

    Raises:
        InputError: It has none.
    """
    if array.dtype.name not in DATATYPES:
        raise InputError(f"{where} is {array.dtype.name}, which the protocol does not know")
    return DATATYPES[array.dtype.name]


def as_json(array: Array, *, where: str) -> list[Any]:
    """An array's values in row-major order, each exactly.

    Raises:
        InputError: One of them is NaN or infinite, which JSON cannot say.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"{where} holds infinities, which JSON cannot carry, and the server offers no binary tensors",
            hint="serve the model where 'binary_tensor_data' is offered, or use large finite numbers",
        )
    flat: list[Any] = array.ravel().tolist()
    return flat


def shape_of(value: Any, *, where: str, dtype: str, most_bytes: int) -> tuple[int, ...]:
    """Check a shape before anything of its size is made.

    Raises:
        ProtocolError: It is no list of sizes, or too large.
    """
    if not isinstance(value, list) or len(value) > MOST_DIMENSIONS:
        raise ProtocolError(f"{where}.shape is no list of at most {MOST_DIMENSIONS} sizes")
    for size in value:
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ProtocolError(f"{where}.shape holds {size!r:.40}, which is no size")
    claimed = math.prod(value) * np.dtype(dtype).itemsize
    if claimed > most_bytes or max(value, default=0) > most_bytes:
        raise ProtocolError(f"{where} claims {claimed:.4g} bytes; at most {most_bytes} are taken")
    return tuple(value)


def from_bytes(raw: bytes, shape: tuple[int, ...], dtype: str, *, where: str) -> Array:
    """The values of one binary tensor: row-major, little-endian.

    Raises:
        ProtocolError: They are more or fewer than the shape says, or no booleans.
    """
    wanted = math.prod(shape) * np.dtype(dtype).itemsize
    if len(raw) != wanted:
        raise ProtocolError(f"{where} has {len(raw)} bytes, but {dtype} of shape {list(shape)} has {wanted}")
    if dtype == "bool" and raw.translate(None, b"\x00\x01"):
        raise ProtocolError(f"{where} holds bytes other than 0 and 1, which are no booleans")
    stored = np.frombuffer(raw, np.dtype(dtype).newbyteorder("<"))
    return stored.astype(dtype).reshape(shape)


def from_json(data: Any, shape: tuple[int, ...], dtype: str, *, where: str) -> Array:
    """The values of one tensor in JSON, nested like its shape or flat.

    Raises:
        ProtocolError: They are not as many as the shape says, of another kind, or beyond the dtype.
    """
    flat = _flat(data, shape, where=where)
    if len(flat) != math.prod(shape):
        raise ProtocolError(f"{where}.data has {len(flat)} values, but shape {list(shape)} has {math.prod(shape)}")
    kinds = set(map(type, flat))
    wanted = KINDS[np.dtype(dtype).kind]
    if not kinds <= wanted:
        odd = next(value for value in flat if type(value) not in wanted)
        also = "; some servers write NaN that way" if odd is None else ""
        raise ProtocolError(f"{where}.data holds {_shown(odd)}, but {dtype} was announced{also}")
    if dtype == "bool":
        return np.array(flat, bool).reshape(shape)
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        for value in (min(flat, default=0), max(flat, default=0)):
            if not limits.min <= value <= limits.max:
                raise ProtocolError(f"{where}.data holds {value!r:.40}, which is beyond {dtype}")
        return np.array(flat, dtype).reshape(shape)
    return _floats(flat, dtype, where=where).reshape(shape)


def _floats(flat: Sequence[int | float], dtype: str, *, where: str) -> Array:
    try:
        wide = np.array(flat, np.float64)
    except OverflowError as error:
        raise ProtocolError(f"{where}.data holds a whole number beyond {dtype}") from error
    with np.errstate(over="ignore"):
        narrow: Array = wide.astype(dtype)
    beyond = np.isinf(narrow) & np.isfinite(wide)
    if beyond.any():
        raise ProtocolError(f"{where}.data holds {wide[beyond][0]:g}, which is beyond {dtype}")
    return narrow


def _flat(data: Any, shape: tuple[int, ...], *, where: str) -> list[Any]:
    if not isinstance(data, list):
        raise ProtocolError(f"{where}.data is no list")
    if not data or not isinstance(data[0], list):
        return data
    level: list[Any] = [data]
    for size in shape:
        if any(not isinstance(one, list) or len(one) != size for one in level):
            raise ProtocolError(f"{where}.data is not nested like its shape {list(shape)}")
        level = [value for one in level for value in one]
    return level


def _shown(value: Any) -> str:
    return "null" if value is None else "a list" if isinstance(value, list) else f"{value!r:.40}"
