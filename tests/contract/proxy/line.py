"""The conversation of a proxy with its server: a child process, one request at a time, every wait bounded."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import DeadlineError, DeviceLostError, InputError, TransportError
from pytest_edgedevice.transports.pipes import ChildProcess
from tests.contract.proxy.plain import FrameReader, Tensors, WireError, encode, error_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.agent.wire import Frame

SLACK_S = 30.0
"""What the other side may take besides what it was asked for."""


class Line:
    """The conversation with the server: one request at a time, threads take turns, a forked child has no part in it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._child = ChildProcess(command)
        self._turn = threading.Lock()
        self._number = 0
        self._owner = os.getpid()
        self.ended = self.ended_by_us = False
        LINES.add(self)

    @property
    def is_ours(self) -> bool:
        """Whether this process started it."""
        return os.getpid() == self._owner

    def check_owner(self, what: str) -> None:
        """Refuse to talk in a child process, which shares the pipes but not the conversation."""
        if not self.is_ours:
            raise InputError(f"{what} was opened by another process", hint="open the device in this one")

    def ask(self, operation: str, fields: dict[str, Any], carried: Tensors | bytes, *, timeout_s: float) -> Frame:
        """Send a request and wait for its reply; its error is raised here."""
        entries, buffers = (
            ([], [memoryview(carried)]) if isinstance(carried, bytes) else (carried.entries, carried.buffers)
        )
        with self._turn:
            self._number += 1
            header = {"op": operation, "id": self._number, "arguments": fields, "tensors": entries}
            try:
                request = encode(header, buffers)
            except WireError as error:
                raise InputError(f"the request {operation!r} cannot be sent: {error}") from error
            if self.ended:
                raise DeviceLostError("the server of the device has ended", hint="open the device again")
            try:
                reply = self._exchange(request, time.monotonic() + timeout_s + SLACK_S)
            except BaseException as error:
                self.end()  # half an exchange is on the line
                if isinstance(error, TransportError | WireError):
                    said = self._child.stderr_tail()[-2000:]
                    raise DeviceLostError(f"the server of the device is gone: {error}\n{said}") from error
                raise
        if "error" in reply.header:
            raise error_of(reply.header["error"])
        return reply

    def _exchange(self, request: Sequence[Any], deadline: float) -> Frame:
        stream, reader = self._child.stream, FrameReader()
        stream.send(request, timeout_s=deadline - time.monotonic())
        while (left_s := deadline - time.monotonic()) > 0:
            count = stream.receive_into(reader.buffer(), timeout_s=left_s)
            if not count:
                raise TransportError("it closed its stream")
            if frame := reader.advance(count):
                if frame.header.get("id") != self._number:
                    raise WireError(f"expected reply {self._number}, got {str(frame.header)[:80]}")
                return frame
        raise DeadlineError("the server of the device did not answer in time and was ended")

    def end(self, *, by_us: bool = False) -> None:
        """End the server and all below it; idempotent."""
        self.ended, self.ended_by_us = True, self.ended_by_us or by_us
        if by_us:
            self._child.stream.close()  # it sees the end of its input, and tidies up
            self._child.wait(timeout_s=SLACK_S)
        self._child.kill()

    def let_go(self) -> None:
        """In a forked child: keep no end of the pipes, or the server would not see its client die."""
        self._child.stream.close()


LINES: weakref.WeakSet[Line] = weakref.WeakSet()


def _let_go() -> None:
    for line in list(LINES):
        line.let_go()


os.register_at_fork(after_in_child=_let_go)
