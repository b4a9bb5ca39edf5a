"""What runs when the app is open: the Python agent behind ports, as the protocol asks it of apps, a port a fault.

Run as ``python -m tests.peers.iphone.app_program FOLDER [alone] FAULT=PORT ...``; it ends with its input, unless it is
``alone``. Of itself it tells what ``state.json`` in its folder says.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import SENTINEL, main, session, wire
from tests.contract import agent_server
from tests.peers.iphone.app import STATE

if TYPE_CHECKING:
    from collections.abc import Callable

TAKES_TIME = ("load", "run", "measure", "stream", "resources")
ANSWER, HELLO, ENCODED = session.Session.answer, session.Session.hello, main._encoded


def _state() -> dict[str, Any]:
    state: dict[str, Any] = json.loads(Path(sys.argv[1], STATE).read_text(encoding="utf-8"))
    return state


def be_an_app() -> None:
    """Tell of itself what an app tells, and compute nothing in the background."""

    def answer(self: session.Session, frame: wire.Frame) -> Any:
        told = _state()
        if frame.header.get("op") in TAKES_TIME and told["app_state"] == "background":
            words = "Insufficient Permission (to submit GPU work from background)"
            return {"op": "error", "id": frame.header["id"], "kind": "background", "message": words}, []
        reply, payload = ANSWER(self, frame)
        if reply["op"] in (*TAKES_TIME, "facts"):
            reply["conditions"] = {**reply.get("conditions", {}), **told}
        return reply, payload

    def hello(self: session.Session) -> wire.Header:
        usual = HELLO(self)
        return {**usual, "system": "ios", "conditions": {**usual.get("conditions", {}), **_state()}}

    session.Session.answer, session.Session.hello = answer, hello  # type: ignore[method-assign]


def dies_mid_reply() -> None:
    """It ends amid the reply to a run."""
    own = os.dup(1)

    def encoded(header: wire.Header, payload: list[wire.Buffer]) -> list[wire.Buffer]:
        buffers = ENCODED(header, payload)
        if header["op"] == "run":
            os.write(own, b"".join(bytes(one) for one in buffers)[:40])
            _die()
        return buffers

    main._encoded = encoded


def dies_of_a_run() -> None:
    """It ends instead of a run, as the first prediction after a compilation may end it."""
    _dies_of("run")


def dies_of_loading() -> None:
    """It ends instead of loading, for want of memory."""
    _dies_of("load")


def garbage() -> None:
    """It is no agent of ours."""
    os.write(1, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n" * 100)
    _die()


def hangs_up() -> None:
    """It takes the connection and closes it."""
    _die()


def busy() -> None:
    """It turns everybody away, and says so."""
    words = {"op": "error", "id": None, "kind": "busy", "message": "another host is connected"}
    os.write(1, SENTINEL + b"".join(bytes(one) for one in wire.encode(words)))
    _die()


def silent_after_hello() -> None:
    """It greets, and answers nothing."""
    session.Session.answer = lambda _self, _frame: agent_server.silent()  # type: ignore[method-assign,assignment]


def _dies_of(operation: str) -> None:
    def answer(self: session.Session, frame: wire.Frame) -> Any:
        return _die() if frame.header.get("op") == operation else ANSWER(self, frame)

    session.Session.answer = answer  # type: ignore[method-assign]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


FAULTS: dict[str, Callable[[], object]] = {
    **agent_server.FAULTS,
    **{
        fault.__name__: fault
        for fault in (
            *(busy, dies_mid_reply, dies_of_a_run, dies_of_loading),
            *(garbage, hangs_up, silent_after_hello),
        )
    },
}


def _app(fault: Callable[[], object]) -> None:
    be_an_app()
    fault()


def serve(folder: str, *words: str) -> None:
    """Listen on each port, and be an app with its fault there."""
    pairs = [word.split("=") for word in words if word != "alone"]
    listeners = {socket.create_server(("127.0.0.1", int(port))): partial(_app, FAULTS[fault]) for fault, port in pairs}
    agent_server.serve_to_the_last(folder, listeners, alone="alone" in words, keeps=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
