"""Any name and any argument over a real adb daemon, with Android's shell and busybox's: nothing is expanded."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.adb.transport import AdbTransport
from tests.peers.adb_daemon.clients import until
from tests.phones import AdbServer, Phone, start_adb_server, start_phone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.phone

TMP = "/data/local/tmp"
LONG_S = 60.0
ODD = [
    "two words",
    "  spaces around  ",
    "it's",
    'say "hi"',
    "$(touch ran)",
    "`touch ran`",
    "${HOME}$HOME",
    "a;touch ran",
    "a&touch ran&",
    "a|b>c<d",
    "*?[a-z]",
    "-rf",
    "--",
    "!!",
    "#no",
    "~",
    "back\\slash\\n\\",
    "\u00e9\u4e2d\U0001f600",
    "a,b",
    "%s%n",
    "x" * 200,
]
LINES = ["two\nlines", "\n", "end\n", "\r\n", "tab\tbed"]
"""What folders of ours may not be called, and programs may be told."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    with start_adb_server(tmp_path_factory.mktemp("adb")) as started:
        yield started


@pytest.fixture(scope="module", params=["android", "busybox"])
def phone(
    request: pytest.FixtureRequest, server: AdbServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Phone]:
    with start_phone(tmp_path_factory.mktemp("phone"), tools=request.param) as started:
        server.connect(started)
        yield started


@pytest.fixture(scope="module")
def link(server: AdbServer, phone: Phone) -> Iterator[AdbTransport]:
    with AdbTransport(phone.address, server=("127.0.0.1", server.port)) as one:
        yield one


def told(link: AdbTransport, *arguments: str) -> list[bytes]:
    """Arguments as a program there got them."""
    done = link.run(["sh", "-c", "cat /proc/$$/cmdline; :", "sh", *arguments], timeout_s=LONG_S)
    assert done.stderr == b""
    return done.stdout.split(b"\0")[4:-1]


@pytest.mark.parametrize("name", ODD)
def test_a_folder_for_our_files_may_have_any_name(server: AdbServer, phone: Phone, tmp_path: Path, name: str) -> None:
    base = f"{TMP}/{name}"
    (tmp_path / "model").write_bytes(content := os.urandom(1000))
    with AdbTransport(phone.address, server=("127.0.0.1", server.port), base=base) as link:
        assert link.folder.startswith(f"{base}/session-")
        assert link.run(["pwd"], timeout_s=LONG_S).stdout == os.fsencode(link.folder) + b"\n"
        path = f"{link.folder}/{link.push(tmp_path / 'model', timeout_s=LONG_S).sha256}"
        assert link.run(["cat", path], timeout_s=LONG_S).stdout == content
        assert link.guard(b"{}", wait_s=0) == ()
        link.start(["sh", "-c", "trap '' HUP; exec sleep 987"])
        folder = phone.root / link.folder[1:]
        assert folder.is_dir()
    until(lambda: not folder.exists(), "the wiping")
    until(lambda: not [words for words in phone.processes().values() if "987" in words], "the end of the program")
    assert (phone.root / base[1:]).is_dir()  # it was not ours to remove
    assert not (phone.root / TMP[1:] / "ran").exists()


@pytest.mark.parametrize("base", [f"{TMP}/{name}" for name in ("two\nlines", "nul\0")] + ["data", "-rf", "~/x"])
def test_a_folder_that_cannot_be_named_is_refused(server: AdbServer, phone: Phone, base: str) -> None:
    with pytest.raises(TransportError, match="is no absolute path"):
        AdbTransport(phone.address, server=("127.0.0.1", server.port), base=base)


@pytest.mark.parametrize("name", [one for one in ODD if "/" not in one])
def test_a_program_may_have_any_name(link: AdbTransport, name: str) -> None:
    program = f"{link.folder}/{name}"
    code = """printf '#!/system/bin/sh\\nprintf "%%s" "$1"\\n' >"$1" && chmod 0700 "$1\""""
    made = link.run(["sh", "-c", code, "sh", program], timeout_s=LONG_S)
    assert made.returncode == 0, made.stderr
    assert link.run([program, name], timeout_s=LONG_S).stdout == os.fsencode(name)


def test_arguments_reach_a_program_as_they_are(link: AdbTransport) -> None:
    odd = [*ODD, *LINES, "", " ", os.fsdecode(b"\xff\xfe"), os.fsdecode(bytes(range(1, 256)))]
    assert told(link, *odd) == [os.fsencode(one) for one in odd]


@pytest.mark.parametrize(
    "arguments",
    [
        ["x" * 100_000],
        ["x"] * 25_000,
        ["it's\n$(a)"] * 10_000,
        ["'" * 40_000, "\n" * 40_000],
        ["\\" * 100_000],
        ["\u4e2d" * 30_000],
    ],
    ids=["one long", "many short", "many odd", "quotes and lines", "backslashes", "unicode"],
)
def test_long_lists_of_arguments_reach_a_program_as_they_are(link: AdbTransport, arguments: list[str]) -> None:
    assert told(link, *arguments) == [os.fsencode(one) for one in arguments]


def test_a_long_list_of_arguments_does_not_eat_the_input(link: AdbTransport) -> None:
    sent = b"in\nput\\\n" + os.urandom(100_000)
    done = link.run(["sh", "-c", "cat", "sh", *["x y"] * 20_000], stdin=sent, timeout_s=LONG_S)
    assert done.stdout == sent


def test_more_than_a_system_takes_is_refused_before_it_travels(link: AdbTransport) -> None:
    with pytest.raises(TransportError, match="131072 bytes long, and Linux takes 131071") as caught:
        link.run(["echo", "x" * 131_072], timeout_s=LONG_S)
    assert "place it as a file" in caught.value.hint
    with pytest.raises(TransportError, match="more than 1500000"):
        link.run(["echo", *["x" * 100_000] * 16], timeout_s=LONG_S)


@pytest.mark.parametrize("name", ["-x", "--", "-"])
def test_a_program_whose_name_begins_with_a_dash_needs_its_path(link: AdbTransport, name: str) -> None:
    with pytest.raises(TransportError, match="begins with a dash"):
        link.run([name], timeout_s=LONG_S)


@pytest.mark.parametrize("name", ["no such", "$(echo sh)", "sh -c true", "/no/such/program", "a=b", "'sh'", "s\nh"])
def test_a_program_that_is_not_there_is_told_by_its_name(link: AdbTransport, name: str) -> None:
    with pytest.raises(TransportError, match="there is no such program") as caught:
        link.run([name], timeout_s=LONG_S)
    assert repr(name) in caught.value.message


@pytest.mark.parametrize("name", ["if", "exit", ":", "break"])
def test_a_word_of_the_shells_own_ends_nothing_else(link: AdbTransport, name: str) -> None:
    with contextlib.suppress(TransportError):
        link.run([name], timeout_s=LONG_S)
    assert link.run(["echo", "alive"], timeout_s=LONG_S).stdout == b"alive\n"
