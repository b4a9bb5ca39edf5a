"""A conversation with whoever says whatever: every wait ends, every size has a limit, every end is explained."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent import SENTINEL
from pytest_edgedevice.agent.wire import encode
from pytest_edgedevice.conformance import CHECKS, Bench, CommandAgent, TcpAgent, try_all
from pytest_edgedevice.conformance.check import PromiseError, UnreachableError
from pytest_edgedevice.conformance.ends import End
from pytest_edgedevice.conformance.talk import Talk, shown
from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.base import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_edgedevice.agent.wire import Buffer

HELLO = SENTINEL + b"".join(bytes(one) for one in encode({"op": "hello"}))
SHORT_S, PATIENCE_S = 0.2, 30.0


class Script(Stream):
    """Sends these bytes and then an exception; takes nothing where it was told so."""

    def __init__(self, said: bytes, then: Exception | None, refuses: Exception | None = None) -> None:
        self._said, self._then, self._refuses = said, then, refuses

    def send(self, buffers: Sequence[Buffer], *, timeout_s: float) -> None:
        if self._refuses:
            raise self._refuses

    def receive_into(self, view: memoryview, *, timeout_s: float) -> int:
        piece, self._said = self._said[: len(view)], self._said[len(view) :]
        if not piece and self._then:
            raise self._then
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        pass


class ScriptEnd(End):
    def __init__(self, said: bytes, then: Exception | None = None, refuses: Exception | None = None) -> None:
        self.stream = Script(said, then, refuses)

    def hang_up(self) -> None:
        pass

    def over(self, *, timeout_s: float) -> tuple[bool, int | None]:
        return True, None

    def last_words(self) -> str:
        return "; last words"

    def kill(self) -> None:
        pass


@pytest.mark.parametrize(
    ("said", "then", "came"),
    [
        (b"", DeadlineError("late"), "silence: no sentinel within 0.2 s; last words"),
        (b"", None, "the end of the stream; last words"),
        (b"", TransportError("gone"), "the end of the stream; last words"),
        (b"HTTP/1.1 400\r\n", None, r"the end of the stream; last words; before it b'HTTP/1.1 400\r\n'"),
        (b"Welcome! " * 10_000, None, "64 KiB without the sentinel, beginning b'Welcome!"),
        (SENTINEL, DeadlineError("late"), "silence: no whole frame within 0.2 s"),
        (SENTINEL + b"GET / HTTP/1.1\r\n", None, "bytes that are no frame: expected a frame"),
        (SENTINEL + struct.pack("<4sIQ", b"EDG1", 2, 9) + b"{}", None, "payload of 9 bytes is over the limit of 0"),
    ],
)  # fmt: skip
def test_a_greeting_that_is_none_is_told(said: bytes, then: Exception | None, came: str) -> None:
    with pytest.raises(UnreachableError) as raised:
        Talk(ScriptEnd(said, then), timeout_s=SHORT_S, greeting_s=SHORT_S)
    assert came in str(raised.value)


def test_chatter_before_the_sentinel_is_dropped() -> None:
    talk = Talk(ScriptEnd(b"Last login: never\n" + HELLO), timeout_s=SHORT_S, greeting_s=SHORT_S)
    assert talk.hello == {"op": "hello"}


@pytest.mark.parametrize(
    ("refuses", "came"),
    [
        (DeadlineError("full"), "silence: it did not read what was sent within 0.2 s"),
        (TransportError("gone"), "the end of the stream; last words"),
    ],
)
def test_what_is_not_taken_is_told(refuses: Exception, came: str) -> None:
    talk = Talk(ScriptEnd(HELLO, refuses=refuses), timeout_s=SHORT_S, greeting_s=SHORT_S)
    with pytest.raises(PromiseError, match=came):
        talk.ask("have", sha256="0" * 64)


def test_a_long_header_is_cut_and_steers_no_terminal() -> None:
    text = shown({"name": "\x1b[31m" + "x" * 1000})
    assert "\x1b" not in text
    assert text.endswith("... (1,022 characters)")


def test_what_is_nested_without_end_is_not_shown() -> None:
    deep: Any = []
    for _ in range(sys.getrecursionlimit() * 10):
        deep = [deep]
    assert shown(deep) == "something nested too deeply to be shown"


@pytest.fixture
def dribbling() -> Any:
    """An agent that says its hello byte by byte, as long as anybody listens."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(SENTINEL)
            try:
                for byte in struct.pack("<4sIQ", b"EDG1", 1 << 20, 0) + b" " * (1 << 20):
                    connection.sendall(bytes([byte]))
                    time.sleep(0.01)
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield TcpAgent("127.0.0.1", listener.getsockname()[1], timeout_s=PATIENCE_S)
    thread.join(PATIENCE_S)
    listener.close()


def test_bytes_that_trickle_do_not_hold_us_up(dribbling: TcpAgent) -> None:
    bench = Bench(dribbling, timeout_s=SHORT_S, load_timeout_s=SHORT_S)
    (outcome,) = try_all(bench, CHECKS[:1])
    assert outcome.status == "FAILED"
    assert "within 0.2 s" in outcome.came


def test_an_agent_that_dies_is_told_with_what_it_said(tmp_path: Path) -> None:
    program = "import sys; sys.stderr.write('no module named \\x1b[31mnumpy\\n'); sys.exit(3)"
    agent = CommandAgent([sys.executable, "-c", program], tmp_path)
    (outcome,) = try_all(Bench(agent, timeout_s=PATIENCE_S, load_timeout_s=PATIENCE_S), CHECKS[:1])
    assert outcome.came == (
        "the end of the stream; the process ended with exit code 3; its standard error ends: no module named  [31mnumpy"
    )


def test_a_port_that_is_closed_later_is_told_and_not_tried_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    bench = Bench(TcpAgent("127.0.0.1", port, timeout_s=PATIENCE_S), timeout_s=SHORT_S, load_timeout_s=SHORT_S)
    outcomes = list(try_all(bench, CHECKS[:4]))
    assert [one.status for one in outcomes] == ["FAILED", "FAILED", "not run", "not run"]
    assert [one.check.section for one in outcomes[:2]] == ["The stream", "The stream"]
    assert outcomes[0].came == f"cannot connect to 127.0.0.1:{port}: Connection refused"


@pytest.mark.parametrize(
    ("answer", "over"), [(b"", (True, None)), (b"rest", (True, None)), (None, (False, None))], ids=str
)
def test_the_end_of_a_connection_is_seen(answer: bytes | None, over: tuple[bool, None]) -> None:
    """Whatever came before it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        end = TcpAgent("127.0.0.1", listener.getsockname()[1], timeout_s=PATIENCE_S).open()
        connection, _ = listener.accept()
        with connection:
            if answer is not None:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
            end.hang_up()
            assert end.over(timeout_s=PATIENCE_S if over[0] else 0.05) == over
            assert end.last_words() == ""
        end.kill()
