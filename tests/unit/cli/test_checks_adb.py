"""The adb server, played by real sockets, most of them hostile."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli.checks import adb
from pytest_edgedevice.inventory import Inventory
from pytest_edgedevice.transports.adb import address as adb_address
from pytest_edgedevice.transports.adb.address import server_address
from tests.unit.cli.hostile_servers import answering, flooding, silent, trickling

if TYPE_CHECKING:
    from pytest_edgedevice.cli.checks import Finding, peers
    from tests.unit.cli.hostile_servers import Behaviour, Server


def looked_at_adb() -> Finding:
    (found,) = adb.check_adb_server(Inventory())
    return found


def test_an_adb_server_tells_its_version(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server(answering(b"OK", b"AY0004", b"0029"))
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
    found = looked_at_adb()
    assert (found.status, found.text) == (
        "ok",
        f"the adb server at 127.0.0.1:{port} (ADB_SERVER_SOCKET says so) speaks version 1.0.41",
    )


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        (silent, "did not answer within 0.4 s"),
        (trickling, "is none: it answers b'0000'"),
        (flooding, "is none: it answers b'zzzz'"),
        (answering(b"\x1b[2J\x1b[2J"), "is none: it answers b'\\x1b[2J'"),
        (answering(b"OKAY\xff\xff\xff\xff"), "is none: it answers b'\\xff\\xff\\xff\\xff'"),
        (answering(b"OKAYffff" + b"0" * 100_000), "tells a version of 65535 bytes instead of 4"),
        (answering(b"OKAY0004zzzz"), "is none: it answers b'zzzz'"),
        (answering(b"OKAY00"), "ended its answer after 2 of 4 bytes"),
        (answering(b""), "hung up"),
        (answering(b"FAIL0006no way"), "refuses to tell its version: no way"),
    ],
)
def test_what_is_no_adb_server_is_bounded_and_told(
    behave: Behaviour, text: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(server(behave)))
    monkeypatch.setattr(adb, "ANSWER_S", 0.4 if behave is silent else 30.0)
    found = looked_at_adb()
    assert found.status == "wrong"
    assert text in found.text


@pytest.mark.parametrize(("said", "status"), [(True, "wrong"), (False, "missing")])
def test_an_absent_server_is_wrong_only_where_it_is_said_to_be(
    said: bool, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    if said:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setattr(adb_address, "PORT", port)
    found = looked_at_adb()
    assert found.status == status
    assert f"the adb server at 127.0.0.1:{port}" in found.text
    assert "adb start-server" in found.hint


@pytest.mark.parametrize(
    ("environment", "address", "said_by"),
    [
        ({}, ("127.0.0.1", 5037), ""),
        ({"ANDROID_ADB_SERVER_ADDRESS": "lab"}, ("lab", 5037), "ANDROID_ADB_SERVER_ADDRESS"),
        ({"ANDROID_ADB_SERVER_HOST": "lab"}, ("lab", 5037), "ANDROID_ADB_SERVER_HOST"),
        ({"ANDROID_ADB_SERVER_PORT": "6000"}, ("127.0.0.1", 6000), "ANDROID_ADB_SERVER_PORT"),
        (
            {"ADB_SERVER_SOCKET": "tcp:lab:1", "ANDROID_ADB_SERVER_ADDRESS": "x"},
            ("lab", 1),
            "ADB_SERVER_SOCKET",
        ),
        ({"ADB_SERVER_SOCKET": "tcp:5038"}, ("127.0.0.1", 5038), "ADB_SERVER_SOCKET"),
        ({"ADB_SERVER_SOCKET": "tcp:[::1]:5038"}, ("::1", 5038), "ADB_SERVER_SOCKET"),
        ({"ADB_SERVER_SOCKET": "localfilesystem:/run/adb"}, "/run/adb", "ADB_SERVER_SOCKET"),
        ({"ADB_SERVER_SOCKET": "localabstract:adb"}, "\0adb", "ADB_SERVER_SOCKET"),
    ],
)
def test_the_servers_address_is_read_as_adb_reads_it(
    environment: dict[str, str], address: peers.Address, said_by: str
) -> None:
    assert server_address(environment) == (address, said_by)


@pytest.mark.parametrize("spec", ["nonsense", "tcp:", "tcp:lab:0", "tcp:lab:99999", "tcp:lab:x", "udp:lab:1"])
def test_an_address_that_is_none_is_wrong(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", spec)
    found = looked_at_adb()
    assert (found.status, found.hint) == ("wrong", "write ADB_SERVER_SOCKET=tcp:127.0.0.1:5037, or unset it")


def test_a_host_that_is_not_found_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANDROID_ADB_SERVER_ADDRESS", "a" * 70 + ".b")
    found = looked_at_adb()
    assert found.status == "wrong"
    assert "cannot be reached: " in found.text


def test_a_look_up_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*args: object, **named: object) -> None:
        over.wait(60)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(adb, "ANSWER_S", 0.1)
    found = looked_at_adb()
    over.set()
    assert found.text.endswith("its name was not found within 0.1 s")
