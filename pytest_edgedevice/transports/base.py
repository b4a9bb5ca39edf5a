"""The one interface a device link must offer.

A transport moves bytes and starts processes. It knows nothing of models,
tensors, pytest or reports. Implementations raise only ``TransportError`` (or
one of its kinds) and ``DeadlineError``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_edgedevice.values import Fact

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that ran on the device; ``returncode`` is negative for a signal, as in ``subprocess``."""

    returncode: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class Pushed:
    """A file that is on the device now.

    Attributes:
        sha256: Hash of the content that was placed, taken from the bytes as they went.
        size_bytes: Size of the file.
        sent_bytes: Payload that travelled; 0 when the content was there already.
    """

    sha256: str
    size_bytes: int
    sent_bytes: int


class Stream(ABC):
    """Bytes to and from a process on the device, both ways, every call with a deadline."""

    @abstractmethod
    def send(self, buffers: Sequence[Buffer], *, timeout_s: float) -> None:
        """Write all buffers in order.

        Raises:
            TransportError: The other end is gone.
            DeadlineError: Not all of it was taken in time; the stream cannot be used any more.
        """

    @abstractmethod
    def receive_into(self, view: memoryview, *, timeout_s: float) -> int:
        """Wait for bytes and read some; 0 at the end of the stream.

        Raises:
            TransportError: The link failed.
            DeadlineError: Nothing came in time.
        """

    @abstractmethod
    def close(self) -> None:
        """Close both directions; idempotent."""


class Process(ABC):
    """A running process on the device with its standard streams."""

    stream: Stream

    @abstractmethod
    def wait(self, *, timeout_s: float) -> int | None:
        """The exit status (negative: signal), or None while it still runs after ``timeout_s``."""

    @abstractmethod
    def stderr_since(self, mark: int) -> tuple[str, int]:
        """Standard error that arrived after ``mark`` bytes of it, and the next mark.

        At most the last 64 KiB, decoded leniently. What the process wrote before
        the last bytes we received of its output is in it, so that a reply finds its cause.
        """

    def stderr_tail(self) -> str:
        """The last 64 KiB of standard error that have arrived, decoded leniently."""
        return self.stderr_since(0)[0]

    @abstractmethod
    def kill(self) -> None:
        """End the process and its descendants at once; idempotent, never raises."""


class Transport(ABC):
    """A link to one device. Use it as a context manager, or call ``close``.

    Promises, checked by ``pytest_edgedevice.testing.TransportContract``: arguments
    reach programs as written; a file appears under its name only when it is
    whole; nothing of ours is on the device after ``close``.

    Attributes:
        kind: ``local``, ``adb``, ``ssh`` ...
        folder: Folder of this session on the device, ours alone, removed by ``close``.
    """

    kind: str
    folder: str

    @abstractmethod
    def identity(self) -> str:
        """What tells this piece of hardware from all others, whatever link it is reached by."""

    @abstractmethod
    def facts(self) -> Mapping[str, Fact]:
        """What is known of the device, by the names that selection expressions use."""

    @abstractmethod
    def agent_command(self, agent: str) -> list[str]:
        """Arguments that start the agent whose file was placed at ``agent``."""

    @abstractmethod
    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """Run a program to its end.

        Raises:
            TransportError: It cannot be started, or the link failed.
            DeadlineError: It did not end in time; it was killed.
        """

    @abstractmethod
    def start(self, arguments: Sequence[str]) -> Process:
        """Start a program and leave it running; it ends with the transport at the latest."""

    @abstractmethod
    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        """Place a file at ``folder/<sha256 of its content>``; sends nothing when it is there.

        Raises:
            TransportError: The file cannot be read, or the link failed.
            DeviceFullError: No space; nothing is left of it.
        """

    @abstractmethod
    def place(self, content: bytes, *, timeout_s: float) -> str:
        """Put bytes at ``folder/<sha256>``, like ``push`` does for a file; the path on the device."""

    @abstractmethod
    def close(self) -> None:
        """End our processes there, remove our files, close the link; idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
