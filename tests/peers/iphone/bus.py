"""usbmuxd of a computer, and the phones that hang on it."""

from __future__ import annotations

import plistlib
import select
import shutil
import socket
import tempfile
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.peers.iphone.cable import Cable, hang_up, leave
from tests.peers.iphone.frames import Plist, mux_frame
from tests.peers.iphone.muxing import MuxConversation, attached
from tests.peers.iphone.phone import Phone

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.peers.iphone.disorder import Fault

PATIENCE_S = 30.0
UDID = "00008130-001A2B3C4D5E{:04X}"


class SimulatedPhones:
    """usbmuxd on a TCP port of loopback and on a unix socket, both the same.

    Attributes:
        address: ``127.0.0.1:PORT``, for USBMUXD_SOCKET_ADDRESS.
        path: The unix socket; libusbmuxd and go-ios want ``UNIX:`` or ``unix://`` before it.
        faults: What it does instead of answering, by the type of the message.
        pair_records: What it keeps of the phones that trust this computer, by their serials.
    """

    def __init__(self) -> None:
        self.buid = str(uuid.uuid4()).upper()
        self.faults: dict[str, Fault] = {}
        self.pair_records: dict[str, bytes] = {}
        self._attached: dict[int, tuple[Phone, str]] = {}
        self._last_number = 0
        self._listening: set[socket.socket] = set()
        self._lock = threading.RLock()
        self._cable = Cable()
        self._threads: list[threading.Thread] = []
        self._folder = Path(tempfile.mkdtemp(prefix="usbmuxd-"))
        self.path = str(self._folder / "usbmuxd")
        by_path = socket.socket(socket.AF_UNIX)
        by_path.bind(self.path)
        by_path.listen()
        self._doors = (socket.create_server(("127.0.0.1", 0)), by_path)
        self.address = "{}:{}".format(*self._doors[0].getsockname())
        self._bell, self._ringing = socket.socketpair()
        self._run(self._accept)

    def attach(self, udid: str = "", **what: Any) -> Phone:
        """Plug a phone in.

        Args:
            udid: Its number; made up where none is given.
            **what: See ``Phone``.
        """
        phone = Phone(udid or UDID.format(self._last_number + 1), self, **what)
        if phone.record is not None:
            self.pair_records[phone.serial] = plistlib.dumps(phone.record)
        self.plug_in(phone)
        return phone

    def plug_in(self, phone: Phone) -> None:
        """It is there from now on; it gets a number for each way in which it is connected."""
        with self._lock:
            for connection in phone.connections:
                self._last_number += 1
                self._attached[self._last_number] = phone, connection
                self._tell(attached(self._last_number, phone, connection), self._listening)

    def unplug(self, phone: Phone) -> None:
        """It is gone, and so is every connection to it."""
        with self._lock:
            for number, _, _ in [one for one in self.numbered() if one[1] is phone]:
                del self._attached[number]
                self._tell({"DeviceID": number, "MessageType": "Detached"}, self._listening)
        phone.cable.pull()

    def numbered(self) -> list[tuple[int, Phone, str]]:
        """The phones that are there: number, phone and connection of each."""
        with self._lock:
            return [(number, phone, connection) for number, (phone, connection) in self._attached.items()]

    def phone_of(self, number: object) -> Phone | None:
        """The phone that has this number now."""
        return next((phone for one, phone, _ in self.numbered() if one == number), None)

    def save_pair_record(self, serial: str, record: bytes) -> None:
        """Keep the record by which a phone trusts this computer, and tell listeners."""
        self.pair_records[serial] = record
        with self._lock:
            for number, _, _ in [one for one in self.numbered() if one[1].serial == serial]:
                self._tell({"DeviceID": number, "MessageType": "Paired"}, self._listening)

    def listen(self, client: socket.socket) -> None:
        """Tell this client what is there, and from now on what comes and goes."""
        with self._lock:
            for one in self.numbered():
                self._tell(attached(*one), {client})
            self._listening.add(client)

    def _tell(self, event: Plist, listeners: set[socket.socket]) -> None:
        said = mux_frame(0)(plistlib.dumps(event))
        for client in tuple(listeners):
            try:
                whole = client.send(said, socket.MSG_DONTWAIT) == len(said)
            except OSError:
                whole = False
            if not whole:  # it does not read: nobody waits for it
                self._listening.discard(client)
                hang_up(client)

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="iphone")
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        thread.start()

    def _accept(self) -> None:
        while True:
            ready, _, _ = select.select([self._ringing, *self._doors], [], [])
            if self._ringing in ready:
                return
            for door in ready:
                self._run(self._serve, door.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError), self._cable.over(client):
            try:
                MuxConversation(self, client).serve()
            finally:
                with self._lock:
                    self._listening.discard(client)
                leave(client)

    def stop(self) -> None:
        """Stop usbmuxd: its sockets are gone, and every connection ends.

        Raises:
            RuntimeError: A thread is still there; a fault that does not end with its connection keeps it.
        """
        self._bell.close()
        self._cable.pull()
        deadline = time.monotonic() + PATIENCE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for one in (*self._doors, self._ringing):
            one.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if left := [thread.name for thread in self._threads if thread.is_alive()]:
            raise RuntimeError(f"still running after {PATIENCE_S:g} s: {', '.join(left)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
