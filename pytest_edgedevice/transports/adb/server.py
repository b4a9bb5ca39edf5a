"""The adb server: asked for its devices and for services on them, started on this machine at most, never ended."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, DeviceNotFoundError, EdgeDeviceError, TransportError
from pytest_edgedevice.transports.adb import link as adb_link
from pytest_edgedevice.transports.adb import states as adb_states
from pytest_edgedevice.transports.adb.address import Address, is_here, server_address, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.transports.adb.states import AdbDevice

ANSWER_S = 5.0
STATE_S = 2.0
MOST_SERVICE_BYTES = 0xFFFF
"""Longest request: its length is told in four hexadecimal digits."""


class AdbServer:
    """The adb server, as far as we need it.

    Args:
        address: Where it is; by default where the environment says, as for adb itself.

    Raises:
        TransportError: The environment names no address.
        MissingExtraError: adbutils is not installed.
    """

    def __init__(self, address: Address | None = None) -> None:
        adb_link.require()
        try:
            self._address = server_address(os.environ)[0] if address is None else address
        except ValueError as error:
            hint = "write ADB_SERVER_SOCKET=tcp:127.0.0.1:5037, or unset it"
            raise TransportError(str(error), hint=hint) from None

    def __str__(self) -> str:
        return f"the adb server at {shown(self._address)}"

    def start(self, *, deadline: float) -> None:
        """Start it if it should be on this machine and does not run.

        Raises:
            TransportError: It does not run, and cannot be started.
        """
        try:
            self._connected(deadline).close()
        except ConnectionRefusedError:
            if not is_here(self._address):
                raise self._absent("it does not run") from None
            adb_link.start_server(self._address[1], deadline=deadline)  # type: ignore[arg-type]
            with self._errors():
                self._connected(deadline).close()
        except TimeoutError:
            raise self._late() from None
        except OSError as error:
            raise self._absent(error.strerror or str(error)) from None

    def version(self, *, deadline: float) -> int:
        """Its protocol's version: 41 for 1.0.41."""
        with self._errors():
            return int(self.ask("host:version", deadline=deadline), 16)

    def devices(self, *, deadline: float) -> list[AdbDevice]:
        """Every device it lists, whatever its state."""
        return adb_states.parsed(self.ask("host:devices-l", deadline=deadline))

    def state_of(self, serial: str) -> str:
        """What it says of a device now; ``absent`` when it lists none, empty when it does not answer in time."""
        try:
            found = self.devices(deadline=time.monotonic() + STATE_S)
        except EdgeDeviceError:
            return ""
        return next((one.state for one in found if one.serial == serial), "absent")

    def attach(self, serial: str, *, deadline: float) -> None:
        """Have the server connect to a device at ``host:port``.

        Raises:
            DeviceNotFoundError: It cannot be reached; adb tells this in a text, not in a status.
        """
        said = self.ask(f"host:connect:{serial}", deadline=deadline).strip()
        if not said.startswith(("connected to", "already connected to")):
            raise DeviceNotFoundError(
                f"{self} cannot connect to {serial}: {adb_states.printable(said[:200])}",
                hint="is the phone in this network, and adb over TCP on? try by hand: adb connect " + serial,
            )

    def features(self, serial: str, *, deadline: float) -> frozenset[str]:
        """What a device's end of adb can do."""
        return frozenset(self.ask(f"host-serial:{serial}:features", deadline=deadline, serial=serial).split(","))

    def ask(self, request: str, *, deadline: float, serial: str = "") -> str:
        """Ask a question that is answered with a text.

        Args:
            request: The question.
            deadline: By when, on the monotonic clock.
            serial: The device it is about, for the message of an error.

        Raises:
            TransportError: The server cannot be reached, or refuses.
            DeadlineError: It does not answer in time.
        """
        with self._errors(serial), adb_link.connection(self._connected(deadline), deadline) as connection:
            connection.send_command(request)
            connection.check_okay()
            return str(connection.read_string_block())

    def open(self, serial: str, service: bytes, *, deadline: float) -> socket.socket:
        """Open a service on a device; its socket, which does not block.

        Raises:
            TransportError: The device cannot be used, or refuses the service.
            DeadlineError: Nobody answers in time.
        """
        if len(service) > MOST_SERVICE_BYTES:
            raise TransportError(f"a request to adb of {len(service)} bytes is longer than {MOST_SERVICE_BYTES}")
        with self._errors(serial), adb_link.connection(self._connected(deadline), deadline) as connection:
            connection.send_command(f"host:transport:{serial}")
            connection.check_okay()
            try:
                connection.send_command(service)
                connection.check_okay()
            except TimeoutError:
                raise DeadlineError(
                    f"adb device {serial!r} opened no connection in time", hint="is it stuck? see: adb devices"
                ) from None
            link: socket.socket = connection.keep()
            link.setblocking(False)
            return link

    def _connected(self, deadline: float) -> socket.socket:
        left_s = max(min(deadline - time.monotonic(), ANSWER_S), 0.001)
        if not isinstance(self._address, str):
            link = socket.create_connection(self._address, left_s)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return link
        link = socket.socket(socket.AF_UNIX)
        try:
            link.settimeout(left_s)
            link.connect(self._address)
        except BaseException:
            link.close()
            raise
        return link

    @contextlib.contextmanager
    def _errors(self, serial: str = "") -> Iterator[None]:
        """Where adbutils' errors and the system's become ours."""
        try:
            yield
        except TimeoutError:
            raise self._late() from None
        except adb_link.RefusedError as error:
            raise adb_states.refused(serial, str(error), server=str(self)) from None
        except ConnectionRefusedError:
            raise self._absent("it does not run") from None
        except EOFError:
            raise self._absent("it ended the connection without an answer") from None
        except OSError as error:
            raise self._absent(error.strerror or str(error)) from None
        except ValueError as error:
            raise TransportError(f"{self} is none: it answers {adb_states.printable(str(error)[:200])}") from None

    def _late(self) -> DeadlineError:
        return DeadlineError(f"{self} did not answer in time", hint="is it stuck? see: adb devices")

    def _absent(self, reason: str) -> TransportError:
        remedy = "adb start-server" if is_here(self._address) else "start it there: adb -a nodaemon server start"
        return TransportError(f"{self} cannot be used: {reason}", hint=remedy)
