"""One stream of a connection: flow control, and the faults that end or slow it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tests.peers.adb_daemon.faults import Rule
    from tests.peers.adb_daemon.link import Link

    Service = Callable[["Stream"], Coroutine[Any, Any, None]]


class Stream:
    """Bytes both ways with a host. A service never sees a fault: it is ended, or waits for ever.

    Attributes:
        opened: The service string.
        inbox: What the host has written and nobody has taken.
        ready: The host has acknowledged all that we wrote.
    """

    def __init__(self, link: Link, local: int, remote: int, opened: str) -> None:
        self.link, self.local, self.remote, self.opened = link, local, remote, opened
        self.faults = link.manners.faults
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.ready = asyncio.Event()
        self._carried = 0
        self._closed = self._silent = False
        self._writing = asyncio.Lock()
        self._unread = b""

    async def live(self, service: Service) -> None:
        """Run the service; its end is the stream's."""
        await self._meet_faults()
        if garbage := self.faults.take("garbage", self.opened):
            await self._babble(garbage)
        try:
            await service(self)
        except Exception:
            self.close()
            raise
        self.close()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.link.forget(self.local)
            if not self._silent:
                self.link.send(b"CLSE", self.local, self.remote)

    async def receive(self) -> bytes:
        """Whatever the host wrote next."""
        await self._meet_faults()
        data = await self.inbox.get()
        await self._dawdle(len(data))
        cut = self.faults.next_cut(self.opened)
        if cut and self._carried + len(data) > cut.number:
            data = data[: max(cut.number - self._carried, 0)]
        elif not self._silent:
            self.link.send(b"OKAY", self.local, self.remote)
        self._carried += len(data)
        return data

    async def receive_exactly(self, size: int) -> bytes:
        parts = [self._unread]
        missing = size - len(self._unread)
        while missing > 0:
            parts.append(await self.receive())
            missing -= len(parts[-1])
        whole = b"".join(parts)
        self._unread = whole[size:]
        return whole[:size]

    async def write(self, data: bytes) -> None:
        """Returns when the host has taken all of it."""
        async with self._writing:
            start = 0
            while start < len(data):
                await self._meet_faults()
                size = min(self.link.payload, len(data) - start)
                if cut := self.faults.next_cut(self.opened):
                    size = min(size, cut.number - self._carried)
                if slow := self.faults.find("slow", self.opened):
                    size = min(size, max(slow.number // 20, 1))
                await self._dawdle(size)
                self.ready.clear()
                self.link.send(b"WRTE", self.local, self.remote, data[start : start + size])
                await self.link.drain()
                self._carried += size
                start += size
                await self._meet_faults()
                await self.ready.wait()

    async def _dawdle(self, size: int) -> None:
        if slow := self.faults.find("slow", self.opened):
            await asyncio.sleep(size / slow.number)

    async def _meet_faults(self) -> None:
        await self.link.manners.awake.wait()
        cut = self.faults.next_cut(self.opened)
        if self._silent:
            await _for_ever()
        if cut and self._carried >= cut.number:
            cut.happened()
            await self._fall_to(cut)

    async def _fall_to(self, cut: Rule) -> NoReturn:
        if cut.kind == "drop":
            await self.link.drain()
            self.link.cut()
        elif cut.kind == "close":
            task = self.link.forget(self.local)
            self.close()
            if task:
                task.cancel()
        self._silent = True
        await _for_ever()

    async def _babble(self, garbage: Rule) -> NoReturn:
        await self.write(garbage.content)
        while garbage.number:
            await self.write(garbage.content)
        await _for_ever()


async def _for_ever() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError
