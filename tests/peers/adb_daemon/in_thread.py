"""An event loop in a thread, for peers that serve while a test uses their other end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

SCANNED = range(5555, 5586)
HOST = "127.0.0.1"


class InThread(ABC):
    """Serves one port from ``with`` to its end. What went wrong in here is raised at the end, and not lost.

    Attributes:
        port: Kept for us the whole time, also while nobody listens there.
    """

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self._held = free_port()
        self.port: int = self._held.getsockname()[1]
        self._started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name=type(self).__name__)
        self._clients: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @abstractmethod
    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client to its end."""

    def _end(self) -> None:  # noqa: B027 - most have nothing else
        """End what else was started; nobody is connected any more."""

    async def _listen(self) -> None:
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((HOST, self.port))
        self._server = await asyncio.start_server(self._client, sock=door)

    async def _leave(self) -> None:
        """Listen no more, and cut every client off."""
        if self._server:
            self._server.close()
            self._server = None
        clients = set(self._clients)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._clients.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._talk(reader, writer)
        except Exception as error:  # noqa: BLE001 - told at the end
            self.errors.append(error)
        finally:
            self._clients.discard(task)
            writer.transport.abort()

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        await self._listen()
        self._started.set_result(None)
        await self._stop.wait()
        await self._leave()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30)
            assert not self._thread.is_alive()
        finally:
            self._end()
            self._held.close()
        if self.errors and error is None:
            raise self.errors[0]


def free_port() -> socket.socket:
    """A socket that is bound and does not listen: connections are refused, and nobody else gets the port."""
    while True:
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, 0))
        if held.getsockname()[1] not in SCANNED:
            return held
        held.close()
