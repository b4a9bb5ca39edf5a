"""The wire codec: frames in, frames out, no input or output of its own.

Both ends import this file. Whatever arrives is hostile until proven
otherwise: lengths are checked before memory is taken, and memory grows with
the bytes that really came, not with those that were promised. Standard
library only, Python 3.9.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Union

Buffer = Union[bytes, bytearray, memoryview]
Header = Dict[str, Any]

MAGIC = b"EDG1"
PREFIX = struct.Struct("<4sIQ")  # magic, header bytes, payload bytes
MAX_HEADER_BYTES = 1 << 20
MAX_PAYLOAD_BYTES = 1 << 30
MAX_DIMENSIONS = 16
MAX_NAME_CHARS = 4096
GROWTH_BYTES = 8 << 20
ROLES = frozenset({"tensor", "sample", "timing"})

ITEM_BYTES = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "uint64": 8,
    "float16": 2, "float32": 4, "float64": 8, "complex64": 8, "complex128": 16,
}  # fmt: skip


class WireError(ValueError):
    """The bytes do not follow the protocol; the stream cannot be used any more."""


class Frame(NamedTuple):
    """One message: a JSON object and raw bytes."""

    header: Header
    payload: memoryview


class TensorPart(NamedTuple):
    """One tensor inside a payload.

    ``data`` is C-ordered and little-endian, ``role`` is ``tensor`` unless the sender said otherwise.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: memoryview
    role: str


def encode(header: Header, payload: Sequence[Buffer] = ()) -> List[Buffer]:
    """The buffers of one frame, to be written in order.

    Raises:
        WireError: Header or payload are over their limit, or the header holds what JSON cannot say (NaN, for one).
    """
    try:
        text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise WireError(f"header cannot be written as JSON: {error}") from error
    if len(text) > MAX_HEADER_BYTES:
        raise WireError(f"header of {len(text)} bytes is over the limit of {MAX_HEADER_BYTES}")
    views = [memoryview(part).cast("B") for part in payload if memoryview(part).nbytes]
    size = sum(view.nbytes for view in views)
    if size > MAX_PAYLOAD_BYTES:
        raise WireError(f"payload of {size} bytes is over the limit of {MAX_PAYLOAD_BYTES}")
    return [PREFIX.pack(MAGIC, len(text), size) + text, *views]


class FrameReader:
    """Turns a byte stream into frames without reading from anything itself.

    The owner fills ``buffer()`` and tells ``advance()`` how much came. Memory
    is bounded by ``max_payload_bytes``, and by twice what arrived plus 8 MiB.

    Args:
        max_payload_bytes: Larger payloads are refused before they are read; may be changed between frames.
    """

    def __init__(self, *, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self.max_payload_bytes = max_payload_bytes
        self._header: Optional[Header] = None
        self._header_bytes = 0
        self._payload_bytes = 0
        self._expect("prefix", PREFIX.size)

    def _expect(self, part: str, size: int) -> None:
        self._part = part
        self._size = size
        self._filled = 0
        self._data = bytearray(min(size, GROWTH_BYTES))

    def buffer(self) -> memoryview:
        """Where the next bytes belong; never empty. Drop the view before the next call of anything."""
        if self._filled == len(self._data):
            self._data.extend(bytes(min(self._size - self._filled, max(GROWTH_BYTES, self._filled))))
        return memoryview(self._data)[self._filled :]

    def advance(self, count: int) -> Optional[Frame]:
        """Account for ``count`` bytes written to ``buffer()``; a frame when it is complete.

        Raises:
            WireError: The bytes cannot be a frame. The reader must not be used afterwards.
        """
        self._filled += count
        if self._filled < self._size:
            return None
        if self._part == "prefix":
            self._read_prefix()
            return None
        if self._part == "header":
            self._header = _parse_header(self._data)
            if self._payload_bytes:
                self._expect("payload", self._payload_bytes)
                return None
            return self._finish(memoryview(b""))
        return self._finish(memoryview(self._data))

    def eof(self) -> None:
        """The stream ended.

        Raises:
            WireError: In the middle of a frame.
        """
        if self._part != "prefix" or self._filled:
            raise WireError(f"stream ended after {self._filled} of {self._size} bytes of a frame's {self._part}")

    def _read_prefix(self) -> None:
        magic, header_bytes, payload_bytes = PREFIX.unpack(self._data)
        if magic != MAGIC:
            raise WireError(f"expected a frame, got {bytes(self._data)!r}")
        if not 2 <= header_bytes <= MAX_HEADER_BYTES:
            raise WireError(f"header length {header_bytes} is outside 2..{MAX_HEADER_BYTES}")
        if payload_bytes > self.max_payload_bytes:
            raise WireError(f"payload of {payload_bytes} bytes is over the limit of {self.max_payload_bytes}")
        self._payload_bytes = payload_bytes
        self._expect("header", header_bytes)

    def _finish(self, payload: memoryview) -> Frame:
        header = self._header
        assert header is not None
        self._header = None
        self._expect("prefix", PREFIX.size)
        return Frame(header, payload)


def _parse_header(data: bytearray) -> Header:
    try:
        header = json.loads(data.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise WireError(f"header is not JSON: {error}") from None
    if not isinstance(header, dict):
        raise WireError(f"header is a {type(header).__name__}, not an object")
    return header


def _refuse_constant(name: str) -> float:
    raise WireError(f"header holds {name}, which JSON does not have")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise WireError(f"header holds {text[:20]}, which is no finite number")
    return value


def describe(name: str, dtype: str, shape: Iterable[int], role: str = "tensor") -> Header:
    """The header entry of one tensor; its bytes follow in the payload in the same order."""
    entry: Header = {"name": name, "dtype": dtype, "shape": list(shape)}
    if role != "tensor":
        entry["role"] = role
    return entry


def split_tensors(header: Header, payload: memoryview) -> List[TensorPart]:
    """Cut a payload into the tensors that ``header["tensors"]`` announces.

    Raises:
        WireError: The announcement is malformed, or does not fit the payload to the byte.
    """
    entries = header.get("tensors")
    if not isinstance(entries, list):
        raise WireError("header has no list 'tensors'")
    parts = []
    offset = 0
    for entry in entries:
        name, dtype, shape, role = _check_entry(entry)
        size = ITEM_BYTES[dtype]
        for dimension in shape:
            size *= dimension
        if offset + size > len(payload):
            raise WireError(f"tensor {name!r} needs {size} bytes, the payload has {len(payload) - offset} left")
        parts.append(TensorPart(name, dtype, shape, payload[offset : offset + size], role))
        offset += size
    if offset != len(payload):
        raise WireError(f"payload has {len(payload) - offset} bytes that no tensor claims")
    return parts


def _check_entry(entry: Any) -> tuple[str, str, tuple[int, ...], str]:
    if not isinstance(entry, dict):
        raise WireError("an entry of 'tensors' is not an object")
    name, dtype, shape, role = (
        entry.get("name"),
        entry.get("dtype"),
        entry.get("shape"),
        entry.get("role", "tensor"),
    )
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARS or not _encodable(name):
        raise WireError("a tensor's name is not a short string")
    if not isinstance(role, str) or role not in ROLES:
        raise WireError(f"tensor {name!r} has unknown role {str(role)[:40]!r}")
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise WireError(f"tensor {name!r} has unknown dtype {str(dtype)[:40]!r}")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS:
        raise WireError(f"tensor {name!r} has no shape of at most {MAX_DIMENSIONS} dimensions")
    if any(type(size) is not int or not 0 <= size < 1 << 48 for size in shape):
        raise WireError(f"tensor {name!r} has an impossible shape {str(shape)[:80]}")
    return name, dtype, tuple(shape), role


def _encodable(text: str) -> bool:
    """Whether a text can be written again: JSON can smuggle half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


if sys.byteorder != "little":  # pragma: no cover - no such device is known
    raise ImportError("the wire format is little-endian, and so must the machine be")
