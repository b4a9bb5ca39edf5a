"""An adb server that lies: to be asked instead of a real one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tests.peers.adb_daemon.in_thread import InThread

if TYPE_CHECKING:
    from collections.abc import Mapping

UDEV = "user in plugdev group; are your udev rules wrong?"
SEE = "[http://developer.android.com/tools/device.html]"
REFUSALS = {
    "offline": "device offline",
    "unauthorized": "device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set\n"
    "Try 'adb kill-server' if that seems wrong.\nOtherwise check for a confirmation dialog on your device.",
    "authorizing": "device still authorizing",
    "connecting": "device still connecting",
    "no permissions": f"insufficient permissions for device: {UDEV}\nSee {SEE} for more information",
}
LISTED = {"no permissions": f"no permissions ({UDEV}); see {SEE}"}
STATES = (*REFUSALS, "device", "recovery", "sideload", "rescue", "bootloader")


def text(content: bytes) -> bytes:
    return b"%04x" % len(content) + content


def okay(content: bytes) -> bytes:
    return b"OKAY" + text(content)


def fail(content: bytes) -> bytes:
    return b"FAIL" + text(content)


@dataclass(frozen=True, slots=True)
class Lie:
    """An answer, and what follows it: the end, silence, or the answer again and again."""

    content: bytes = b""
    then: Literal["close", "hang", "repeat"] = "close"


ESCAPES = b"\x1b[2J\x1b]0;owned\x07\x1b[31mred\r\n\x9b1m\xff\x00"
LIES = {
    "a length that is no hex": Lie(b"OKAYzzzzSERIAL\tdevice\n"),
    "a length below zero": Lie(b"OKAY-001SERIAL\tdevice\n", "hang"),
    "a length with spaces": Lie(b"OKAY  7 S\tdevice\n"),
    "a length beyond the text, then silence": Lie(b"OKAYffffSERIAL\tdevice\n", "hang"),
    "a length beyond the text, then the end": Lie(b"OKAYffffSERIAL\tdevice\n"),
    "a length short of the text": Lie(b"OKAY0003SERIAL\tdevice\n"),
    "neither OKAY nor FAIL": Lie(b"WHAT0000"),
    "a web server": Lie(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
    "half an OKAY": Lie(b"OK"),
    "OKAY and no text": Lie(b"OKAY"),
    "FAIL and no text": Lie(b"FAIL"),
    "FAIL with 60 KB of terminal escapes": Lie(fail((ESCAPES * 3000)[:60_000])),
    "no answer": Lie(then="hang"),
    "the end at once": Lie(),
    "OKAY without end": Lie(b"OKAY" * 4096, "repeat"),
    "as many devices as a length can tell": Lie(okay(b"".join(b"%04x\thost\n" % n for n in range(6553)))),
    "serials with control characters": Lie(okay(b"\x1b[31mred\tdevice\nnul\x00\tdevice\nbell\x07\tdevice\n")),
    "a serial with a newline": Lie(okay(b"two\nlines\tdevice\n")),
    "serials that are paths and options": Lie(okay(b"../../etc\tdevice\n-s\tdevice\n$(reboot)\tdevice\n")),
    "a state that nobody knows": Lie(okay(b"SERIAL\tdancing\n")),
    "one serial twice": Lie(okay(b"SERIAL\tdevice\nSERIAL\toffline\n")),
    "bytes that are no UTF-8": Lie(okay(b"\xff\xfe\x80\tdevice\n")),
    "lines of one word": Lie(okay(b"SERIAL\n\n\t\n\tdevice\n")),
}


class HostileServer(InThread):
    """Honest but for its lies, of devices that do not exist; what it is not asked to answer, it refuses.

    Args:
        devices: States by serial, of ``STATES``.
        lies: What to answer instead, by how a request begins, as ``host:devices`` or ``shell``; the first that fits.
            An answer to a service that begins with ``OKAY`` plays a device.

    Attributes:
        requests: All that it was asked, in order; ``host:kill`` is written down and refused.
    """

    def __init__(
        self,
        devices: Mapping[str, str] | None = None,
        *,
        lies: Mapping[str, Lie] | None = None,
        features: str = "shell_v2,cmd,stat_v2",
    ) -> None:
        super().__init__()
        self.devices = dict(devices or {})
        self.lies = dict(lies or {})
        self.features = features
        self.requests: list[str] = []

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            size = int(await reader.readexactly(4), 16)
            request = (await reader.readexactly(size)).decode(errors="replace")
            self.requests.append(request)
            lie = next((self.lies[start] for start in self.lies if request.startswith(start)), None)
            if lie:
                await _tell(lie, writer)
                return
            answer, more = self._answer(request)
            writer.write(answer)
            await writer.drain()
            if not more:
                writer.close()
                await writer.wait_closed()
                return

    def _answer(self, request: str) -> tuple[bytes, bool]:
        """What an honest server says, and whether the connection goes on."""
        host, _, rest = request.partition(":")
        if host == "host-serial":
            serial, _, question = rest.rpartition(":")
            return self._of_device(serial, question), False
        if request == "host:version":
            return okay(b"0029"), False
        if rest.startswith(("devices", "track-devices")):
            listed = "".join(f"{serial}\t{LISTED.get(state, state)}\n" for serial, state in self.devices.items())
            return okay(listed.encode()), rest.startswith("track")
        if rest.startswith(("transport:", "tport:serial:")):
            way, _, serial = rest.removeprefix("tport:").partition(":")
            refusal = self._refusal(serial)
            number = b"" if way == "transport" else (1).to_bytes(8, "little")
            return (fail(refusal), False) if refusal else (b"OKAY" + number, True)
        if rest.startswith("connect:"):
            return okay(f"failed to connect to '{rest[8:]}': Connection refused".encode()), False
        return fail(f"unknown host service '{rest}'".encode() if host == "host" else b"closed"), False

    def _refusal(self, serial: str) -> bytes:
        state = self.devices.get(serial)
        return (f"device '{serial}' not found" if state is None else REFUSALS.get(state, "")).encode()

    def _of_device(self, serial: str, question: str) -> bytes:
        state = self.devices.get(serial)
        if state is None or (question != "get-state" and state in REFUSALS):
            return fail(self._refusal(serial))
        known = {"get-state": state, "features": self.features, "get-serialno": serial, "get-devpath": "usb:1-1"}
        return (
            okay(known[question].encode()) if question in known else fail(f"unknown host service '{question}'".encode())
        )


async def _tell(lie: Lie, writer: asyncio.StreamWriter) -> None:
    writer.write(lie.content)
    await writer.drain()
    while lie.then == "repeat":
        writer.write(lie.content)
        await writer.drain()
    if lie.then == "hang":
        await asyncio.Event().wait()
    writer.close()
    await writer.wait_closed()
