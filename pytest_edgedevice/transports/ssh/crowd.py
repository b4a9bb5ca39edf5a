"""Many small files on their way to the board at once."""

from __future__ import annotations

import hashlib
import io
import stat
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.board import CHUNK_BYTES, WINDOW_BYTES
from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.base import Pushed
from pytest_edgedevice.transports.ssh.sending import Sending

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.transports.progress import Moved
    from pytest_edgedevice.transports.ssh.files import SshFiles

MOST_ON_THE_WAY = 64


class Crowd:
    """Files that are sent one behind the other, and answered when the board comes to it.

    Args:
        files: The files of the session.
        deadline: By when all of them are there, on the monotonic clock.
        moved: Counts what has gone.
    """

    def __init__(self, files: SshFiles, deadline: float, moved: Moved) -> None:
        self._files = files
        self._deadline = deadline
        self._moved = moved
        self._pushed: list[Pushed] = []
        self._waiting: deque[tuple[int, int, str, Sending]] = deque()  # place in the result, size, hash, sending
        self._bytes = 0

    def give(self, pushed: Pushed) -> None:
        """Note a file that is there."""
        self._pushed.append(pushed)

    def take(self, source: Path) -> bool:
        """Send a file and do not wait; False for one that is too large for a frame.

        Raises:
            TransportError: It cannot be read, or the board refused an earlier one.
        """
        content = _small(source)
        if content is None:
            return False
        sha256 = hashlib.sha256(content).hexdigest()
        if self._files.has(sha256) or any(sha256 == one for _, _, one, _ in self._waiting):
            self.give(Pushed(sha256, len(content), 0))
            return True
        while self._waiting and (len(self._waiting) >= MOST_ON_THE_WAY or self._bytes + len(content) > WINDOW_BYTES):
            self._await_one()
        sending = Sending(
            self._files, io.BytesIO(), source.name, len(content), deadline=self._deadline, moved=self._moved
        )
        self._waiting.append((len(self._pushed), len(content), sha256, sending))
        self._bytes += len(content)
        self.give(Pushed(sha256, len(content), len(content)))
        try:
            sending.begin_whole(content, sha256)
        except DeadlineError:
            raise self._late() from None
        return True

    def _await_one(self) -> None:
        place, size, _, sending = self._waiting[0]
        try:
            self._pushed[place] = sending.end_whole()
        except DeadlineError:
            raise self._late() from None
        self._waiting.popleft()
        self._bytes -= size

    def _late(self) -> DeadlineError:
        there = len(self._pushed) - len(self._waiting)
        return DeadlineError(
            f"sending many files did not end in time: {there} were there, {len(self._waiting)} on their way",
            hint="raise --edge-timeout for a slow connection",
        )

    def end(self) -> list[Pushed]:
        """All of them, in order, once each is under its name."""
        while self._waiting:
            self._await_one()
        return self._pushed

    def forget(self) -> None:
        """Wait for nothing more: what is on its way becomes a whole file there, or none."""
        for _, _, _, sending in self._waiting:
            sending.forget()
        self._waiting.clear()


def _small(source: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(source.stat().st_mode):  # before it is opened: a pipe would wait for its writer
            raise TransportError(f"cannot push {source}: it is not a file")
        with source.open("rb", buffering=0) as file:
            content = file.read(CHUNK_BYTES + 1)
    except OSError as error:
        raise TransportError(f"cannot push {source}: {error.strerror}") from error
    return content if len(content) <= CHUNK_BYTES else None
