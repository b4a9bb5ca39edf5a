"""What a board answers is a stranger's; what is kept of it is typed, cut and printable."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.cli.boards import asking, posix
from pytest_edgedevice.cli.boards.asking import Board
from pytest_edgedevice.cli.boards.looks import Look, Tried, from_answer, look_at, version_in
from pytest_edgedevice.cli.boards.posix import MARK, look_without_python
from pytest_edgedevice.cli.checks.programs import Ended
from pytest_edgedevice.errors import DeviceFullError, InfraError, TransportError
from pytest_edgedevice.transports.base import Completed
from pytest_edgedevice.transports.ssh.client import Target
from pytest_edgedevice.transports.ssh.transport import SshTransport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE: list[Any] = [None, 0, -1, 1e400, True, "\x1b[31m" * 1000, [], [[]], {}, {"a": {}}, ["\x00"], {"version": 7}]
FIELDS = (
    *("python", "executable", "implementation", "abi", "kind", "machine", "kernel", "glibc", "libstdcxx", "engines"),
    *("holder", "sites", "base_free_bytes", "unread", "facts", "governors", "throttled", "locks"),
)


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_an_answer_of_anything_becomes_something_printable(value: Any) -> None:
    look = from_answer(dict.fromkeys(FIELDS, value))
    assert all(sign.isprintable() for sign in repr(look))
    assert len(repr(look)) < 10_000


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_parts_of_anything_do_too(value: Any) -> None:
    parts = dict.fromkeys(("version", "numpy", "failure", "path", "folder", "fault", "there", "manifest"), value)
    look = from_answer(
        {"engines": {"litert": parts}, "libstdcxx": parts, "locks": parts, "sites": [parts] * 9, "facts": parts}
    )
    assert all(sign.isprintable() for sign in repr(look))
    assert len(look.sites) == 2


def test_a_board_that_says_nothing_is_known_as_that() -> None:
    assert from_answer({}) == Look(engines={"litert": Tried(), "tflite": Tried()})


@pytest.mark.parametrize(
    ("words", "version"),
    [("glibc 2.36", (2, 36)), ("2.31-13+deb11u5", (2, 31)), ("musl", None), ("", None), ("9" * 30 + ".1", (99999, 1))],
)
def test_versions_are_found_in_what_people_call_them(words: str, version: tuple[int, ...] | None) -> None:
    found = version_in(words)
    assert found == version


def test_only_glibc_is_glibc() -> None:
    assert (Look(libc="glibc 2.36").glibc, Look(libc="musl 1.2").glibc, Look().glibc) == ((2, 36), None, None)


class TestAsking:
    @pytest.fixture
    def reached(self, board: Path) -> Iterator[Board]:
        with SshTransport("here") as transport:
            yield Board(transport, python="python3", name="here")

    def test_a_real_look_finds_what_this_machine_is(self, reached: Board, board: Path) -> None:
        look = look_at(reached, chosen=False)
        assert (look.python, look.machine) == (platform.python_version(), platform.machine())
        assert look.glibc == version_in(platform.libc_ver()[1])
        assert look.engines["litert"].loads
        assert look.sites[0].folder.startswith(str(board / ".local/share/edgedevice/site/cpython-3"))
        assert look.sites[0].writable
        assert look.locks_fault == ""

    def test_a_folder_that_was_chosen_is_where_packages_go(self, reached: Board) -> None:
        assert look_at(reached, chosen=True).sites[0].folder.startswith(f"{reached.base}/site/cpython-3")

    def test_looking_leaves_nothing(self, reached: Board, board: Path, tmp_path: Path) -> None:
        look_at(reached, chosen=False)
        assert list(board.iterdir()) == []
        reached.transport.close()
        assert list((tmp_path / "temp").iterdir()) == []

    @pytest.mark.parametrize(
        ("answer", "says"),
        [
            (Completed(0, b"Welcome to this board\n", b""), "does not answer in our words"),
            (Completed(0, b"[1]", b""), "does not answer in our words"),
            (Completed(0, b'{"a": "' + bytes([97]) * (1 << 20) + b'"}', b""), "does not answer in our words"),
            (Completed(0, b"[" * 100_000, b""), "does not answer in our words"),
            (Completed(3, b"", b"Traceback\nNo\x1b[31mName: x\n"), r"ended with 3: No \[31mName: x"),
            (Completed(-9, b"", b""), "ended with -9: no word"),
        ],
    )
    def test_other_words_than_ours_are_an_error(
        self, reached: Board, monkeypatch: pytest.MonkeyPatch, answer: Completed, says: str
    ) -> None:
        monkeypatch.setattr(reached.transport, "run", lambda *_, **__: answer)
        with pytest.raises(TransportError, match=says):
            reached.ask("look")

    @pytest.mark.parametrize(
        ("kind", "error"), [("full", DeviceFullError), ("refused", InfraError), ("\x1b", InfraError)]
    )
    def test_what_cannot_be_done_there_is_told_printably(
        self, reached: Board, monkeypatch: pytest.MonkeyPatch, kind: str, error: type[InfraError]
    ) -> None:
        said = Completed(0, json.dumps({"failed": kind, "message": "no\x1b[31m"}).encode(), b"")
        monkeypatch.setattr(reached.transport, "run", lambda *_, **__: said)
        with pytest.raises(error, match=r"here: no\?\[31m"):
            reached.ask("prepare")

    def test_the_program_that_is_sent_is_small(self) -> None:
        assert len(asking.program()) < 120_000


class TestPosix:
    def test_this_machine_is_told_by_its_shell(self, board: Path) -> None:
        found = look_without_python(Target("here"))
        assert found is not None
        look, pythons = found
        assert (look.machine, look.kernel) == (platform.machine(), platform.release())
        assert look.glibc == version_in(platform.libc_ver()[1])
        assert look.base_free_bytes is not None
        assert any(platform.python_version() in one for one in pythons)

    def said(self, monkeypatch: pytest.MonkeyPatch, *lines: str, end: bool = True) -> Look | None:
        text = "".join(f"{MARK} {line}\n" for line in (*lines, *(["end"] if end else [])))
        monkeypatch.setattr(posix, "ended", lambda *_, **__: Ended("", f"Welcome!\n{text}"))
        found = look_without_python(Target("there"))
        return found[0] if found else None

    def test_an_answer_that_is_cut_short_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.said(monkeypatch, "machine aarch64", end=False) is None

    def test_a_32_bit_system_on_a_64_bit_kernel_is_a_32_bit_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        look = self.said(monkeypatch, "machine aarch64", "bits 32")
        assert look is not None
        assert look.machine == "armv7l"

    @pytest.mark.parametrize(
        ("lines", "libc"),
        [
            (["glibc glibc 2.36"], "glibc 2.36"),
            (["glibc", "ldd ldd (Debian GLIBC 2.31-13) 2.31"], "glibc 2.31"),
            (["ldd ldd (GNU libc) 2.28"], "glibc 2.28"),
            (["ldd musl libc (aarch64) Version 1.2.3"], "musl"),
            (["ldd", "file /lib/ld-musl-aarch64.so.1"], "musl"),
            (["ldd sh: ldd: not found"], ""),
        ],
    )
    def test_the_c_library_is_told_by_what_there_is(
        self, monkeypatch: pytest.MonkeyPatch, lines: list[str], libc: str
    ) -> None:
        look = self.said(monkeypatch, *lines)
        assert look is not None
        assert look.libc == libc

    def test_the_c_plus_plus_library_is_told_by_its_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names = [f"file /usr/lib/libstdc++.so.6.0.{number}" for number in ("9", "28", "28-gdb.py", "x" * 9)]
        look = self.said(monkeypatch, *names)
        assert look is not None
        assert (look.cxx, look.cxx_path) == ((3, 4, 28), "/usr/lib/libstdc++.so.6.0.28")

    def test_an_endless_answer_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        look = self.said(monkeypatch, "end", *["file " + "x" * 10_000] * 1000, "free a b c " + "9" * 40 + " x")
        assert look is not None
        assert len(repr(look)) < 10_000
