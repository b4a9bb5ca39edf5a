"""Connections that can be ended from outside, and the bytes between a client and an app."""

from __future__ import annotations

import fcntl
import os
import select
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE = 1 << 20


class Cable:
    """Everything that runs over one plug; once it is pulled, nothing runs over it again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[socket.socket] = set()
        self._pulled = False

    @contextmanager
    def over(self, connection: socket.socket) -> Iterator[None]:
        """This connection runs over it meanwhile, also when it is wrapped in TLS.

        Raises:
            ConnectionAbortedError: The plug is out already.
        """
        handle = connection.dup()
        with self._lock:
            if self._pulled:
                handle.close()
                raise ConnectionAbortedError
            self._held.add(handle)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(handle)
                handle.close()

    def pull(self) -> None:
        """End every connection; whoever waits for one of them reads its end."""
        with self._lock:
            self._pulled = True
            for handle in self._held:
                hang_up(handle)

    def clients(self, port: int) -> int:
        """How many are connected to that port of usbmuxd's, and have not left."""
        with self._lock:
            poll = select.poll()
            ours = [one for one in self._held if one.family == socket.AF_INET and one.getsockname()[1] == port]
            for one in ours:
                poll.register(one, select.POLLRDHUP)
            return len(ours) - len(poll.poll(0))


def relay(app: socket.socket, client: socket.socket) -> None:
    """Pass on everything between both until one of them ends its side; then both are ended, as usbmuxd does."""
    for end in (client, app):
        if end.family == socket.AF_INET:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    back = threading.Thread(target=_pass_on, args=(app, client), daemon=True, name="iphone-relay")
    back.start()
    _pass_on(client, app)
    back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    # the kernel moves the bytes, so that a benchmark measures the other end and not this one
    out, into = os.pipe()
    try:
        fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIECE)
        while count := os.splice(source.fileno(), into, PIECE):
            while count:
                count -= os.splice(out, sink.fileno(), count)
    except OSError:
        pass  # one of both has left
    finally:
        os.close(out)
        os.close(into)
        hang_up(source)
        hang_up(sink)


def leave(client: socket.socket) -> None:
    """Hang up so that all that was said arrives: what nobody has read would reset the connection."""
    with suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        client.settimeout(1)
        while client.recv(PIECE):
            pass


def hang_up(end: socket.socket) -> None:
    """End a connection for both sides, and whoever waits for it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
