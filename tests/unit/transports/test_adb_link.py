"""What is taken of adbutils: its connection, with a deadline over everything, and its adb program."""

from __future__ import annotations

import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, MissingExtraError, TransportError
from pytest_edgedevice.transports.adb import link as adb_link
from pytest_edgedevice.transports.adb.server import AdbServer
from pytest_edgedevice.transports.adb.transport import AdbTransport, list_devices
from tests.ports import Port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VARIABLES = ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_HOST", "ANDROID_ADB_SERVER_PORT")


@pytest.fixture(autouse=True)
def _no_server_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def program(folder: Path, text: str) -> Path:
    """An adb program that does as it is told."""
    path = folder / "adb"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def port() -> Iterator[int]:
    """Where nobody listens."""
    one = Port()
    yield one.number
    one.close()


def in_30_s() -> float:
    return time.monotonic() + 30


@pytest.mark.parametrize("use", [AdbTransport, list_devices, AdbServer])
def test_without_adbutils_the_remedy_is_told(use: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbutils", None)
    with pytest.raises(MissingExtraError) as caught:
        use()
    assert caught.value.hint == "pip install 'pytest-edgedevice[adb]'"


def test_an_address_in_the_environment_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "nonsense")
    with pytest.raises(TransportError, match="ADB_SERVER_SOCKET is 'nonsense'"):
        AdbServer()


@pytest.mark.parametrize("base", ["relative", "/a\nb", "/a\0b"])
def test_a_folder_that_is_no_absolute_path_is_refused(base: str) -> None:
    with pytest.raises(TransportError, match="no absolute path"):
        AdbTransport("x", base=base)


def test_a_server_that_does_not_run_is_started_at_its_port(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = tmp_path / "asked"
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    text = f'[ "$1" = version ] || echo "$@" "$ANDROID_ADB_SERVER_PORT" >"{asked}"'
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(program(tmp_path, text)))
    with pytest.raises(TransportError, match="does not run"):  # this program starts none
        AdbServer().start(deadline=in_30_s())
    assert asked.read_text() == f"-P {port} start-server \n"


def test_a_server_that_runs_is_not_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(tmp_path / "nothing"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        AdbServer(listening.getsockname()).start(deadline=in_30_s())


def test_a_server_elsewhere_is_never_started(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_edgedevice.transports.adb.server.is_here", lambda _: False)
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(program(tmp_path, f"touch {tmp_path}/started")))
    with pytest.raises(TransportError, match="does not run"):
        AdbServer(("127.0.0.1", port)).start(deadline=in_30_s())
    assert not (tmp_path / "started").exists()


def test_a_start_that_fails_is_told_in_adbs_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(program(tmp_path, "echo cannot bind >&2; exit 1")))
    with pytest.raises(TransportError, match="start-server failed: cannot bind"):
        adb_link.start_server(5037, deadline=in_30_s())


def test_a_start_that_does_not_end_is_a_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(program(tmp_path, "exec sleep 987")))
    with pytest.raises(DeadlineError, match="start-server did not end"):
        adb_link.start_server(5037, deadline=time.monotonic() + 0.2)


def test_a_program_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADBUTILS_ADB_PATH", str(tmp_path / "nothing"))
    with pytest.raises(TransportError, match=r"cannot run .*nothing"):
        adb_link.start_server(5037, deadline=in_30_s())


def test_without_any_program_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import adbutils  # type: ignore[import-untyped]

    def none() -> str:
        raise adbutils.AdbError("No adb exe could be found")

    monkeypatch.setattr(adbutils, "adb_path", none)
    with pytest.raises(TransportError, match="there is no adb program") as caught:
        adb_link.program_path()
    assert caught.value.hint == "apt install adb"


def test_a_server_behind_a_path_is_asked(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "adb"))
        listening.listen()

        def serve() -> None:
            for _ in range(2):
                link, _ = listening.accept()
                with link:
                    if link.recv(100):
                        link.sendall(b"OKAY00040029")

        thread = threading.Thread(target=serve)
        thread.start()
        server = AdbServer(str(tmp_path / "adb"))
        server.start(deadline=in_30_s())
        assert server.version(deadline=in_30_s()) == 41
        thread.join()


def test_a_path_that_nobody_listens_at_is_told(tmp_path: Path) -> None:
    with pytest.raises(TransportError, match="cannot be used"):
        AdbServer(str(tmp_path / "nothing")).start(deadline=in_30_s())


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (b"", TransportError, "ended the connection without an answer"),
        (b"OKAY", TransportError, "ended the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", TransportError, "Unknown data"),
        (b"OKAYzzzz", TransportError, "is none"),
        (b"FAIL0006closed", TransportError, "refused: closed"),
        (b"OKAY000400zz", TransportError, "is none"),
    ],
)
def test_what_is_no_adb_server_is_told(answer: bytes, kind: type[Exception], text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                link.recv(100)
                link.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(kind, match=text):
            AdbServer(listening.getsockname()).version(deadline=in_30_s())
        thread.join()


def test_a_server_that_trickles_is_a_deadline() -> None:
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            link, _ = listening.accept()
            with link:
                link.sendall(b"OKAYffff")
                while not ended.wait(0.02):
                    link.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(DeadlineError, match="did not answer in time"):
            AdbServer(listening.getsockname()).devices(deadline=time.monotonic() + 0.5)
        ended.set()
        thread.join()


def test_a_request_that_is_too_long_is_refused() -> None:
    with pytest.raises(TransportError, match="longer than 65535"):
        AdbServer(("127.0.0.1", 1)).open("x", bytes(70_000), deadline=in_30_s())


def test_the_state_at_a_server_that_is_gone_is_unknown(port: int) -> None:
    assert AdbServer(("127.0.0.1", port)).state_of("x") == ""
