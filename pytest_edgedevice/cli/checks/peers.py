"""Speak with a server of this host for a moment: one request, an answer of known size, one deadline for all."""

from __future__ import annotations

import socket
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

Address = tuple[str, int] | str
"""Host and port, or the path of a socket; one that begins with NUL is an abstract name."""


class PeerError(Exception):
    """A server did not answer as it should; the text says how."""


class Peer:
    """A connection with one deadline for everything, the look-up of the name included.

    Raises:
        OSError: It cannot be reached.
        PeerError: It did not answer in time.
    """

    def __init__(self, address: Address, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        if isinstance(address, str):
            family, target = socket.AF_UNIX, address
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        else:
            family, target = self._look_up(*address)  # type: ignore[assignment]
            self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(self._left_s())
            self._socket.connect(target)
        except TimeoutError:
            self._socket.close()
            raise self._late() from None
        except BaseException:
            self._socket.close()
            raise

    def ask(self, request: bytes) -> None:
        """Send a request.

        Raises:
            OSError: The connection broke.
            PeerError: It was not taken in time.
        """
        self._socket.settimeout(self._left_s())
        try:
            self._socket.sendall(request)
        except TimeoutError:
            raise self._late() from None

    def take(self, count: int) -> bytes:
        """Read exactly so many bytes of the answer.

        Raises:
            OSError: The connection broke.
            PeerError: They did not come in time, or never will.
        """
        found = b""
        while len(found) < count:
            self._socket.settimeout(self._left_s())
            try:
                more = self._socket.recv(count - len(found))
            except TimeoutError:
                raise self._late() from None
            if not more:
                raise PeerError(f"ended its answer after {len(found)} of {count} bytes" if found else "hung up")
            found += more
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _look_up(self, host: str, port: int) -> tuple[int, tuple[object, ...]]:
        """Find a host's first address; the system's own look-up has no deadline, so it is left behind if it hangs."""
        found: SimpleQueue[tuple[int, tuple[object, ...]] | OSError] = SimpleQueue()

        def look() -> None:
            try:
                family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
                found.put((family, address))
            except UnicodeError:
                found.put(OSError(f"{host!r} cannot be a host's name"))
            except OSError as error:
                found.put(error)

        threading.Thread(target=look, daemon=True).start()
        try:
            answer = found.get(timeout=self._left_s())
        except Empty:
            raise PeerError(f"its name was not found within {self._timeout_s:g} s") from None
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _left_s(self) -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise self._late()
        return left_s

    def _late(self) -> PeerError:
        return PeerError(f"did not answer within {self._timeout_s:g} s")
