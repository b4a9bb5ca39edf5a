"""What a daemon, a service or an app says that it should not: functions that get a connection and spoil it.

Each is given the connection and how its bodies are framed there; when it returns, the connection is closed. As a
port of a phone (``phone.ports``) it speaks first, and as an answer (``bus.faults``, ``phone.faults``) when asked.
"""

from __future__ import annotations

import plistlib
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from tests.peers.iphone.frames import Frame, plist_frame

if TYPE_CHECKING:
    import socket

Fault = Callable[["socket.socket", Frame], None]


class Disorder(Protocol):
    """A fault that can be a port as well: without word of its frames, they are those of lockdownd."""

    def __call__(self, connection: socket.socket, frame: Frame = ..., /) -> None: ...


HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
BOMB = (
    HEAD
    + b'<!DOCTYPE plist [<!ENTITY a0 "ha">'
    + b"".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">'.encode() for n in range(1, 12))
    + b']><plist version="1.0"><dict><key>Value</key><string>&a11;</string></dict></plist>'
)
DEEP = HEAD + b'<plist version="1.0">' + b"<array>" * 50_000 + b"</array>" * 50_000 + b"</plist>"
NO_DICTIONARY = plistlib.dumps(["Success"])


def silent(connection: socket.socket, _frame: Frame = plist_frame) -> None:
    """It never answers."""
    with suppress(OSError):
        while connection.recv(1 << 16):
            pass


def closed(_connection: socket.socket, _frame: Frame = plist_frame) -> None:
    """It hangs up."""


def garbage(connection: socket.socket, _frame: Frame = plist_frame) -> None:
    """It is something else that listens there."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def huge_length(connection: socket.socket, frame: Frame = plist_frame) -> None:
    """It promises four gigabytes, and then says nothing more."""
    connection.sendall(frame(b"<?xml", 0xFFFFFFF0))
    silent(connection)


def flood(connection: socket.socket, frame: Frame = plist_frame) -> None:
    """It promises four gigabytes, and sends them as fast as it can."""
    connection.sendall(frame(b"", 0xFFFFFFF0))
    while True:
        connection.sendall(bytes(1 << 16))


def tiny_length(connection: socket.socket, frame: Frame = plist_frame) -> None:
    """Its frame is shorter than its own head."""
    connection.sendall(frame(b"", 1))
    silent(connection)


def half(connection: socket.socket, frame: Frame = plist_frame) -> None:
    """It ends amid a frame."""
    connection.sendall(frame(b"<?xml", 1000))


def trickle(connection: socket.socket, frame: Frame = plist_frame) -> None:
    """It sends a byte now and then, so that something always comes and nothing ever arrives."""
    connection.sendall(frame(b"", 1 << 20))
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def sends(body: bytes) -> Disorder:
    """It answers with this body in a right frame, and hangs up."""

    def fault(connection: socket.socket, frame: Frame = plist_frame) -> None:
        connection.sendall(frame(body))

    return fault


def answers(value: Any) -> Disorder:
    """It answers with this property list, and hangs up."""
    return sends(plistlib.dumps(value))


bomb = sends(BOMB)
"""A text that names itself ten times, eleven times over."""
deep = sends(DEEP)
no_dictionary = sends(NO_DICTIONARY)
no_plist = sends(b"\x00\xff not a property list")
