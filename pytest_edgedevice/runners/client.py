"""The host's end of the wire: one agent process, requests and replies.

Every wait has a deadline, every reply a size limit, and the end of the stream
is explained: which signal, which exit code, what the process said last.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.wire import Buffer, Frame, FrameReader, WireError, encode
from pytest_edgedevice.errors import (
    AgentDiedError,
    DeadlineError,
    DeviceLostError,
    EdgeDeviceError,
    InputError,
    ProtocolError,
    TransportError,
)
from pytest_edgedevice.runners.conditions import TIMED, plain_conditions, worse
from pytest_edgedevice.runners.greeting import check_hello, skip_chatter
from pytest_edgedevice.runners.last_words import LastWords

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_edgedevice.runners.aftermath import Aftermath
    from pytest_edgedevice.transports.base import Process
    from pytest_edgedevice.values import Fact

MAX_REPLY_BYTES = 1 << 20
CLOSE_S = 5.0
APP_CLOSE_S = 1.0
"""How long an app may take to hang up after its goodbye; it says that it goes, and owes us no more."""


class AgentClient:
    """A conversation with one agent.

    Args:
        process: The agent's process, just started.
        where: Name of the device, for messages.
        sha256: Hash that the agent must have; empty accepts any agent of our protocol version.
        timeout_s: Deadline for the start, seconds.
        aftermath: Asks for what the device's own logs say of a process that died, by its number there.
        app: Whether it is an app on the device, and the process only a connection to it.

    Attributes:
        worst: The worst conditions that it told in replies of work that takes time; whoever asks clears it.

    Raises:
        ProtocolError: It is not an agent, or one of another version.
        AgentDiedError: It ended before it said hello.
        DeadlineError: It said nothing in time.
        InfraError: It turned us away.
    """

    def __init__(
        self,
        process: Process,
        *,
        where: str,
        sha256: str = "",
        timeout_s: float = 60.0,
        aftermath: Aftermath | None = None,
        app: bool = False,
    ) -> None:
        self._process = process
        self._words = LastWords(process, where=where, app=app, aftermath=aftermath)
        self.worst: dict[str, Fact] = {}
        self._where = where
        self.hello: dict[str, Any] = {}
        self._reader = FrameReader(max_payload_bytes=0)
        self._number = 0
        self._operation = "start"
        self.dead = False
        deadline = time.monotonic() + timeout_s
        with self._whole(timeout_s):
            self.hello = self._greeted(deadline, sha256)

    def _greeted(self, deadline: float, sha256: str) -> dict[str, Any]:
        """The agent's hello."""
        if not skip_chatter(self._words.chatter, lambda view: self._guarded_receive(view, deadline), where=self._where):
            raise self._death()
        hello = self._receive(deadline, 0).header
        return check_hello(hello, sha256=sha256, where=self._where, same_version=self._words.same_version)

    def request(
        self,
        operation: str,
        fields: dict[str, Any] | None = None,
        buffers: Sequence[Buffer] = (),
        *,
        timeout_s: float,
        max_reply_bytes: int = MAX_REPLY_BYTES,
    ) -> Frame:
        """Send one request and wait for its reply.

        Raises:
            ModelError, DelegateError, InputError, MissingExtraError, DeviceFullError: The agent refused, and why.
            AgentDiedError, DeviceLostError, DeadlineError, ProtocolError: The agent is gone for good.
        """
        number = self.send(operation, fields, buffers, timeout_s=timeout_s)
        return self.receive(operation, number, timeout_s=timeout_s, max_reply_bytes=max_reply_bytes)

    def send(
        self,
        operation: str,
        fields: dict[str, Any] | None = None,
        buffers: Sequence[Buffer] = (),
        *,
        timeout_s: float,
    ) -> int:
        """Send a request without waiting; its number. At most ``hello["window"]`` may be in flight."""
        if self.dead:
            raise AgentDiedError(f"the agent on {self._where} has ended; load the model again")
        self._number += 1
        self._operation = operation
        header = {"op": operation, "id": self._number, **(fields or {})}
        try:
            parts = encode(header, buffers)
        except WireError as error:
            raise InputError(f"the request {operation!r} cannot be sent: {error}") from error
        with self._whole(timeout_s):
            try:
                self._process.stream.send(parts, timeout_s=timeout_s)
            except DeviceLostError as error:
                self._end_with(error, show=False)
                raise
            except TransportError:
                raise self._death() from None
        return self._number

    def receive(self, operation: str, number: int, *, timeout_s: float, max_reply_bytes: int) -> Frame:
        """The reply to the oldest request in flight."""
        self._operation = operation
        with self._whole(timeout_s):
            frame = self._receive(time.monotonic() + timeout_s, max_reply_bytes)
        header = frame.header
        refused = header.get("op") == "error"
        if refused and header.get("id") in (number, None):
            raise self._refusal(header)
        if refused or header.get("op") != operation or header.get("id") != number:
            self.kill()
            raise ProtocolError(f"{self._where}: expected the reply to {operation} {number}, got {str(header)[:120]}")
        self._note_conditions(operation, header)
        return frame

    def _note_conditions(self, operation: str, header: dict[str, Any]) -> None:
        """Keep the worst that was told of the time that inferences took, until somebody asks for it."""
        if operation in TIMED and "conditions" in header:
            try:
                self.worst = worse(self.worst, plain_conditions(header["conditions"]))
            except ValueError as error:
                raise self.broken(f"has {error}") from None

    def broken(self, what: str) -> ProtocolError:
        """The error for a reply that has the right form and the wrong content; the agent is ended."""
        self.kill()
        return ProtocolError(f"{self._where}: the agent's reply to {self._operation!r} {what}")

    @contextlib.contextmanager
    def _whole(self, timeout_s: float) -> Iterator[None]:
        """End the conversation with an exchange that did not end: the stream is out of step; silence is explained."""
        try:
            yield
        except DeadlineError as error:
            explained = self._words.late(timeout_s, self._operation)
            self.kill()
            raise explained from error
        except BaseException:
            self.kill()
            raise

    def _receive(self, deadline: float, max_reply_bytes: int) -> Frame:
        self._reader.max_payload_bytes = max_reply_bytes
        while True:
            try:
                count = self._guarded_receive(self._reader.buffer(), deadline)
                if not count:
                    raise self._death()
                frame = self._reader.advance(count)
            except WireError as error:
                raise ProtocolError(f"{self._where}: {error} (while waiting for {self._operation!r})") from error
            if frame:
                return frame
            if time.monotonic() > deadline:  # bytes keep coming, but too slowly
                raise DeadlineError("the reply did not end in time")

    def _guarded_receive(self, view: memoryview, deadline: float) -> int:
        try:
            return self._process.stream.receive_into(view, timeout_s=max(deadline - time.monotonic(), 0))
        except DeviceLostError as error:
            self._end_with(error, show=False)
            raise
        except TransportError:
            return 0

    def _refusal(self, header: dict[str, Any]) -> EdgeDeviceError:
        error = self._words.refusal(header, self._operation)
        if isinstance(error, ProtocolError):
            self.kill()
        return error

    def _death(self) -> EdgeDeviceError:
        """Explain an end of the stream."""
        error = self._words.death(self._operation)
        self._end_with(error, show=not isinstance(error, DeviceLostError))
        return error

    def _end_with(self, error: EdgeDeviceError, *, show: bool = True) -> None:
        """End; where the device still answers, its own logs may say more."""
        self.kill()
        self._words.add_aftermath(error, self.hello.get("pid"), show=show)

    def close(self, *, wipe: bool = False) -> None:
        """Say goodbye, wait for the process to end, and end it if it does not.

        Args:
            wipe: Have it remove every blob that it keeps.
        """
        if not self.dead:
            with contextlib.suppress(EdgeDeviceError):
                self.leave(wipe=wipe)
        self.kill()

    def leave(self, *, wipe: bool = False) -> None:
        """The same, of an agent that must have answered.

        Raises:
            InfraError: It did not; it is ended all the same.
        """
        try:
            self.request("bye", {"wipe": True} if wipe else None, timeout_s=CLOSE_S)
            with contextlib.suppress(EdgeDeviceError):
                if self._words.app:  # one that turns a second client away would take the next for that
                    self._process.stream.receive_into(memoryview(bytearray(1)), timeout_s=APP_CLOSE_S)
                else:
                    self._process.wait(timeout_s=CLOSE_S)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the process at once; idempotent."""
        self.dead = True
        self._process.kill()
