"""adb's transport protocol, the device's side: connection, authorisation, streams. Knows no service."""

from __future__ import annotations

import asyncio
import itertools
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.peers.adb_daemon.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.adb_daemon.faults import Faults
    from tests.peers.adb_daemon.stream import Service

HEADER = struct.Struct("<4s5I")
VERSION = 0x01000001
MAX_DATA = 256 * 1024
TOKEN, PUBLIC_KEY = 1, 3


@dataclass
class Manners:
    """How a phone behaves on all its connections.

    Attributes:
        state: ``device``, ``unauthorized`` (asks for keys and accepts none), ``offline`` (never says hello), or a
            mode that it is started in: ``recovery``, ``sideload``, ``rescue``, ``bootloader``.
        banner: What it tells of itself when it is connected to, after its mode.
        services: The service of a service string; None where there is no such service.
        awake: Cleared while nothing at all is answered.
    """

    state: str
    banner: str
    faults: Faults
    services: Callable[[str], Service | None]
    opened: list[str]
    awake: asyncio.Event


class Link:
    """One connection of an adb server."""

    def __init__(self, manners: Manners, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.manners = manners
        self.payload = MAX_DATA
        self._reader, self._writer = reader, writer
        writer.transport.set_write_buffer_limits(0)  # what was drained is on its way, also if we cut right after
        self._streams: dict[int, tuple[Stream, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        magic = int.from_bytes(command, "little") ^ 0xFFFFFFFF
        check = sum(data) if command in {b"CNXN", b"AUTH"} else 0  # left out once both know our version
        self._writer.write(HEADER.pack(command, first, second, len(data), check, magic) + data)

    async def drain(self) -> None:
        await self._writer.drain()

    def cut(self) -> None:
        """End the connection at once, whatever is under way."""
        self._writer.transport.abort()

    def forget(self, number: int) -> asyncio.Task[None] | None:
        entry = self._streams.pop(number, None)
        return entry[1] if entry else None

    def hello(self) -> None:
        mode = self.manners.state
        self.send(b"CNXN", VERSION, MAX_DATA, f"{mode}::{self.manners.banner}".encode())

    async def serve(self) -> None:
        """Until the connection ends or says what is no protocol."""
        try:
            while True:
                command, first, second, size, _, magic = HEADER.unpack(await self._reader.readexactly(HEADER.size))
                if magic != int.from_bytes(command, "little") ^ 0xFFFFFFFF or size > MAX_DATA:
                    return
                data = await self._reader.readexactly(size)
                await self.manners.awake.wait()
                self._take(command, first, second, data)
        finally:
            self._streams.clear()
            for task in self._tasks:
                task.cancel()
            found = await asyncio.gather(*self._tasks, return_exceptions=True)
            for error in found:
                if isinstance(error, Exception) and not isinstance(error, ConnectionError):
                    raise error

    def _take(self, command: bytes, first: int, second: int, data: bytes) -> None:
        if command == b"CNXN":
            self.payload = min(second, MAX_DATA)
            self._greet()
        elif command == b"AUTH" and first != PUBLIC_KEY and self.manners.state == "unauthorized":
            self._greet()
        elif command == b"OPEN":
            self._open(first, data.rstrip(b"\0").decode(errors="replace"))
        elif second in self._streams:
            stream, task = self._streams[second]
            if command == b"WRTE":
                stream.inbox.put_nowait(data)
            elif command == b"OKAY":
                stream.ready.set()
            elif command == b"CLSE":
                stream.close()
                task.cancel()

    def _greet(self) -> None:
        if self.manners.state == "unauthorized":
            self.send(b"AUTH", TOKEN, 0, os.urandom(20))
        elif self.manners.state != "offline":
            self.hello()

    def _open(self, remote: int, opened: str) -> None:
        self.manners.opened.append(opened)
        faults = self.manners.faults
        if faults.take("ignore", opened):
            return
        service = None if faults.take("refuse", opened) else self.manners.services(opened)
        if service is None:
            self.send(b"CLSE", 0, remote)
            return
        stream = Stream(self, next(self._numbers), remote, opened)
        self.send(b"OKAY", stream.local, remote)
        task = asyncio.create_task(stream.live(service))
        self._tasks.add(task)
        self._streams[stream.local] = (stream, task)
