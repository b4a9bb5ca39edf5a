"""One conversation with an agent that is not trusted: frames of any kind out, checked frames in."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.wire import Buffer, Frame, FrameReader, Header, WireError, encode
from pytest_edgedevice.conformance.check import PromiseError, UnreachableError
from pytest_edgedevice.errors import DeadlineError, TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.conformance.ends import End

MAX_CHATTER_BYTES = 64 * 1024
MAX_REPLY_BYTES = 1 << 20
MAX_MESSAGE_CHARS = 20_000
SHOWN_CHARS = 300
NO_BLOB = "0" * 64
NOTHING = "nothing: the agent speaks first"


class Talk:
    """A conversation that has begun: sentinel and hello have come.

    Args:
        end: Its stream.
        timeout_s: Deadline of every answer, seconds.
        greeting_s: Deadline of sentinel and hello each, seconds.

    Raises:
        UnreachableError: They have not.
    """

    def __init__(self, end: End, *, timeout_s: float, greeting_s: float) -> None:
        self.end = end
        self.timeout_s = timeout_s
        self.sent = NOTHING
        self._reader = FrameReader(max_payload_bytes=0)
        self._number = 0
        try:
            self._skip_chatter(greeting_s)
            self.hello = self.receive(timeout_s=greeting_s, max_reply_bytes=0).header
        except PromiseError as error:
            raise UnreachableError(str(error)) from error
        if self.hello.get("op") == "error":
            raise UnreachableError(f"it turned us away: {shown(self.hello.get('message'))}")

    def _skip_chatter(self, wait_s: float) -> None:
        seen = bytearray()
        one = bytearray(1)
        deadline = time.monotonic() + wait_s
        while not seen.endswith(SENTINEL):
            if len(seen) > MAX_CHATTER_BYTES:
                raise PromiseError(f"64 KiB without the sentinel, beginning {bytes(seen[:60])!r}")
            try:
                count = self._receive_into(memoryview(one), deadline, f"no sentinel within {wait_s:g} s")
            except PromiseError as error:
                raise PromiseError(f"{error}; before it {bytes(seen[:60])!r}") if seen else error from None
            seen += one[:count]

    def _receive_into(self, view: memoryview, deadline: float, silence: str) -> int:
        try:
            count = self.end.stream.receive_into(view, timeout_s=max(deadline - time.monotonic(), 0))
        except DeadlineError:
            raise PromiseError(f"silence: {silence}{self.end.last_words()}") from None
        except TransportError:
            count = 0
        if not count:
            raise PromiseError(f"the end of the stream{self.end.last_words()}")
        return count

    def receive(self, *, timeout_s: float | None = None, max_reply_bytes: int = MAX_REPLY_BYTES) -> Frame:
        """The next frame.

        Raises:
            PromiseError: None came in time, or what came is none.
        """
        wait_s = self.timeout_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + wait_s
        self._reader.max_payload_bytes = max_reply_bytes
        while True:
            count = self._receive_into(self._reader.buffer(), deadline, f"no whole frame within {wait_s:g} s")
            try:
                frame = self._reader.advance(count)
            except WireError as error:
                raise PromiseError(f"bytes that are no frame: {error}") from None
            if frame:
                return frame
            if time.monotonic() > deadline:
                raise PromiseError(f"bytes that trickle: no whole frame within {wait_s:g} s")

    def raw(self, parts: Sequence[Buffer], what: str) -> None:
        """Send bytes; ``what`` describes them.

        Raises:
            PromiseError: They were not taken.
        """
        self.sent = what
        try:
            self.end.stream.send(parts, timeout_s=self.timeout_s)
        except DeadlineError:
            raise PromiseError(f"silence: it did not read what was sent within {self.timeout_s:g} s") from None
        except TransportError:
            raise PromiseError(f"the end of the stream{self.end.last_words()}") from None

    def send(self, operation: str, *buffers: Buffer, **fields: Any) -> int:
        """Send a request; its number."""
        self._number += 1
        self.request({"op": operation, "id": self._number, **fields}, *buffers)
        return self._number

    def request(self, header: Header, *buffers: Buffer) -> None:
        """Send a frame with any header."""
        size = sum(memoryview(buffer).nbytes for buffer in buffers)
        self.raw(encode(header, buffers), shown(header) + (f" and {size:,} bytes" if size else ""))

    def reply(self, operation: str, number: int, **limits: Any) -> Frame:
        """The reply to a request.

        Raises:
            PromiseError: Anything else came, an error too.
        """
        frame = self.receive(**limits)
        if frame.header.get("op") != operation or not same(frame.header.get("id"), number):
            raise PromiseError(shown(frame.header))
        return frame

    def ask(self, operation: str, *buffers: Buffer, **fields: Any) -> dict[str, Any]:
        """Send a request; the header of its reply."""
        return self.reply(operation, self.send(operation, *buffers, **fields)).header

    def refused(self, operation: str, kinds: Sequence[str], *buffers: Buffer, **fields: Any) -> dict[str, Any]:
        """Send a request that has to be refused with one of these kinds; the error.

        Raises:
            PromiseError: It was not, or the agent does not answer any more.
        """
        header = self.error(kinds, self.send(operation, *buffers, **fields))
        before = self.sent
        try:
            self.ask("have", sha256=NO_BLOB)
        except PromiseError as error:
            self.sent = f"{before}, then {self.sent}"
            raise PromiseError(f"the error, and then {error}") from None
        self.sent = before
        return header

    def error(self, kinds: Sequence[str], number: int | None) -> dict[str, Any]:
        """The error that has to come next, with this number."""
        header = self.receive().header
        if header.get("op") != "error" or header.get("kind") not in kinds or not same(header.get("id"), number):
            raise PromiseError(
                f"{shown(header)}, not an error of kind {' or '.join(map(repr, kinds))} with id {number}"
            )
        message = header.get("message")
        if not isinstance(message, str) or not message or len(message) > MAX_MESSAGE_CHARS:
            raise PromiseError(f"an error whose message is {shown(message)}")
        return header


def same(value: object, number: int | None) -> bool:
    """Whether an id is this one; true is not 1."""
    return type(value) is type(number) and value == number


def shown(value: object) -> str:
    """Something from a header as JSON, cut; what could steer a terminal stays escaped."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "something nested too deeply to be shown"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}... ({len(text):,} characters)"
