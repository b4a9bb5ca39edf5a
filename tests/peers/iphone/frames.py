"""Property lists in frames: those between usbmuxd and its clients, and those of lockdownd and its services."""

from __future__ import annotations

import plistlib
import struct
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import socket

Plist = dict[str, Any]
LARGEST = 1 << 24
"""Bytes of a request; daemons hang up on more."""

MUX = struct.Struct("<4I")
"""Size of the whole frame, version, kind of message, and the number that the answer repeats."""
PLISTS, PLIST = 1, 8
"""The version of the protocol that speaks in property lists, and the kind of message that holds one."""
SIZE = struct.Struct(">I")


class Frame(Protocol):
    """Wraps a body; where a size is given, the frame claims to hold so many bytes."""

    def __call__(self, body: bytes, claimed: int | None = None, /) -> bytes: ...


def mux_frame(tag: int) -> Frame:
    """Frames of usbmuxd that answer this request, or none where it is 0."""

    def frame(body: bytes, claimed: int | None = None, /) -> bytes:
        return MUX.pack(MUX.size + len(body) if claimed is None else claimed, PLISTS, PLIST, tag) + body

    return frame


def plist_frame(body: bytes, claimed: int | None = None, /) -> bytes:
    """A frame of lockdownd and its services."""
    return SIZE.pack(len(body) if claimed is None else claimed) + body


def read_mux(connection: socket.socket) -> tuple[int, Plist]:
    """A request to usbmuxd, with its number.

    Raises:
        EOFError: The connection ended, or what came is no such request.
    """
    size, version, kind, tag = MUX.unpack(read_exactly(connection, MUX.size))
    if not MUX.size <= size <= LARGEST or (version, kind) != (PLISTS, PLIST):
        raise EOFError
    return tag, _parsed(read_exactly(connection, size - MUX.size))


def read_plist(connection: socket.socket) -> Plist:
    """A request to lockdownd or one of its services.

    Raises:
        EOFError: The connection ended, or what came is no such request.
    """
    (size,) = SIZE.unpack(read_exactly(connection, SIZE.size))
    if size > LARGEST:
        raise EOFError
    return _parsed(read_exactly(connection, size))


def read_exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: The connection ended before.
    """
    pieces = bytearray()
    while len(pieces) < count:
        if not (piece := connection.recv(count - len(pieces))):
            raise EOFError
        pieces += piece
    return bytes(pieces)


def _parsed(body: bytes) -> Plist:
    try:
        found = plistlib.loads(body)
    except Exception as error:
        raise EOFError from error
    if isinstance(found, dict):
        return found
    raise EOFError
