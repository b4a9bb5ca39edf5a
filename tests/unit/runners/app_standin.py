"""An app and the link to it, in this process: real sockets, and a script instead of a runtime."""

from __future__ import annotations

import hashlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.folders import read_manifest
from pytest_edgedevice.agent.wire import FrameReader, describe, encode
from pytest_edgedevice.errors import PortRefusedError, TransportError
from pytest_edgedevice.transports.base import Completed, Process, Pushed, Transport
from pytest_edgedevice.transports.usbmux.port import PortProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.agent.wire import Frame
    from pytest_edgedevice.values import Fact

HELLO = {
    "op": "hello", "protocol": 1, "agent_sha256": "", "engines": {"coreml": "8.0"}, "window": 2, "clock_tick_ns": 1,
    "operations": ["bye", "facts", "have", "load", "measure", "put", "run"], "folders": True,
}  # fmt: skip
SPECS = {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 2]}],
         "outputs": [{"name": "y", "dtype": "float32", "shape": [1, 2]}]}  # fmt: skip
PLACEMENT = {"proven": "cpu", "nodes": 1, "delegated": 0, "partitions": 0, "left_over": {}, "evidence": "a script"}
LOADED = {"engine": "coreml", "engine_version": "8.0", "variant": "float32", **SPECS, "placement": PLACEMENT,
          "load_ns": 5}  # fmt: skip


class Talk:
    """The app's end of one conversation."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._reader = FrameReader()

    def greet(self, **fields: Any) -> None:
        self.connection.sendall(SENTINEL)
        self.say({**HELLO, **fields})

    def turn_away(self, why: str) -> None:
        self.connection.sendall(SENTINEL)
        self.say({"op": "error", "id": None, "kind": "busy", "message": why})

    def say(self, header: dict[str, Any], *payload: Any) -> None:
        for part in encode(header, payload):
            self.connection.sendall(part)

    def ask(self) -> Frame | None:
        """The next request; None at the end of the stream."""
        while True:
            count = self.connection.recv_into(self._reader.buffer())
            if not count:
                return None
            frame = self._reader.advance(count)
            if frame:
                return frame


class StandIn:
    """An app that listens, with a conversation a thread.

    Args:
        script: What it does in a conversation; by default it serves all of them well.
    """

    def __init__(self, script: Callable[[StandIn, Talk], None] | None = None, *, port: int = 0) -> None:
        self.blobs: dict[str, bytes] = {}
        self.asked: list[dict[str, Any]] = []
        self.changes: dict[str, Any] = {}
        """Operation to what its reply has besides; an error in full replaces it."""
        self._script = script or StandIn.serve
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._talks: list[socket.socket] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._talks.append(connection)
            threading.Thread(target=self._begin, args=(connection,), daemon=True).start()

    def _begin(self, connection: socket.socket) -> None:
        try:
            self._script(self, Talk(connection))
        except OSError:
            pass
        finally:
            connection.close()

    def serve(self, talk: Talk, **hello: Any) -> None:
        """Keep every promise."""
        talk.greet(**hello)
        while (frame := talk.ask()) is not None:
            self.answer(talk, frame)
            if frame.header["op"] == "bye":
                return

    def answer(self, talk: Talk, frame: Frame) -> None:
        header = frame.header
        self.asked.append(header)
        reply: dict[str, Any] = {"op": header["op"], "id": header["id"]}
        payload: list[Any] = []
        found = getattr(self, f"_{header['op']}")(header, frame.payload, payload)
        talk.say({**reply, **found, **self.changes.get(header["op"], {})}, *payload)

    def operations(self) -> list[str]:
        """What was asked of it so far."""
        return [header["op"] for header in self.asked]

    def _have(self, header: dict[str, Any], *_: Any) -> dict[str, Any]:
        return {"present": header["sha256"] in self.blobs}

    def _put(self, header: dict[str, Any], chunk: memoryview, _payload: Any) -> dict[str, Any]:
        name = header["sha256"]
        before = self.blobs.get(f"{name}.part", b"") if header["offset"] else b""
        whole = before + bytes(chunk)
        done = len(whole) == header["total"]
        if done and hashlib.sha256(whole).hexdigest() != name:
            return {"op": "error", "kind": "protocol", "message": "another hash"}
        self.blobs[name if done else f"{name}.part"] = whole
        return {"complete": done}

    def _load(self, header: dict[str, Any], *_: Any) -> dict[str, Any]:
        if header.get("folder"):
            for entry in read_manifest(self.blobs[header["sha256"]]).files:
                assert len(self.blobs[entry.sha256]) == entry.size
        return dict(LOADED)

    def _run(self, header: dict[str, Any], sent: memoryview, payload: list[Any]) -> dict[str, Any]:
        samples = header["samples"]
        payload += [sent, np.ones(samples, np.int64)]
        outputs = [describe("y", "float32", (samples, 1, 2)), describe("inference_ns", "int64", (samples,), "timing")]
        return {"samples": samples, "tensors": outputs}

    def _measure(self, header: dict[str, Any], _sent: Any, payload: list[Any]) -> dict[str, Any]:
        series = np.full(header["runs"], 1_000_000, np.int64)
        payload.append(series)
        return {"tensors": [describe("samples_ns", "int64", series.shape, "timing")], "first_ns": 7}

    def _facts(self, *_: Any) -> dict[str, Any]:
        return {"facts": {}, "conditions": {"app_state": "active", "thermal_state": "nominal"}}

    def _bye(self, header: dict[str, Any], *_: Any) -> dict[str, Any]:
        if header.get("wipe"):
            self.blobs.clear()
        return {}

    def hang_up(self) -> None:
        """End every conversation."""
        for one in self._talks:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cable(Transport):
    """A link that reaches ports of this host, as one to a phone reaches the phone's."""

    kind = "ios"
    folder = ""

    def __init__(self) -> None:
        self.gone: TransportError | None = None
        self.not_ready: TransportError | None = None

    def open_port(self, port: int, *, timeout_s: float) -> Process:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        except ConnectionRefusedError:
            raise PortRefusedError(f"nothing listens on port {port} of the phone") from None
        return PortProcess(connection.detach(), why=lambda _timeout_s: self.gone)

    def ready_to_launch(self, *, timeout_s: float) -> None:
        assert timeout_s > 0
        if self.not_ready:
            raise self.not_ready

    def identity(self) -> str:
        return "ios-00008110-00aa"

    def facts(self) -> Mapping[str, Fact]:
        return {"udid": "00008110-00AA"}

    def agent_command(self, agent: str) -> list[str]:
        raise NotImplementedError

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        raise NotImplementedError

    def start(self, arguments: Sequence[str]) -> Process:
        raise NotImplementedError

    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        raise NotImplementedError

    def place(self, content: bytes, *, timeout_s: float) -> str:
        raise NotImplementedError

    def close(self) -> None:
        pass
