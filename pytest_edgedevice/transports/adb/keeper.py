"""The host's side of a session's keeper: starts its script on the device, beats, asks, and notices its end.

``keeper.sh`` is the other side. Each request is a line, each answer a line that begins with a
word that nobody else knows, so that shells may say what they like.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import re
import secrets
import shlex
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, DeviceLostError, TransportError
from pytest_edgedevice.transports.adb.quote import quoted
from pytest_edgedevice.transports.adb.states import printable
from pytest_edgedevice.transports.adb.sync import FULL_HINT

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.transports.adb.stream import AdbStream

BEAT_S = 2.0
TTL_S = 10
"""Longest silence of the other end, seconds; both ends judge each other by it."""
SESSION = re.compile(r"session-[0-9a-f]{16}-[0-9]{1,10}-[0-9]{1,20}")
"""Name of a session's folder."""
MOST_LINE_BYTES = 64 << 10
MOST_ANSWER_BYTES = 4 << 20
MOST_CHATTER_LINES = 1000
NO_FOLDER_HINT = "look at it: adb shell ls -la /data/local/tmp; or name another one with 'folder' in edgedevice.toml"


class Keeper:
    """Talks to the script.

    Args:
        stream: Of the service ``script(token, base)``; owned by the caller.
        token: The word that begins each answer.
        where: The device, for messages.
        lost: Called once when the device is gone, with a clause that says how, or the error that told it.

    Attributes:
        folder: The session's folder.
        has_lock: Whether the device has a tool for locks.
    """

    def __init__(
        self,
        stream: AdbStream,
        token: str,
        *,
        where: str,
        lost: Callable[[str | DeviceLostError], TransportError],
    ) -> None:
        self._stream, self._token, self._where, self._lost = stream, token, where, lost
        self._changed = threading.Condition()
        self._asking = threading.Lock()
        self._writing = threading.Lock()
        self._answers: deque[list[str]] = deque(maxlen=10_000)
        self._number = 0
        self._cause: TransportError | None = None
        self._patient_until = 0.0
        self._heard = time.monotonic()
        self._ended = False
        self._thread = threading.Thread(target=self._keep, name="edgedevice-adb", daemon=True)
        self.folder = ""
        self.has_lock = False

    def begin(self, base: str, deadline: float) -> None:
        """Wait for its hello, past whatever the shell says before, and beat from then on.

        Raises:
            TransportError: There is no shell, or no folder can be made.
            DeadlineError: It did not say hello in time.
        """
        for _ in range(MOST_CHATTER_LINES):
            answer = self._parsed(self._stream.read_line(deadline, most_bytes=MOST_LINE_BYTES))
            if len(answer) >= 4 and answer[0] == "hello" and SESSION.fullmatch(answer[1]) and answer[3][0] == "/":
                # a base of the caller's may hold spaces
                self.folder, self.has_lock = f"{base or answer[3]}/{answer[1]}", answer[2] == "lock"
                self._heard = time.monotonic()
                self._thread.start()
                return
            if answer and answer[0] == "failed":
                raise _no_folder(self._where, " ".join(answer[1:]), base)
            if self._stream.status is not None:
                said = printable(self._stream.errors().decode("utf-8", "replace").strip()[-300:])
                raise TransportError(
                    f"{self._where} runs no POSIX shell: it ended with {self._stream.status}. {said}".strip()
                )
        raise TransportError(f"{self._where} says much, but nothing that it was asked")

    def ask(self, request: str, verb: str, *, timeout_s: float) -> list[list[str]]:
        """One request, and its answers up to the first that begins with a word.

        Raises:
            DeviceLostError: The device is gone.
            DeadlineError: No answer came in time.
        """
        deadline = time.monotonic() + timeout_s
        if not self._asking.acquire(timeout=max(timeout_s, 0)):
            raise DeadlineError(f"{self._where} is still busy with something else")
        try:
            with self._changed:
                self._answers.clear()
                self._number += 1
            self._patient_until = deadline
            self._send(f"{self._number} {request}", max(deadline - time.monotonic(), 0.1))
            return self._collect(request, verb, deadline)
        finally:
            self._heard = time.monotonic()
            self._patient_until = 0.0
            self._asking.release()

    def _collect(self, request: str, verb: str, deadline: float) -> list[list[str]]:
        found: list[list[str]] = []
        size = 0
        with self._changed:
            while True:
                while self._answers:
                    found.append(answer := self._answers.popleft())
                    if answer[0] == verb:
                        return found
                    size += sum(map(len, answer))
                    if size > MOST_ANSWER_BYTES:
                        raise TransportError(f"{self._where} answers {verb!r} without end")
                if self._cause is not None:
                    raise self._cause
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise DeadlineError(f"{self._where} did not answer {request.split(maxsplit=1)[0]!r} in time")
                self._changed.wait(left_s)

    def end(self) -> None:
        """Stop listening; the stream must have been broken off."""
        self._ended = True
        self._stream.break_off()
        if self._thread.is_alive():
            self._thread.join(timeout=BEAT_S)

    def _parsed(self, line: bytes) -> list[str]:
        """An answer's words; nothing for a line that is none."""
        text = line.decode("utf-8", "replace")
        if not text.startswith(self._token + " "):
            return []
        return "".join(char if char.isprintable() else "?" for char in text[len(self._token) + 1 :]).split()

    def _send(self, request: str, timeout_s: float) -> None:
        try:
            with self._writing:
                self._stream.send([request.encode() + b"\n"], timeout_s=timeout_s)
        except DeadlineError:
            raise self._lose("it takes nothing any more") from None
        except TransportError as error:
            raise self._lose(error.message) from None

    def _keep(self) -> None:
        """Beat, and listen, until one of us is gone."""
        buffer = memoryview(bytearray(MOST_LINE_BYTES))
        line = bytearray()
        number, next_beat = 0, 0.0
        try:
            while not self._ended:
                now = time.monotonic()
                if now - max(self._heard, self._patient_until) > TTL_S:
                    self._lose(f"no sign of life for {TTL_S} s")
                elif now >= next_beat:
                    number, next_beat = number + 1, now + BEAT_S
                    self._send(f"0 beat {number}", BEAT_S)
                with contextlib.suppress(DeadlineError):
                    if not (count := self._stream.receive_into(buffer, timeout_s=next_beat - time.monotonic())):
                        self._lose("its keeper ended")
                        return
                    self._hear(line, bytes(buffer[:count]))
        except DeviceLostError as error:
            self._lose(error)
        except TransportError as error:
            self._lose(error.message)

    def _hear(self, line: bytearray, piece: bytes) -> None:
        self._heard = time.monotonic()
        line += piece
        *whole, rest = bytes(line).split(b"\n")
        line[:] = rest
        if len(line) > MOST_LINE_BYTES:
            raise TransportError(f"a line is longer than {MOST_LINE_BYTES} bytes")
        answers = [answer for answer in map(self._parsed, whole) if len(answer) > 1]
        with self._changed:
            # answers that come late are nobody's
            asked = [answer[1:] for answer in answers if answer[0] == str(self._number)]
            if asked and self._asking.locked():
                self._answers += asked
                self._changed.notify_all()

    def _lose(self, how: str | DeviceLostError) -> TransportError:
        cause = self._cause or (TransportError("the link is closed") if self._ended else self._lost(how))
        with self._changed:
            self._cause = cause
            self._changed.notify_all()
        self._stream.break_off()  # a keeper that lives hears of its end, and does what it is there for
        return cause


def script(token: str, base: str) -> bytes:
    """The keeper's program, with its settings, as one text for a shell.

    Args:
        token: What begins each answer.
        base: Folder for sessions on the device; empty for its own choice.
    """
    source = importlib.resources.files("pytest_edgedevice.transports.adb").joinpath("keeper.sh").read_bytes()
    code = b"".join(line for line in source.splitlines(keepends=True) if not line.lstrip().startswith(b"#"))
    settings = {"T": token, "R": secrets.token_hex(8), "TTL": str(TTL_S), "TICK": str(max(TTL_S // 5, 1)), "B": base}
    return b"".join(name.encode() + b"=" + quoted(value) + b"\n" for name, value in settings.items()) + code


def _no_folder(where: str, said: str, base: str) -> TransportError:
    reason, _, detail = said.partition(" ")
    if "No space left" in detail or "quota" in detail.lower():
        return DeviceFullError(f"{where}: no space left for a folder for our files: {detail}", hint=FULL_HINT)
    if reason == "foreign":
        return TransportError(
            f"{where}: {detail} is not a folder of ours, or a link that somebody else may have put there",
            hint=f"remove it, or set 'folder' in edgedevice.toml: adb shell rm -r {shlex.quote(detail)}",
        )
    hint = f"is there a folder {base!r} that its shell may write to?" if base else NO_FOLDER_HINT
    return TransportError(f"{where}: no folder for our files can be made: {detail or reason}", hint=hint)
