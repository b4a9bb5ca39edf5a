"""Something between two ends of a connection that can stop to pass anything on, as a cable does that is pulled out."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self


class Relay:
    """A port of this machine behind which another one is.

    Args:
        to: The port to pass everything on to.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._cut = threading.Event()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Pass nothing on from now on; nobody is told."""
        self._cut.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                one, _ = self._server.accept()
                other = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [one, other]
                for source, sink in ((one, other), (other, one)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                if self._cut.is_set():
                    return
                sink.sendall(piece)
        if not self._cut.is_set():
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cut.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        for end in (self._server, *self._ends):
            with contextlib.suppress(OSError):
                end.close()
