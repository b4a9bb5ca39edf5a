"""Contracts that every transport and every agent must keep, as test classes.

Whoever adds one subclasses the contract as ``Test...`` and gives the fixture it
asks for; our own ones live by the same classes. Devices need a POSIX shell.
Knows transports, the wire and runners; nothing of pytest but its fixtures.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.wire import describe, split_tensors
from pytest_edgedevice.errors import DeadlineError, EdgeDeviceError, ProtocolError, TransportError
from pytest_edgedevice.runners.client import AgentClient

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.transports.base import Transport

PATIENCE_S = 30.0
"""Deadline for what should take no time; a test that needs all of it has failed."""

ALIVE = """
for _ in 1 2 3 4 5 6 7 8 9; do
    grep -q '^State:[[:space:]]*[RSDTtI]' "/proc/$(cat "$1/pid")/status" 2>/dev/null || exit 0
    sleep 0.1
done
echo alive
"""

StartAgent = Callable[[], AgentClient]


def shell(transport: Transport, script: str, *arguments: str) -> str:
    """Run a small script on the device; its output."""
    return transport.run(["sh", "-c", script, "sh", *arguments], timeout_s=PATIENCE_S).stdout.decode()


class TransportContract:
    """Subclass as ``Test...`` and provide the fixture ``transport``, an open link."""

    @pytest.fixture
    def transport(self) -> Transport:
        """An open link; closed by the fixture."""
        raise NotImplementedError

    def test_arguments_are_not_split_or_expanded(self, transport: Transport) -> None:
        """Spaces, globs, quotes, line ends and empty ones reach the program as written."""
        odd = ["a b", "$HOME", "*", "'q' \"d\"", "", "\\", "new\nline", "-n", "~", ";true", "caf\u00e9"]
        done = transport.run(["printf", "%s|", *odd], timeout_s=PATIENCE_S)
        assert done.stdout.decode() == "".join(f"{one}|" for one in odd)

    def test_the_streams_are_kept_apart(self, transport: Transport) -> None:
        """Output is bytes, unchanged, and errors are not in it."""
        done = transport.run(["sh", "-c", "printf 'a\\000\\377\\r\\n'; printf b >&2"], timeout_s=PATIENCE_S)
        assert (done.stdout, done.stderr) == (b"a\0\xff\r\n", b"b")

    def test_input_reaches_the_program(self, transport: Transport) -> None:
        """Any bytes, more than a pipe holds."""
        sent = bytes(range(256)) * 1024
        assert transport.run(["cat"], timeout_s=PATIENCE_S, stdin=sent).stdout == sent

    @pytest.mark.parametrize("status", [0, 1, 42])
    def test_an_exit_code_is_told(self, transport: Transport, status: int) -> None:
        """As it was."""
        assert transport.run(["sh", "-c", f"exit {status}"], timeout_s=PATIENCE_S).returncode == status

    def test_a_signal_is_told(self, transport: Transport) -> None:
        """As a negative number."""
        assert transport.run(["sh", "-c", "kill -SEGV $$"], timeout_s=PATIENCE_S).returncode == -11

    def test_a_program_that_is_not_there_is_an_error(self, transport: Transport) -> None:
        """Of the link's kind, with its name."""
        with pytest.raises(TransportError, match="edgedevice-no-such-program"):
            transport.run(["edgedevice-no-such-program"], timeout_s=PATIENCE_S)

    def test_a_program_that_does_not_end_is_killed_with_all_it_started(self, transport: Transport) -> None:
        """Within the deadline, also when a grandchild holds the pipes."""
        with pytest.raises(DeadlineError, match="did not end within"):
            transport.run(["sh", "-c", 'sleep 987 & echo $! >"$1/pid"; sleep 987', "sh", transport.folder], timeout_s=1)
        assert shell(transport, ALIVE, transport.folder) == ""

    def test_a_pushed_file_is_what_was_read(self, transport: Transport, tmp_path: Path) -> None:
        """Under its hash, with its size, byte for byte."""
        content = bytes(range(256)) * 9000
        source = _file(tmp_path, content)
        pushed = transport.push(source, timeout_s=PATIENCE_S)
        there = transport.run(["cat", f"{transport.folder}/{pushed.sha256}"], timeout_s=PATIENCE_S).stdout
        assert there == content
        assert (pushed.sha256, pushed.size_bytes, pushed.sent_bytes) == (_sha256(content), len(content), len(content))

    def test_an_unchanged_file_is_not_sent_again(self, transport: Transport, tmp_path: Path) -> None:
        """Whatever its name or age."""
        transport.push(_file(tmp_path, b"same", name="one"), timeout_s=PATIENCE_S)
        assert transport.push(_file(tmp_path, b"same", name="two"), timeout_s=PATIENCE_S).sent_bytes == 0

    def test_a_file_of_the_same_size_is_another_file(self, transport: Transport, tmp_path: Path) -> None:
        """A retrained model has the size of its predecessor."""
        source = _file(tmp_path, b"old")
        old = transport.push(source, timeout_s=PATIENCE_S)
        source.write_bytes(b"new")
        new = transport.push(source, timeout_s=PATIENCE_S)
        assert (new.sha256, new.sent_bytes) == (_sha256(b"new"), 3)
        assert shell(transport, 'cat "$1" "$2"', *(f"{transport.folder}/{p.sha256}" for p in (old, new))) == "oldnew"

    def test_an_empty_file_can_be_pushed(self, transport: Transport, tmp_path: Path) -> None:
        """It is a file like any other."""
        pushed = transport.push(_file(tmp_path, b""), timeout_s=PATIENCE_S)
        assert shell(transport, 'test -f "$1" && echo there', f"{transport.folder}/{pushed.sha256}") == "there\n"

    @pytest.mark.parametrize("what", ["missing", "folder"])
    def test_what_is_no_file_cannot_be_pushed(self, transport: Transport, tmp_path: Path, what: str) -> None:
        """And the error names it."""
        source = tmp_path / what
        if what == "folder":
            source.mkdir()
        with pytest.raises(TransportError, match=what):
            transport.push(source, timeout_s=PATIENCE_S)

    def test_placed_bytes_are_at_the_path_that_is_returned(self, transport: Transport) -> None:
        """Twice the same bytes are one file."""
        paths = {transport.place(b"content", timeout_s=PATIENCE_S) for _ in range(2)}
        assert paths == {f"{transport.folder}/{_sha256(b'content')}"}
        assert shell(transport, 'cat "$1"', *paths) == "content"

    def test_a_started_program_talks_both_ways(self, transport: Transport) -> None:
        """While it runs."""
        process = transport.start(["cat"])
        process.stream.send([b"he", bytearray(b"llo")], timeout_s=PATIENCE_S)
        got = bytearray()
        while len(got) < 5:
            piece = bytearray(5)
            count = process.stream.receive_into(memoryview(piece), timeout_s=PATIENCE_S)
            got += piece[:count]
        process.kill()
        assert got == b"hello"

    def test_silence_is_a_deadline(self, transport: Transport) -> None:
        """Not a hang."""
        process = transport.start(["sleep", "987"])
        with pytest.raises(DeadlineError):
            process.stream.receive_into(memoryview(bytearray(1)), timeout_s=0.05)
        process.kill()

    def test_a_peer_that_takes_nothing_is_a_deadline(self, transport: Transport) -> None:
        """Not a hang, and not unbounded memory."""
        process = transport.start(["sleep", "987"])
        with pytest.raises(DeadlineError):
            process.stream.send([bytes(64 << 20)], timeout_s=0.2)
        process.kill()

    def test_the_end_of_a_program_is_told_with_its_last_words(self, transport: Transport) -> None:
        """Status and standard error."""
        process = transport.start(["sh", "-c", "echo last words >&2; exit 3"])
        assert process.stream.receive_into(memoryview(bytearray(1)), timeout_s=PATIENCE_S) == 0
        assert (process.wait(timeout_s=PATIENCE_S), process.stderr_tail()) == (3, "last words\n")
        process.kill()

    def test_a_kill_ends_descendants_and_may_be_repeated(self, transport: Transport) -> None:
        """Nothing of it is left."""
        process = transport.start(["sh", "-c", 'sleep 987 & echo $! >"$1/pid"; echo up; wait', "sh", transport.folder])
        process.stream.receive_into(memoryview(bytearray(1)), timeout_s=PATIENCE_S)
        process.kill()
        process.kill()
        assert shell(transport, ALIVE, transport.folder) == ""

    def test_a_closed_link_does_nothing_more(self, transport: Transport, tmp_path: Path) -> None:
        """It says so; closing twice is no error."""
        transport.close()
        transport.close()
        for use in (
            lambda: transport.run(["true"], timeout_s=PATIENCE_S),
            lambda: transport.start(["true"]),
            lambda: transport.push(_file(tmp_path, b"x"), timeout_s=PATIENCE_S),
            lambda: transport.place(b"x", timeout_s=PATIENCE_S),
        ):
            with pytest.raises(TransportError, match="closed"):
                use()

    def test_identity_and_facts_are_stable(self, transport: Transport) -> None:
        """A lease and a selection rest on them."""
        assert transport.identity() == transport.identity() != ""
        assert transport.facts() == transport.facts()
        assert all(isinstance(value, str | int | float | bool) for value in transport.facts().values())


class AgentContract:
    """Subclass as ``Test...`` and provide ``start_agent`` and ``add_model``, the bytes of a float32 ``sum = a + b``."""

    @pytest.fixture
    def start_agent(self) -> StartAgent:
        """A function that starts an agent and returns a client that has read its hello."""
        raise NotImplementedError

    @pytest.fixture
    def add_model(self) -> bytes:
        """A model with inputs ``a`` and ``b`` and the output ``sum``, each [1,4] float32."""
        raise NotImplementedError

    def test_the_hello_tells_what_it_serves(self, start_agent: StartAgent) -> None:
        """At least the operations of version 1."""
        with _closing(start_agent()) as agent:
            assert {"have", "put", "load", "run", "measure", "facts", "bye"} <= set(agent.hello["operations"])
            assert agent.hello["clock_tick_ns"] >= 1

    def test_a_blob_arrives_in_chunks(self, start_agent: StartAgent, add_model: bytes) -> None:
        """And is there afterwards, not before."""
        with _closing(start_agent()) as agent:
            sha256 = _sha256(add_model)
            before = _ask(agent, "have", sha256=sha256)["present"]
            _put(agent, add_model)
            assert (before, _ask(agent, "have", sha256=sha256)["present"]) == (False, True)

    @pytest.mark.parametrize(
        ("field", "value"),
        [("sha256", "../../etc/passwd"), ("sha256", 7), ("offset", 1), ("offset", -1), ("total", 2), ("total", True)],
    )
    def test_a_blob_that_does_not_fit_is_refused(self, start_agent: StartAgent, field: str, value: Any) -> None:
        """Names that lead elsewhere, gaps, lies about the size."""
        with _closing(start_agent()) as agent:
            fields: dict[str, Any] = {"sha256": _sha256(b"abc"), "offset": 0, "total": 3, field: value}
            with pytest.raises(ProtocolError):
                agent.request("put", fields, [b"abc"], timeout_s=PATIENCE_S)

    def test_a_blob_with_another_hash_is_refused(self, start_agent: StartAgent) -> None:
        """The last chunk tells."""
        with _closing(start_agent()) as agent, pytest.raises(ProtocolError, match="hash"):
            agent.request("put", {"sha256": _sha256(b"abc"), "offset": 0, "total": 3}, [b"abd"], timeout_s=PATIENCE_S)

    def test_a_model_runs(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Two samples in, two out, exactly, with their times."""
        with _closing(start_agent()) as agent:
            loaded = _load(agent, add_model)
            assert sorted(spec["name"] for spec in loaded["inputs"]) == ["a", "b"]
            frame = agent.request("run", *_add_request(2), timeout_s=PATIENCE_S)
            parts = {part.name: part for part in split_tensors(frame.header, frame.payload)}
            assert struct.unpack("<8f", parts["sum"].data) == tuple(11.0 * at for at in range(8))
            assert (parts["inference_ns"].role, parts["inference_ns"].shape) == ("timing", (2,))

    def test_requests_may_be_sent_ahead(self, start_agent: StartAgent, add_model: bytes) -> None:
        """As many as the hello allows; replies come in order."""
        with _closing(start_agent()) as agent:
            _load(agent, add_model)
            numbers = [agent.send("facts", timeout_s=PATIENCE_S) for _ in range(agent.hello["window"])]
            for number in numbers:
                agent.receive("facts", number, timeout_s=PATIENCE_S, max_reply_bytes=0)

    def test_a_series_has_the_length_that_was_asked_for(self, start_agent: StartAgent, add_model: bytes) -> None:
        """Positive nanoseconds."""
        with _closing(start_agent()) as agent:
            _load(agent, add_model)
            fields, buffers = _add_request(1)
            fields |= {"runs": 7, "batch": 2, "settle": 1, "max_ns": 10**12}
            frame = agent.request("measure", fields, buffers, timeout_s=PATIENCE_S)
            (part,) = split_tensors(frame.header, frame.payload)
            assert (part.role, part.dtype, part.shape) == ("timing", "int64", (7,))
            assert all(value >= 0 for value in struct.unpack("<7q", part.data))

    @pytest.mark.parametrize("delegate", ["", "warp", "external:/no/such/library.so"])
    def test_a_delegate_that_is_not_there_is_refused(
        self, start_agent: StartAgent, add_model: bytes, delegate: str
    ) -> None:
        """And the agent goes on: the model can be loaded without it."""
        with _closing(start_agent()) as agent:
            with pytest.raises(EdgeDeviceError):
                _load(agent, add_model, delegate=delegate)
            assert _load(agent, add_model)["placement"]["nodes"] == 1

    @pytest.mark.parametrize("operation", ["run", "measure"])
    def test_nothing_runs_without_a_model(self, start_agent: StartAgent, operation: str) -> None:
        """It is a breach of the protocol."""
        with _closing(start_agent()) as agent, pytest.raises(ProtocolError):
            agent.request(operation, *_add_request(1), timeout_s=PATIENCE_S)

    def test_an_unknown_operation_is_refused(self, start_agent: StartAgent) -> None:
        """By name."""
        with _closing(start_agent()) as agent, pytest.raises(ProtocolError, match="fly"):
            agent.request("fly", timeout_s=PATIENCE_S)


class _closing:  # noqa: N801 - read as contextlib.closing
    def __init__(self, agent: AgentClient) -> None:
        self._agent = agent

    def __enter__(self) -> AgentClient:
        return self._agent

    def __exit__(self, *_: object) -> None:
        self._agent.close()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file(folder: Path, content: bytes, *, name: str = "model.bin") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _ask(agent: AgentClient, operation: str, **fields: Any) -> dict[str, Any]:
    return agent.request(operation, fields, timeout_s=PATIENCE_S).header


def _put(agent: AgentClient, content: bytes, *, chunk_bytes: int = 100) -> None:
    for offset in range(0, len(content), chunk_bytes):
        fields = {"sha256": _sha256(content), "offset": offset, "total": len(content)}
        chunk = content[offset : offset + chunk_bytes]
        complete = agent.request("put", fields, [chunk], timeout_s=PATIENCE_S).header["complete"]
        assert complete == (offset + len(chunk) == len(content))


def _load(agent: AgentClient, content: bytes, *, delegate: str = "cpu") -> dict[str, Any]:
    if not _ask(agent, "have", sha256=_sha256(content))["present"]:
        _put(agent, content)
    fields = {"delegate": delegate, "engine": "", "threads": 1, "allow_fallback": False, "delegate_options": {}}
    return _ask(agent, "load", sha256=_sha256(content), **fields)


def _add_request(samples: int) -> tuple[dict[str, Any], list[bytes]]:
    count = 4 * samples
    buffers = [struct.pack(f"<{count}f", *(scale * at for at in range(count))) for scale in (1.0, 10.0)]
    entries = [describe(name, "float32", (samples, 1, 4)) for name in ("a", "b")]
    return {"samples": samples, "tensors": entries}, buffers
