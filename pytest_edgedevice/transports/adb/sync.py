"""Files to and from a device in adb's sync protocol, with a deadline over all of it.

adbutils' own has none, and sends small pieces one by one. Whatever the size, the bytes flow in
packets of 64 KiB, so that a file may be larger than the 4 GiB that the protocol can tell of.

Source: AOSP, ``packages/modules/adb/SYNC.TXT``.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.writing import write_some
from pytest_edgedevice.errors import DeadlineError, DeviceFullError, TransportError
from pytest_edgedevice.transports.pipes import LONGEST_POLL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_edgedevice.transports.progress import Moved

HEADER = struct.Struct("<4sI")
PACKET_BYTES = 64 << 10
MOST_PATH_BYTES = 1024
MOST_REASON_BYTES = 4096
SOCKET_BYTES = 1 << 20
REFUSAL_S = 5.0
MODE = 0o700
"""Owner only; adbd gives group and others what the owner has, so that it is the folder that keeps them out."""
FULL_HINT = "free space there, or name a folder on a larger disk with 'folder' in edgedevice.toml"


class Sync:
    """A connection for files; one at a time, any number after each other.

    Args:
        link: A connection to the service ``sync:``, not blocking; owned from here on.
        where: The device, for messages.
        lost: Makes the error for a connection that broke, out of a clause that says how.
    """

    def __init__(self, link: socket.socket, *, where: str, lost: Callable[[str], TransportError]) -> None:
        self._link = link
        self._where = where
        self._lost = lost
        self._path = ""
        self._process = os.getpid()
        with contextlib.suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BYTES)

    def put(self, path: str, pieces: Iterable[memoryview], *, deadline: float, moved: Moved) -> int:
        """Write a new file; its size.

        Args:
            path: Its absolute path there; its folder is made if it is missing.
            pieces: Its content.
            deadline: By when, on the monotonic clock.
            moved: Counts what has gone.

        Raises:
            DeviceFullError: No space. What there is of it is left for the caller to remove.
            TransportError: The device refuses, or is lost.
            DeadlineError: It did not end in time.
        """
        size, self._path = 0, path
        self._write(self._request(b"SEND", os.fsencode(path) + b",%d" % MODE), deadline)
        for piece in pieces:
            size += len(piece)
            self._write(_packets(piece), deadline)
            moved.sent_bytes += len(piece)
            self._check_unrefused(deadline)
        self._write(deque([memoryview(HEADER.pack(b"DONE", int(time.time()) & 0xFFFFFFFF))]), deadline)
        self._answer(path, deadline)
        return size

    def get(self, path: str, *, deadline: float) -> Iterator[bytes]:
        """Read a file, piece by piece.

        Raises:
            TransportError: The device refuses, lies about sizes, or is lost.
            DeadlineError: It did not end in time.
        """
        self._write(self._request(b"RECV", os.fsencode(path)), deadline)
        while True:
            if time.monotonic() > deadline:
                raise self._late()
            kind, size = HEADER.unpack(self._read(HEADER.size, deadline))
            if kind == b"DONE":
                return
            if kind != b"DATA" or size > PACKET_BYTES:
                raise self._failed(path, kind, size, deadline)
            yield self._read(size, deadline)

    def break_off(self) -> None:
        """Have whoever waits at this connection find it ended; it is closed by its owner."""
        if os.getpid() == self._process:  # a forked child has no part in it
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _request(self, kind: bytes, text: bytes) -> deque[memoryview]:
        if len(text) > MOST_PATH_BYTES:
            raise TransportError(f"{self._where}: a path of {len(text)} bytes is longer than adb takes")
        return deque([memoryview(HEADER.pack(kind, len(text)) + text)])

    def _answer(self, path: str, deadline: float) -> None:
        kind, size = HEADER.unpack(self._read(HEADER.size, deadline))
        if kind != b"OKAY":
            raise self._failed(path, kind, size, deadline)

    def _failed(self, path: str, kind: bytes, size: int, deadline: float) -> TransportError:
        if kind != b"FAIL" or size > MOST_REASON_BYTES:
            return TransportError(f"{self._where} broke adb's sync protocol: {kind!r} with {size} bytes")
        reason = self._read(size, deadline).decode("utf-8", "replace")
        reason = "".join(char if char.isprintable() else " " for char in reason)[:300]
        if "No space left" in reason or "quota" in reason.lower():
            return DeviceFullError(f"{self._where}: no space left on the device for {path}: {reason}", hint=FULL_HINT)
        return TransportError(f"{self._where}: {path} could not be written or read: {reason}")

    def _write(self, unsent: deque[memoryview], deadline: float) -> None:
        while unsent:
            if time.monotonic() > deadline:
                raise self._late()
            try:
                write_some(self._link.fileno(), unsent)
            except BlockingIOError:
                self._wait(select.POLLOUT | select.POLLIN, deadline)
                self._check_unrefused(deadline)
            except OSError as error:
                self._hear_refusal(deadline)
                raise self._lost(f"the transfer broke: {error.strerror}") from None

    def _check_unrefused(self, deadline: float) -> None:
        if self._wait(select.POLLIN, 0.0):  # it speaks in mid-file only to refuse it
            self._hear_refusal(deadline)

    def _hear_refusal(self, deadline: float) -> None:
        with contextlib.suppress(DeadlineError):
            self._answer(self._path, min(deadline, time.monotonic() + REFUSAL_S))
            raise TransportError(f"{self._where} took {self._path} for whole before it was")

    def _read(self, count: int, deadline: float) -> bytes:
        found = bytearray()
        while len(found) < count:
            try:
                piece = self._link.recv(count - len(found))
            except BlockingIOError:
                if not self._wait(select.POLLIN, deadline):
                    raise self._late() from None
                continue
            except OSError as error:
                raise self._lost(f"the transfer broke: {error.strerror}") from None
            if not piece:
                raise self._lost("the transfer ended early")
            found += piece
        return bytes(found)

    def _wait(self, events: int, deadline: float) -> bool:
        """Whether something happened in time; looks once when there is none."""
        poll = select.poll()
        try:
            poll.register(self._link, events)
        except ValueError:  # closed by another thread
            raise self._lost("the transfer was broken off") from None
        left_s = max(deadline - time.monotonic(), 0.0) if deadline else 0.0
        return bool(poll.poll(min(left_s, LONGEST_POLL_S) * 1000))

    def _late(self) -> DeadlineError:
        return DeadlineError(f"a transfer of files with {self._where} did not end in time")


def _packets(piece: memoryview) -> deque[memoryview]:
    packets: deque[memoryview] = deque()
    for start in range(0, len(piece), PACKET_BYTES):
        part = piece[start : start + PACKET_BYTES]
        packets.append(memoryview(HEADER.pack(b"DATA", len(part))))
        packets.append(part)
    return packets
