"""A connection to a server that one deadline ends, whatever is being done with it then.

``http.client`` reads and writes. What it lacks is a deadline that a peer which
drips byte after byte cannot stretch, so a timer cuts the connection.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_edgedevice.goldens.servers.oip.address import Address


class Cut:
    """Shuts a connection down when its time is over, whatever is being done with it then."""

    def __init__(self, timeout_s: float) -> None:
        self._end = time.monotonic() + timeout_s
        self._timer = threading.Timer(timeout_s, self._cut)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._over = False
        self.reached = False

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._watched is not None:
                self._watched.close()

    def left_s(self) -> float:
        """Seconds until the end, never nothing, which sockets take for no limit at all."""
        return max(self._end - time.monotonic(), 0.001)

    def watch(self, connected: socket.socket) -> None:
        """From now on the end reaches this socket, and whatever is wrapped around it."""
        with self._lock:
            self._watched = connected.dup()
        if self.reached:
            self._cut()

    def expire(self) -> None:
        """Take note that something else waited until the end."""
        self.reached = True

    def _cut(self) -> None:
        with self._lock:
            if self._over:
                return
            self.reached = True
            if self._watched is not None:
                with contextlib.suppress(OSError):
                    self._watched.shutdown(socket.SHUT_RDWR)


class Connection(http.client.HTTPConnection):
    """A connection that is made within the deadline, encrypted where the address says so."""

    def __init__(self, address: Address, cut: Cut) -> None:
        super().__init__(address.host, address.port)
        self._secure = address.scheme == "https"
        self._cut = cut
        self.where = f"{address.scheme}://{address.host}:{address.port}"

    def connect(self) -> None:
        """Find the host, and connect to the first of its addresses that takes us."""
        connected = _connected(self.host, self.port, self._cut)
        try:
            self._cut.watch(connected)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                # the names in the certificate and who signed it are checked: that is the default context's purpose
                context = ssl.create_default_context()
                self.sock = context.wrap_socket(connected, server_hostname=self.host)
            else:
                self.sock = connected
        except BaseException:
            connected.close()
            raise


def _connected(host: str, port: int, cut: Cut) -> socket.socket:
    problem: OSError = OSError("it has no address")
    for family, kind, protocol, _, place in _resolved(host, port, cut):
        one = socket.socket(family, kind, protocol)
        one.settimeout(cut.left_s())
        try:
            one.connect(place)
            one.settimeout(None)  # from here on the cut ends every wait
            return one
        except TimeoutError as error:
            one.close()
            cut.expire()
            problem = error
        except OSError as error:
            one.close()
            problem = error
    raise problem


def _resolved(host: str, port: int, cut: Cut) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    """Addresses of a host. The system's resolver takes no deadline, so a thread of its own waits for it."""
    found: list[tuple[int, int, int, str, tuple[str | int, ...]]] = []
    problems: list[OSError | ValueError] = []

    def resolve() -> None:
        try:
            found.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        except (OSError, ValueError) as error:  # a label that is too long is no OSError
            problems.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(cut.left_s())
    if thread.is_alive():
        cut.expire()
    if problems:
        raise problems[0]
    return found
