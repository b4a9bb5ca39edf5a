"""One phone: what it is, whom it trusts, and what answers on its ports."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.peers.iphone.cable import Cable, relay
from tests.peers.iphone.lockdown import Lockdown
from tests.peers.iphone.pairing import is_sound, new_key, new_record
from tests.peers.iphone.values import private_values, public_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.peers.iphone.bus import SimulatedPhones
    from tests.peers.iphone.disorder import Fault

LOCKDOWN = 62078
FIRST_SERVICE = 49152
Answering = Callable[[socket.socket], None]


class Phone:
    """A phone that hangs on a bus; made by ``SimulatedPhones.attach``.

    What is said of it can be changed at any time and holds from the next question on.

    Args:
        udid: Its number.
        bus: The usbmuxd that sees it.
        name: What its owner calls it.
        product: Its type as Apple numbers them.
        version: Of its iOS.
        paired: Whether it trusts this computer.
        pairing: What its owner does with the dialog "Trust This Computer?": "accept", "pending" or "deny".
        locked: Whether it waits for its passcode: nobody is paired, no service started, and apps are suspended.
        developer_mode: Whether it is on.
        battery: Charge in percent.
        ports: What is behind its ports: an address of this machine, or a function that gets the connection.
        connections: How it is connected: "USB", "Network" or both.
        serial: Its number as usbmuxd spells it, where that is another way: some leave out the dash.
    """

    def __init__(
        self,
        udid: str,
        bus: SimulatedPhones,
        *,
        name: str = "Ada\u2019s iPhone",
        product: str = "iPhone16,2",
        version: str = "18.5",
        paired: bool = True,
        pairing: str = "accept",
        locked: bool = False,
        developer_mode: bool = True,
        battery: float = 80.0,
        ports: Mapping[int, tuple[str, int] | Answering] | None = None,
        connections: tuple[str, ...] = ("USB",),
        serial: str = "",
    ) -> None:
        self.bus, self.udid, self.pairing, self.locked = bus, udid, pairing, locked
        self.developer_mode, self.battery, self.charging = developer_mode, battery, True
        self.ports: dict[int, tuple[str, int] | Answering] = dict(ports or {})
        self.connections, self.serial = connections, serial or udid
        self.faults: dict[str, Fault] = {}
        self.key = new_key()
        self.values: dict[str, Any] = public_values(udid, name=name, product=product, version=version)
        self.private: dict[str, Any] = private_values(udid)
        self.trusted: dict[str, dict[str, Any]] = {}
        self.record: dict[str, Any] | None = None
        if paired:
            self.record = new_record(self.key, buid=bus.buid, wifi_address=self.values["WiFiAddress"])
            self.trusted[self.record["HostID"]] = self.record
        self.cable = Cable()
        self._started: dict[int, Answering] = {}

    def lock(self) -> None:
        """It lies there and waits for its passcode."""
        self.locked = True

    def unlock(self) -> None:
        """Its owner has typed the passcode."""
        self.locked = False

    def detach(self) -> None:
        """Its cable is pulled: its connections end, and listeners are told."""
        self.bus.unplug(self)

    def attach_again(self) -> None:
        """It is plugged in again, and has another number of the bus."""
        self.cable, self._started = Cable(), {}
        self.bus.plug_in(self)

    def trust(self, record: dict[str, Any]) -> bytes | None:
        """Trust a computer from now on.

        Returns:
            The escrow bag for it; None where its record is not sound.
        """
        if not is_sound(record, self.key):
            return None
        self.trusted[record["HostID"]] = record
        return b"escrow bag of " + self.udid.encode()

    def unpair(self) -> None:
        """Trust no computer any more, as after "Reset Location & Privacy"; the computers are not told."""
        self.trusted.clear()

    def start_service(self, serve: Answering) -> int:
        """A port of its own on which this service answers once."""
        port = FIRST_SERVICE + len(self._started)
        self._started[port] = serve
        return port

    @contextmanager
    def reach(self, port: int) -> Iterator[Answering]:
        """What answers on a port; the connection to an app is there as long as this is entered.

        Raises:
            OSError: Nothing listens there.
        """
        behind = self.ports.get(port)
        if callable(behind):
            yield behind
        elif behind is None:
            yield self._daemon(port)
        elif self.locked:
            raise ConnectionRefusedError
        else:
            with socket.create_connection(behind, timeout=30) as app, self.cable.over(app):
                app.settimeout(None)
                yield partial(relay, app)

    def _daemon(self, port: int) -> Answering:
        if port == LOCKDOWN:
            return Lockdown(self).serve
        if port in self._started:
            return self._started[port]
        raise ConnectionRefusedError

    def carry(self, answering: Answering, client: socket.socket) -> None:
        """Let it answer this client, as long as neither leaves and the cable stays in."""
        with self.cable.over(client):
            answering(client)
