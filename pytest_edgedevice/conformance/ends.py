"""Where an agent is reached: a program of ours to start, or a port that it listens on."""

from __future__ import annotations

import contextlib
import shlex
import socket
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.runners.wording import describe_status, telling_lines
from pytest_edgedevice.transports.pipes import ChildProcess, PipeStream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.transports.base import Stream, Transport

FOLDER = "{folder}"
SHOWN_LINES = 3
MOST_UNREAD_BYTES = 64 << 20


class End(ABC):
    """One conversation's stream, and what can be seen of the agent beside it."""

    stream: Stream

    @abstractmethod
    def hang_up(self) -> None:
        """End the agent's input."""

    @abstractmethod
    def over(self, *, timeout_s: float) -> tuple[bool, int | None]:
        """Whether the agent ended the conversation in time, and its exit status where there is one."""

    @abstractmethod
    def last_words(self) -> str:
        """What is known of its end, as clauses that begin with a separator; may be empty."""

    @abstractmethod
    def kill(self) -> None:
        """Leave at once; idempotent."""


class Agent(ABC):
    """The agent to be checked.

    Attributes:
        name: For people.
        by_tcp: Whether several clients can reach one agent.
    """

    name: str
    by_tcp: bool

    @abstractmethod
    def open(self) -> End:
        """Begin a conversation.

        Raises:
            TransportError: It cannot be started, or nobody listens.
        """


class CommandAgent(Agent):
    """A program that speaks on its standard streams, started anew for every conversation.

    Args:
        arguments: The program and what it is told; ``{folder}`` in it becomes a new empty folder each time.
        work: Where these folders are made.
    """

    by_tcp = False

    def __init__(self, arguments: Sequence[str], work: Path) -> None:
        self._arguments = list(arguments)
        self._work = work
        self.name = shlex.join(self._arguments)
        self.folder: Path | None = None
        """The folder of the last conversation, where there is one."""

    @property
    def wipes(self) -> bool:
        """Whether it was told to leave nothing in a folder that we know."""
        return "--wipe" in self._arguments and FOLDER in self._arguments

    def open(self) -> End:
        """See the base class."""
        self.folder = None
        if any(FOLDER in argument for argument in self._arguments):
            self.folder = Path(tempfile.mkdtemp(dir=self._work))
        return _ProcessEnd([argument.replace(FOLDER, str(self.folder)) for argument in self._arguments])


class TcpAgent(Agent):
    """A port; every connection is a conversation."""

    by_tcp = True

    def __init__(self, host: str, port: int, *, timeout_s: float) -> None:
        self._address = (host, port)
        self._timeout_s = timeout_s
        self.name = f"{host}:{port}"

    def open(self) -> End:
        """See the base class."""
        try:
            connection = socket.create_connection(self._address, timeout=self._timeout_s)
        except OSError as error:
            raise TransportError(f"cannot connect to {self.name}: {error.strerror or error}") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        descriptor = connection.detach()
        stream = PipeStream(descriptor, descriptor)
        return _TcpEnd(stream, stream.close)


class PhoneAgent(Agent):
    """An app's port on a phone; every connection is a conversation.

    Args:
        link: To the phone; stays the caller's.
        port: Where the app listens, on the phone's own loopback.
        name: For people.
        timeout_s: Deadline of a connection, seconds.
    """

    by_tcp = True

    def __init__(self, link: Transport, port: int, *, name: str, timeout_s: float) -> None:
        self._link = link
        self._port = port
        self._timeout_s = timeout_s
        self.name = name

    def open(self) -> End:
        """See the base class."""
        process = self._link.open_port(self._port, timeout_s=self._timeout_s)
        assert isinstance(process.stream, PipeStream)  # as of every link that reaches ports
        return _TcpEnd(process.stream, process.kill)


class _ProcessEnd(End):
    def __init__(self, arguments: Sequence[str]) -> None:
        self._process = ChildProcess(arguments)
        self.stream = self._process.stream

    def hang_up(self) -> None:
        self.stream.close()

    def over(self, *, timeout_s: float) -> tuple[bool, int | None]:
        status = self._process.wait(timeout_s=timeout_s)
        return status is not None, status

    def last_words(self) -> str:
        status = self._process.wait(timeout_s=0.2)
        lines = telling_lines(self._process.stderr_since(0)[0])[-SHOWN_LINES:]
        clauses = ["" if status is None else f"the process {describe_status(status)}"]
        clauses += [f"its standard error ends: {' | '.join(lines)}" if lines else ""]
        return "".join(f"; {clause}" for clause in clauses if clause)

    def kill(self) -> None:
        self._process.kill()


class _TcpEnd(End):
    def __init__(self, stream: PipeStream, close: Callable[[], None]) -> None:
        self.stream = stream
        self._close = close
        self._descriptor = stream.descriptors[0]

    def hang_up(self) -> None:
        with socket.socket(fileno=self._descriptor) as borrowed:
            with contextlib.suppress(OSError):  # the agent was faster
                borrowed.shutdown(socket.SHUT_WR)
            borrowed.detach()

    def over(self, *, timeout_s: float) -> tuple[bool, int | None]:
        deadline = time.monotonic() + timeout_s
        rest = memoryview(bytearray(1 << 16))
        unread = 0
        try:
            while unread < MOST_UNREAD_BYTES:
                count = self.stream.receive_into(rest, timeout_s=max(deadline - time.monotonic(), 0))
                if not count:
                    return True, None
                unread += count
        except DeadlineError:
            return False, None
        except TransportError:  # it closed with some of our bytes unread
            return True, None
        return False, None

    def last_words(self) -> str:
        return ""

    def kill(self) -> None:
        self._close()
