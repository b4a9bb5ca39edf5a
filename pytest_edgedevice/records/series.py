"""Raw series in a record: exact, compressed, read back with suspicion.

A packed series is an object with ``encoding``, ``count`` and ``data``: little-endian
64-bit integers, their first bytes first, then their second bytes and so on, zlib,
base64. Neighbours share their high bytes, so that this is less than half of the
digits. Standard library only.
"""

from __future__ import annotations

import base64
import binascii
import sys
import zlib
from array import array
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

ENCODING = "int64-planes-zlib-base64"
MOST_ENTRIES = 1_000_000
WIDTH = 8


def pack(samples: Sequence[int]) -> dict[str, Any]:
    """A series of 64-bit integers as plain JSON types; see ``unpack``.

    Raises:
        OverflowError: A number does not fit.
    """
    values = array("q", samples)
    if sys.byteorder == "big":
        values.byteswap()
    octets = values.tobytes()
    planes = b"".join(octets[place::WIDTH] for place in range(WIDTH))
    data = base64.b64encode(zlib.compress(planes, 9)).decode("ascii")
    return {"encoding": ENCODING, "count": len(values), "data": data}


def unpack(value: Any, *, where: str = "the series") -> list[int]:
    """The series of a record: packed, or a plain list as older records have it.

    Args:
        value: What the record holds.
        where: What to call it in a message.

    Raises:
        UsageError: It is no such series.
    """
    if isinstance(value, list):
        if len(value) > MOST_ENTRIES or not all(type(one) is int and 0 <= one < 1 << 63 for one in value):
            raise UsageError(f"{where} is no list of up to {MOST_ENTRIES} times in whole nanoseconds")
        return list(value)
    if not isinstance(value, dict) or value.get("encoding") != ENCODING:
        raise UsageError(f"{where} is neither a list nor packed as {ENCODING}")
    count, data = value.get("count"), value.get("data")
    if type(count) is not int or not 0 <= count <= MOST_ENTRIES or not isinstance(data, str):
        raise UsageError(f"{where} has no count from 0 to {MOST_ENTRIES}, or no data")
    planes = _inflated(data, count * WIDTH, where=where)
    octets = bytearray(len(planes))
    for place in range(WIDTH):
        octets[place::WIDTH] = planes[place * count : (place + 1) * count]
    values = array("q", bytes(octets))
    if sys.byteorder == "big":
        values.byteswap()
    if count and min(values) < 0:
        raise UsageError(f"{where} holds a negative time")
    return values.tolist()


def _inflated(data: str, size: int, *, where: str) -> bytes:
    """Exactly so many bytes; what would grow further is not expanded."""
    stream = zlib.decompressobj()
    try:
        planes = stream.decompress(base64.b64decode(data, validate=True), size + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise UsageError(f"{where} cannot be unpacked: {error}") from error
    if len(planes) != size or not stream.eof:
        raise UsageError(f"{where} does not hold the {size // WIDTH} times that it says")
    return planes
