"""A server of the Open Inference Protocol on a real socket, which answers properly or does its worst."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

METADATA = {
    "name": "model",
    "platform": "hand-made",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}
Request = tuple[str, dict[str, str], bytes]
Act = Callable[[socket.socket, Request], None]


def framed(body: bytes, *, status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP answer."""
    told = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items() if value)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def double(body: bytes) -> dict[str, Any]:
    """The proper answer: every value twice."""
    request = json.loads(body)
    one = request["inputs"][0]
    values = [2 * value for value in one["data"]]
    output = {"name": "y", "datatype": "FP32", "shape": one["shape"], "data": values}
    return {"model_name": "model", "model_version": "1", "id": request["id"], "outputs": [output]}


def properly(connection: socket.socket, request: Request) -> None:
    connection.sendall(framed(as_json(double(request[2]))))


def saying(content: bytes) -> Act:
    """Sends these bytes, whatever was asked, and closes."""
    return lambda connection, _: connection.sendall(content)


def answering(**changes: Any) -> Act:
    """The proper answer with members of its output changed; None takes one out."""

    def act(connection: socket.socket, request: Request) -> None:
        document = double(request[2])
        output = {key: value for key, value in (document["outputs"][0] | changes).items() if value is not None}
        connection.sendall(framed(as_json(document | {"outputs": [output]})))

    return act


def forever(piece: bytes, *, head: bytes = b"", pause_s: float = 0.0) -> Act:
    """Sends ``head``, then ``piece`` again and again until the other end is gone."""

    def act(connection: socket.socket, _: Request) -> None:
        connection.sendall(head)
        done = threading.Event()
        while not done.wait(pause_s) if pause_s else True:
            connection.sendall(piece)

    return act


class OipServer:
    """Serves one model; ``infer``, ``metadata`` and ``server`` are what it does when it is asked for those.

    ``greet`` takes a connection before anything is read, and nothing else happens to it then.
    """

    def __init__(self) -> None:
        self.infer: Act = properly
        self.metadata: Act = saying(framed(as_json(METADATA)))
        self.server: Act = saying(framed(as_json({"name": "hand-made", "version": "0.1", "extensions": []})))
        self.greet: Callable[[socket.socket], object] | None = None
        self.requests: list[Request] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._open = True
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/models/model"

    def close(self) -> None:
        self._open = False
        self._socket.close()

    def _serve(self) -> None:
        while self._open:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            try:
                if self.greet:
                    self.greet(connection)
                    return
                request = _read(connection)
                self.requests.append(request)
                path = request[0].split()[1]
                act = self.infer if path.endswith("/infer") else self.metadata if "/models/" in path else self.server
                act(connection, request)
            except (OSError, ValueError):
                pass  # the other end had enough


def _read(connection: socket.socket) -> Request:
    raw = b""
    while b"\r\n\r\n" not in raw:
        if not (part := connection.recv(65536)):
            raise ValueError("gone")
        raw += part
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        if not (part := connection.recv(65536)):
            raise ValueError("gone")
        body += part
    return first, headers, body
