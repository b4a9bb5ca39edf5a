"""The board's helper in a thread of this process, and a link to it without ssh."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.board.line import Line
from pytest_edgedevice.agent.board.main import serve
from pytest_edgedevice.transports.leftovers import clear
from pytest_edgedevice.transports.pipes import PipeStream
from pytest_edgedevice.transports.sessions import enter
from pytest_edgedevice.transports.ssh import transport as ssh
from pytest_edgedevice.transports.ssh.connection import _await_hello
from pytest_edgedevice.transports.ssh.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from pytest_edgedevice.transports.ssh.client import Target


class Wire:
    """What a link knows of ssh, over a socket."""

    def __init__(self, ours: socket.socket) -> None:
        descriptor = ours.detach()
        self.stream = PipeStream(descriptor, os.dup(descriptor))
        self.said = ""

    def wait(self, *, timeout_s: float) -> int | None:
        return 0

    def stderr_tail(self) -> str:
        return self.said

    def kill(self) -> None:
        self.stream.close()


def nobody(record: bytes, **_: Any) -> Any:
    """A lock that is free, and that nobody crashed with."""

    class Free:
        crashed = ()

        def release(self) -> None:
            pass

    return Free()


@contextlib.contextmanager
def helper(
    base: Path, *, hold: Callable[..., Any] = nobody, cache: Callable[..., Any] | None = None
) -> Iterator[tuple[Wire, threading.Thread]]:
    """A helper that serves the other end of a wire until that is closed."""
    ours, theirs = socket.socketpair()
    descriptor = theirs.detach()
    line = Line(descriptor, os.dup(descriptor))
    kwargs = {"enter": enter, "clear": clear, "hold": hold, "cache": cache}
    serving = threading.Thread(target=serve, args=(line, str(base)), kwargs=kwargs, daemon=True)
    wire = Wire(ours)
    serving.start()
    try:
        yield wire, serving
    finally:
        wire.kill()
        serving.join(20)
        for end in {line.source, line.sink}:
            with contextlib.suppress(OSError):
                os.close(end)
    assert not serving.is_alive()


@contextlib.contextmanager
def link_to_helper(
    base: Path,
    patch: pytest.MonkeyPatch,
    *,
    hold: Callable[..., Any] = nobody,
    cache: Callable[..., Any] | None = None,
) -> Iterator[ssh.SshTransport]:
    """A transport whose board is a thread."""
    with helper(base, hold=hold, cache=cache) as (wire, _):

        def connect(target: Target, **_: Any) -> Any:
            link = Link(wire, where=str(target))  # type: ignore[arg-type]
            return link, _await_hello(link, target, deadline=1e18)

        patch.setattr(ssh, "connect", connect)
        with ssh.SshTransport("thread", cache_bytes=1 if cache else 0) as transport:
            yield transport
