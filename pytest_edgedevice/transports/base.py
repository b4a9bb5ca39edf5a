"""The one interface a device link must offer.

A transport moves bytes and starts processes. It knows nothing of models,
tensors, pytest or reports. Implementations raise only ``TransportError`` (or
one of its kinds) and ``DeadlineError``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pytest_edgedevice.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from pytest_edgedevice.transports.progress import Progress
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
        sha256: Hash of the content that was placed, taken from its bytes. Where it is taken behind the push, reading
            it waits, by the push's deadline at most, until the file is whole and has its name, and raises what
            ``Transport.push`` may raise.
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

    def why_ended(self, *, timeout_s: float) -> TransportError | None:  # noqa: ARG002 - a process has an exit status
        """Why the stream of a process without exit status ended, where the link knows: the device was unplugged.

        None where the link is as it was, so that the program itself ended. Never raises.
        """
        return None

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
    on_progress: Callable[[Progress], None] | None = None
    """Told, about once a second and from another thread, how far a transfer is that takes longer than a second."""
    taken_over: tuple[str, ...] = ()
    """What the device's own lock told of holders that crashed, and what was cleaned up then; clauses for the report."""

    @property
    def is_alive(self) -> bool:
        """Whether the link can be used still, as far as that is known without asking the device."""
        return True

    @abstractmethod
    def identity(self) -> str:
        """What tells this piece of hardware from all others, whatever link it is reached by."""

    @abstractmethod
    def facts(self) -> Mapping[str, Fact]:
        """What is known of the device, by the names that selection expressions use."""

    def conditions(self) -> Mapping[str, Fact]:
        """What may disturb a measurement now, where the link can ask what an agent cannot: battery, thermal status.

        Names and units as in the agent's own conditions, over which these win. Never asked while anything is timed.

        Raises:
            TransportError, DeadlineError: The link failed.
        """
        return {}

    def aftermath(self, pid: int | None, since: float) -> Mapping[str, str]:  # noqa: ARG002 - a link that keeps no logs
        """What the device's own logs say of a process of ours that died: title to text, such as ``logcat``.

        Args:
            pid: Its number there; None where that is not known.
            since: When it was started, seconds since the epoch by this host's clock.

        Returns:
            Whatever could be read in a few seconds, of our own processes only; a device that does not answer any
            more says nothing. The texts are the device's: nobody may trust them.
        """
        return {}

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

    def open_port(self, port: int, *, timeout_s: float) -> Process:  # noqa: ARG002 - a link without ports
        """Connect to a program that runs on the device already and listens on a TCP port of its own loopback.

        Returns:
            A process of which only the stream is known: ``wait`` never learns an exit status, there is no standard
            error, and ``kill`` ends the connection and not the program. ``why_ended`` tells what the link knows.

        Raises:
            PortRefusedError: Nothing listens there now; somebody may start it.
            DeviceLostError: The device is gone.
            TransportError: This link reaches no ports, or it failed.
            DeadlineError: Nobody answered in time.
        """
        raise TransportError(f"a {self.kind} link reaches no port of the device, so not port {port} either")

    def ready_to_launch(self, *, timeout_s: float) -> None:  # noqa: B027 - a link that asks nobody
        """Find out why a program could not be started there by others: not paired, locked, developer mode off.

        Raises:
            TransportError: It could not; the message says why, and the hint what to do.
            DeadlineError: The device did not answer in time.
        """

    @abstractmethod
    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        """Place a model at ``folder/<sha256 of its content>``; sends nothing when it is there.

        A link that may keep models between sessions keeps what came this way, so inputs go by ``place``.

        Raises:
            TransportError: The file cannot be read, changed meanwhile, or the link failed.
            DeviceFullError: No space; nothing is left of it.
        """

    def push_all(self, sources: Sequence[Path], *, timeout_s: float) -> Sequence[Pushed]:
        """Place many files, as ``push`` does each; a link that is slow to answer overrides it.

        Returns:
            One for each source, in order.

        Raises:
            TransportError, DeadlineError, DeviceFullError: As ``push``, for the first that fails. Of the others each
                is there, whole and under its name, or is not.
        """
        deadline = time.monotonic() + timeout_s
        return [self.push(source, timeout_s=max(deadline - time.monotonic(), 0)) for source in sources]

    @abstractmethod
    def place(self, content: bytes, *, timeout_s: float) -> str:
        """Put bytes at ``folder/<sha256>``, like ``push`` does for a file; the path on the device."""

    def clean(self, left: str, *, timeout_s: float) -> Sequence[str]:  # noqa: ARG002 - a link that leaves nothing
        """End what a holder that crashed left on the device: its processes, files, port forwards, and only those.

        Called once after connecting, by whoever leased the device next.

        Args:
            left: Folder of its session, as its record claims; empty when unknown. Whoever wrote the record
                is not trusted: only a folder that is provably one of our sessions', and dead, may be touched.
            timeout_s: Deadline, seconds.

        Returns:
            What was done, each a clause for the report: ``ended 1 process``, ``removed /tmp/...``.

        Raises:
            TransportError, DeadlineError: The link failed.
        """
        return ()

    def guard(
        self,
        record: bytes,  # noqa: ARG002 - a link whose lease is taken where the device is
        *,
        wait_s: float,  # noqa: ARG002
        on_wait: Callable[[str], None] | None = None,  # noqa: ARG002
    ) -> Sequence[str]:
        """Take the device's own lock too, which also holds against users of other hosts; ``close`` hands it back.

        Called once after connecting, by whoever holds the lease here.

        Args:
            record: Who holds it, as a holder's record.
            wait_s: How long to wait in the device's own line, seconds.
            on_wait: Told while waiting what we wait for, as a text.

        Returns:
            What was cleaned up after holders that crashed, each a clause for the report.

        Raises:
            DeviceBusyError: Somebody else holds it still; the message names the holder.
            LeaseError: The lock there cannot be used.
            TransportError, DeadlineError: The link failed.
        """
        return ()

    @abstractmethod
    def close(self) -> None:
        """End our processes there, remove our files, close the link; idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
