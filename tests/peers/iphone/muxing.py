"""One conversation with usbmuxd: questions about phones, and then perhaps a connection to one of them."""

from __future__ import annotations

import errno
import plistlib
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.peers.iphone.frames import Plist, mux_frame, read_mux

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from tests.peers.iphone.bus import SimulatedPhones
    from tests.peers.iphone.phone import Phone

OK, BAD_COMMAND, BAD_DEVICE, REFUSED = 0, 1, 2, 3
INTERNET = 2
"""The family of addresses of its network, in a socket address as macOS lays it out."""


class MuxConversation:
    """Answers a client.

    Args:
        bus: Whose phones it asks about.
        client: The connection to it.
    """

    def __init__(self, bus: SimulatedPhones, client: socket.socket) -> None:
        self._bus, self._client = bus, client
        self._onward: Callable[[], None] | None = None
        self._listens = False
        self._reached = ExitStack()
        self._handlers: dict[str, Callable[[Plist], Plist]] = {
            "Connect": self._connect,
            "DeletePairRecord": self._delete_pair_record,
            "ListDevices": lambda _asked: {"DeviceList": [attached(*one) for one in bus.numbered()]},
            "Listen": self._listen,
            "ReadBUID": lambda _asked: {"BUID": bus.buid},
            "ReadPairRecord": self._read_pair_record,
            "SavePairRecord": self._save_pair_record,
        }

    def serve(self) -> None:
        """Answer until the client leaves.

        Raises:
            EOFError: It left, or said what nobody says to usbmuxd.
        """
        with self._reached:
            self._converse()

    def _converse(self) -> None:
        while self._onward is None:
            tag, asked = read_mux(self._client)
            kind = str(asked.get("MessageType"))
            if kind in self._bus.faults:
                return self._bus.faults[kind](self._client, mux_frame(tag))
            if self._listens:
                return self._say(tag, result(BAD_COMMAND))
            answer = self._handlers.get(kind)
            self._say(tag, answer(asked) if answer else result(BAD_COMMAND))
            if kind == "Listen":
                self._bus.listen(self._client)
        return self._onward()

    def _say(self, tag: int, reply: Plist) -> None:
        self._client.sendall(mux_frame(tag)(plistlib.dumps(reply)))

    def _listen(self, _asked: Plist) -> Plist:
        self._listens = True
        return result(OK)

    def _connect(self, asked: Plist) -> Plist:
        number, port = asked.get("DeviceID"), asked.get("PortNumber")
        phone = self._bus.phone_of(number)
        if phone is None:
            return result(BAD_DEVICE)
        if not isinstance(port, int) or not 0 <= port < 1 << 16:
            return result(BAD_COMMAND)
        try:
            reached = phone.reach(int.from_bytes(port.to_bytes(2, "little"), "big"))
            answering = self._reached.enter_context(reached)
        except OSError:
            return result(REFUSED)
        self._onward = partial(phone.carry, answering, self._client)
        return result(OK)

    def _read_pair_record(self, asked: Plist) -> Plist:
        record = self._bus.pair_records.get(str(asked.get("PairRecordID")))
        return result(errno.ENOENT) if record is None else {"PairRecordData": record}

    def _save_pair_record(self, asked: Plist) -> Plist:
        udid, record = asked.get("PairRecordID"), asked.get("PairRecordData")
        if not isinstance(udid, str) or not isinstance(record, bytes):
            return result(errno.EINVAL)
        self._bus.save_pair_record(udid, record)
        return result(OK)

    def _delete_pair_record(self, asked: Plist) -> Plist:
        known = self._bus.pair_records.pop(str(asked.get("PairRecordID")), None)
        return result(OK if known is not None else errno.ENOENT)


def result(number: int) -> Plist:
    """How something went: 0 is well."""
    return {"MessageType": "Result", "Number": number}


def attached(number: int, phone: Phone, connection: str) -> Plist:
    """What is said of a phone that is there."""
    properties: dict[str, Any] = {"ConnectionType": connection, "DeviceID": number, "SerialNumber": phone.serial}
    if connection == "USB":
        properties |= {"ConnectionSpeed": 480_000_000, "LocationID": number << 16, "ProductID": 0x12A8}
    else:
        address = bytes([16, INTERNET, 0, 0, 192, 168, 7, number]).ljust(128, b"\0")
        service = f"{phone.values['WiFiAddress']}@fe80::1._apple-mobdev2._tcp.local."
        properties |= {"EscapedFullServiceName": service, "InterfaceIndex": 4, "NetworkAddress": address}
    return {"DeviceID": number, "MessageType": "Attached", "Properties": properties}
