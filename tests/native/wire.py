"""The host's end of the wire, byte by byte."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.wire import Frame, FrameReader, encode
from tests.native.agents import PATIENCE_S, TINY

if TYPE_CHECKING:
    from pytest_edgedevice.transports.pipes import ChildProcess

PREFIX = struct.Struct("<4sIQ")
FIELDS: dict[str, Any] = {
    "engine": "", "delegate": "cpu", "threads": 1, "delegate_options": {}, "allow_fallback": False
}  # fmt: skip


class Wire:
    """One conversation with an agent that has just started."""

    def __init__(self, process: ChildProcess) -> None:
        self.process = process
        self._reader = FrameReader()
        seen = bytearray()
        one = bytearray(1)
        while not seen.endswith(SENTINEL):
            assert process.stream.receive_into(memoryview(one), timeout_s=PATIENCE_S), process.stderr_tail()
            seen += one
        self.hello = self.receive().header

    def send(self, *parts: bytes) -> None:
        self.process.stream.send(list(parts), timeout_s=PATIENCE_S)

    def ask(self, number: int, operation: str, *buffers: bytes, **fields: Any) -> Frame:
        self.process.stream.send(encode({"op": operation, "id": number, **fields}, buffers), timeout_s=PATIENCE_S)
        return self.receive()

    def receive(self) -> Frame:
        while True:
            count = self.process.stream.receive_into(self._reader.buffer(), timeout_s=PATIENCE_S)
            assert count, self.process.stderr_tail()
            frame = self._reader.advance(count)
            if frame:
                return frame


def load(wire: Wire, name: str) -> dict[str, Any]:
    """Put a model and load it."""
    content = (TINY / f"{name}.tflite").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    wire.ask(1, "put", content, sha256=sha256, offset=0, total=len(content))
    return wire.ask(2, "load", sha256=sha256, **FIELDS).header
