"""A client of usbmuxd that says exactly what a test wants it to say."""

from __future__ import annotations

import plistlib
import socket
from typing import TYPE_CHECKING, Any, Self

from tests.peers.iphone.frames import MUX, mux_frame, read_exactly
from tests.peers.iphone.muxing import OK

if TYPE_CHECKING:
    from tests.peers.iphone.bus import SimulatedPhones
    from tests.peers.iphone.phone import Phone

PATIENCE_S = 30.0
TAG = 7


class MuxClient:
    """A connection to usbmuxd.

    Args:
        bus: Whose usbmuxd it is.
        by_path: Whether to go by its unix socket.

    Attributes:
        socket: What is connected; to a port of a phone once ``reach`` has returned.
    """

    def __init__(self, bus: SimulatedPhones, *, by_path: bool = False) -> None:
        self._bus = bus
        self.socket = socket.socket(socket.AF_UNIX if by_path else socket.AF_INET)
        self.socket.settimeout(PATIENCE_S)
        host, port = bus.address.split(":")
        try:
            self.socket.connect(bus.path if by_path else (host, int(port)))
        except OSError:
            self.socket.close()
            raise

    def ask(self, kind: str, **rest: Any) -> dict[str, Any]:
        """Ask something, and return the answer."""
        self.say(kind, **rest)
        tag, said = self.read()
        assert tag == TAG
        return said

    def say(self, kind: str, **rest: Any) -> None:
        """Ask something."""
        self.socket.sendall(mux_frame(TAG)(plistlib.dumps({"MessageType": kind, **rest})))

    def read(self) -> tuple[int, dict[str, Any]]:
        """What usbmuxd says next, and the number of the question that it answers."""
        size, _, _, tag = MUX.unpack(read_exactly(self.socket, MUX.size))
        return tag, plistlib.loads(read_exactly(self.socket, size - MUX.size))

    def connect(self, phone: Phone, port: int) -> int:
        """Connect to a port of a phone; the result."""
        number = next((number for number, one, _ in self._bus.numbered() if one is phone), 0)
        result: int = self.ask("Connect", DeviceID=number, PortNumber=socket.htons(port))["Number"]
        return result

    def reach(self, phone: Phone, port: int) -> socket.socket:
        """Connect to a port on which something listens."""
        assert self.connect(phone, port) == OK
        return self.socket

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
