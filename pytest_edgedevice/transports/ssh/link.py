"""Frames over one ssh connection, shared by threads: whoever waits reads for all.

A link is alive, or lost for good with a reason. The board is judged by its
silence, as ssh may be held up for longer than anybody should wait.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.board import BEAT_S, CHUNK_BYTES, TTL_S
from pytest_edgedevice.agent.wire import Buffer, Frame, FrameReader, WireError
from pytest_edgedevice.errors import DeadlineError, DeviceLostError
from pytest_edgedevice.transports.forked import hold, release
from pytest_edgedevice.transports.ssh.client import last_words
from pytest_edgedevice.transports.ssh.descriptors import awaited
from pytest_edgedevice.transports.ssh.outgoing import FilePiece, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.transports.pipes import ChildProcess

LOOK_S = 1.0
LAST_WORDS_S = 2.0


class Link:
    """The frames of one connection, once the board speaks the protocol.

    Args:
        ssh: The program that carries them; ended by ``close``.
        where: The board, for messages.

    Attributes:
        handlers: Number of a conversation to what is called with its frames; under the link's own lock.
    """

    def __init__(self, ssh: ChildProcess, *, where: str) -> None:
        self._ssh = ssh
        self._where = where
        self._source, sink = ssh.stream.descriptors
        self._reader = FrameReader(max_payload_bytes=CHUNK_BYTES)
        self._outgoing = Outgoing(sink, check=self.check, lose=self._lose_reader)
        self._news = threading.Condition()
        self._is_read = False
        self._heard = time.monotonic()
        self._lost: str | None = None
        self._closing = threading.Event()
        self._owner = os.getpid()
        self.handlers: dict[int | None, Callable[[dict[str, Any], memoryview], None]] = {}
        self._number = 0
        hold(self, frozenset((self._source, sink)))

    def keep_alive(self) -> None:
        """Begin to show the board that we live."""
        threading.Thread(target=self._beat, name=f"edgedevice {self._where}", daemon=True).start()

    def number(self) -> int:
        """A number for a new conversation."""
        self.check()
        with self._news:
            self._number += 1
            return self._number

    def send(self, header: dict[str, Any], payload: list[Buffer] | None = None, *, deadline: float) -> None:
        """Write one frame.

        Raises:
            DeviceLostError: The link is lost.
            DeadlineError: It was not taken in time; what went of it is completed before the next one.
        """
        self._outgoing.send(header, payload or [], deadline=deadline)

    def send_piece(self, header: dict[str, Any], piece: FilePiece, *, deadline: float) -> None:
        """Write one frame whose payload is a piece of a file; see ``send``."""
        self._outgoing.send_piece(header, piece, deadline=deadline)

    def _lose_reader(self) -> None:
        with self._news:
            self._lose(self._why_ended())

    def wait(self, ready: Callable[[], bool], *, deadline: float) -> None:
        """Read until something is so.

        Args:
            ready: Asked after each frame, under the link's lock.
            deadline: On the monotonic clock.

        Raises:
            DeviceLostError: The link is lost.
            DeadlineError: It is not so in time.
        """
        self.check()
        with self._news:
            while not ready():
                self.check()
                left_s = deadline - time.monotonic()
                if self._is_read:
                    if left_s <= 0 or not self._news.wait(min(left_s, threading.TIMEOUT_MAX)):
                        raise DeadlineError("the board did not answer in time")
                else:
                    self._lead(deadline)
                    if left_s <= 0 and not ready():
                        raise DeadlineError("the board did not answer in time")

    def _lead(self, deadline: float) -> None:
        """Read one frame for whoever it is; the lock is free while we wait for it."""
        self._is_read = True
        self._news.release()
        frame: Frame | None = None
        reason = ""
        try:
            frame = self._read(deadline)
        except WireError as error:
            reason = f"the board broke the protocol: {error}"
        except _EndError as error:
            reason = str(error)
        finally:
            self._news.acquire()
            self._is_read = False
            self._news.notify_all()
        if reason:
            self._lose(reason)
        if frame is not None:
            self._dispatch(frame)

    def _read(self, deadline: float) -> Frame | None:
        """The next frame; None when the deadline comes first. At least one look at what is there already."""
        while True:
            try:
                count = os.readv(self._source, [self._reader.buffer()])
            except BlockingIOError:
                if not self._await_bytes(deadline):
                    return None
                continue
            except OSError as error:
                raise _EndError(self._why_ended()) from error
            if count == 0:
                raise _EndError(self._why_ended())
            self._heard = time.monotonic()
            frame = self._reader.advance(count)
            if frame is not None or self._heard > deadline:
                return frame

    def _await_bytes(self, deadline: float) -> bool:
        """Whether bytes came before the deadline; silence beyond the board's beat is the end."""
        while (left_s := deadline - time.monotonic()) > 0:
            if awaited(self._source, select.POLLIN, time.monotonic() + min(left_s, LOOK_S)):
                return True
            silent_s = time.monotonic() - self._heard
            if silent_s > TTL_S:
                raise _EndError(f"no sign of life from it for {silent_s:.0f} s")
        return False

    def _dispatch(self, frame: Frame) -> None:
        header, payload = frame
        if header.get("op") == "gone":
            self._lose(f"the board ended the session, as it had heard nothing of us for {TTL_S:g} s")
        number = header.get("id")
        handler = self.handlers.get(number if type(number) is int else None)
        if handler is not None:  # what comes for a conversation that is over is no news
            try:
                handler(header, payload)
            except (KeyError, TypeError, ValueError) as error:
                self._lose(f"the board broke the protocol: {type(error).__name__} in {str(header)[:80]}")

    @property
    def is_alive(self) -> bool:
        """Whether it is not known to be lost."""
        return self._lost is None and self._owner == os.getpid()

    def check(self) -> None:
        """Raise if the link is lost or closed."""
        if self._owner != os.getpid():
            raise DeviceLostError(f"{self._where}: a forked process has no part in its parent's connection")
        if self._lost is not None:
            raise DeviceLostError(f"{self._where} is lost: {self._lost}", hint="is it up, and on the network?")

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
        self._news.notify_all()
        self.check()

    def _why_ended(self) -> str:
        status = self._ssh.wait(timeout_s=LAST_WORDS_S)
        said = "; ".join(last_words(self._ssh.stderr_tail()))
        return "the connection ended" + (f" ({said})" if said else f" (ssh's exit code {status})")

    def _beat(self) -> None:
        while not self._closing.wait(BEAT_S):
            with contextlib.suppress(DeadlineError):
                try:
                    self.send({"op": "beat"}, deadline=time.monotonic() + BEAT_S)
                    self.wait(self._is_drained, deadline=time.monotonic())
                except DeviceLostError:
                    return

    def _is_drained(self) -> bool:
        return not awaited(self._source, select.POLLIN, 0)

    def close(self, *, timeout_s: float) -> None:
        """Say goodbye, wait for the board to have wiped everything, and end ssh; never raises."""
        if self._owner != os.getpid():
            return
        release(self)
        self._closing.set()
        deadline = time.monotonic() + timeout_s
        with contextlib.suppress(DeviceLostError, DeadlineError):
            self.send({"op": "bye"}, deadline=deadline)
            self.wait(lambda: False, deadline=deadline)
        self._ssh.wait(timeout_s=max(min(deadline - time.monotonic(), LAST_WORDS_S), 0))
        with self._news:
            self._lost = self._lost or "it is closed"
        with self._outgoing.at_rest():
            self._ssh.kill()


class _EndError(Exception):
    """The link has ended; the text says why."""
