"""What every link must keep that starts programs and keeps files; see ``TransportContract``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.testing.links import LinkContract
from pytest_edgedevice.testing.patience import PATIENCE_S

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.transports.base import Transport

ALIVE = """
for _ in 1 2 3 4 5 6 7 8 9; do
    grep -q '^State:[[:space:]]*[RSDTtI]' "/proc/$(cat "$1/pid")/status" 2>/dev/null || exit 0
    sleep 0.1
done
echo alive
"""


def shell(transport: Transport, script: str, *arguments: str) -> str:
    """Run a small script on the device; its output."""
    return transport.run(["sh", "-c", script, "sh", *arguments], timeout_s=PATIENCE_S).stdout.decode()


class TransportContract(LinkContract):
    """Subclass as ``Test...`` and provide the fixture ``transport``, an open link."""

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

    def test_many_files_are_pushed_as_one_by_one(self, transport: Transport, tmp_path: Path) -> None:
        """Small, large, empty and equal ones, told in order."""
        contents = [b"a", b"bc" * 300_000, b"", b"a", *(b"%d" % number for number in range(100))]
        sources = [_file(tmp_path, content, name=f"f{number}") for number, content in enumerate(contents)]
        pushed = transport.push_all(sources, timeout_s=PATIENCE_S)
        assert [one.sha256 for one in pushed] == [_sha256(content) for content in contents]
        assert pushed[3].sent_bytes == 0
        assert sum(one.sent_bytes for one in pushed) == sum(map(len, set(contents)))
        paths = [f"{transport.folder}/{one.sha256}" for one in pushed]
        assert shell(transport, 'cat "$@"', *paths).encode() == b"".join(contents)

    def test_of_many_files_one_that_is_none_is_told(self, transport: Transport, tmp_path: Path) -> None:
        """And the error names it."""
        with pytest.raises(TransportError, match="missing"):
            transport.push_all([_file(tmp_path, b"there"), tmp_path / "missing"], timeout_s=PATIENCE_S)
        assert transport.push(_file(tmp_path, b"next"), timeout_s=PATIENCE_S).sent_bytes == 4

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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _file(folder: Path, content: bytes, *, name: str = "model.bin") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
