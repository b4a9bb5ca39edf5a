"""The Python agent in a thread of this process, whose replies are changed on their way."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.session import Session
from pytest_edgedevice.agent.wire import Frame, FrameReader, WireError, encode
from pytest_edgedevice.conformance.ends import Agent, End
from pytest_edgedevice.transports.pipes import PipeStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes] | None]


class Mutant(Agent):
    """An agent with one fault.

    Args:
        folder: For its blobs.
        change: Gets every header and payload that it sends; None ends the conversation instead.
    """

    name = "mutant"
    by_tcp = True

    def __init__(self, folder: Path, change: Change) -> None:
        self._folder = folder
        self._change = change

    def open(self) -> End:
        """See the base class."""
        ours, theirs = socket.socketpair()
        thread = threading.Thread(target=self._serve, args=(theirs,), daemon=True)
        thread.start()
        return _SocketEnd(ours, thread)

    def _serve(self, connection: socket.socket) -> None:
        session = Session(str(self._folder))
        reader = FrameReader()
        with connection, contextlib.suppress(OSError, WireError):
            connection.sendall(SENTINEL)
            going_on = self._send(connection, session.hello(), b"")
            while going_on and not session.ended:
                frame = self._receive(connection, reader)
                if frame is None:
                    return
                header, buffers = session.answer(frame)
                going_on = self._send(connection, header, b"".join(bytes(one) for one in buffers))

    def _send(self, connection: socket.socket, header: dict[str, Any], payload: bytes) -> bool:
        changed = self._change(header, payload)
        if changed is None:
            return False
        connection.sendall(b"".join(bytes(one) for one in encode(changed[0], [changed[1]])))
        return True

    def _receive(self, connection: socket.socket, reader: FrameReader) -> Frame | None:
        while count := connection.recv_into(reader.buffer()):
            if frame := reader.advance(count):
                return frame
        return None


class _SocketEnd(End):
    def __init__(self, connection: socket.socket, thread: threading.Thread) -> None:
        descriptor = connection.detach()
        self.stream = PipeStream(descriptor, descriptor)
        self._thread = thread

    def hang_up(self) -> None:
        self.kill()

    def over(self, *, timeout_s: float) -> tuple[bool, int | None]:
        self._thread.join(timeout_s)
        return not self._thread.is_alive(), None

    def last_words(self) -> str:
        return ""

    def kill(self) -> None:
        self.stream.close()
        self._thread.join(10)
