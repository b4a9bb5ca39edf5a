"""What stands between a spec and a phone: adbutils, the adb server, and the first connection, which is kept."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import MissingExtraError, TransportError
from pytest_edgedevice.inventory import load_inventory
from pytest_edgedevice.opening import Catalog
from pytest_edgedevice.opening.links import KeptLink, asked
from pytest_edgedevice.spec import DeviceSpec
from pytest_edgedevice.transports.adb.attached import attached, on_network
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("serial", "networked"),
    [
        ("R5CT10ABC", False),
        ("emulator-5554", False),
        ("192.168.1.7:5555", True),
        ("phone.lab:37123", True),
        ("[fe80::1]:5555", True),
        ("adb-R5CT-x1y2._adb-tls-connect._tcp", True),
    ],
)
def test_links_over_a_network_are_told_from_usb(serial: str, networked: bool) -> None:
    assert on_network(serial) is networked


def test_without_adbutils_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "adbutils", None)
    catalog = Catalog(load_inventory(tmp_path))
    for spec in ("adb", "adb:R5"):
        with pytest.raises(MissingExtraError) as raised:
            catalog.candidates(catalog.parse(spec))
        assert raised.value.hint == "pip install 'pytest-edgedevice[adb]'"


def test_a_server_that_is_elsewhere_and_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{tmp_path}/adb")
    catalog = Catalog(load_inventory(tmp_path))
    assert attached(start=False) == []
    with pytest.raises(TransportError, match=rf"the adb server at {tmp_path}/adb cannot be used"):
        catalog.candidates(catalog.parse("adb"))


def test_a_server_behind_a_socket_of_this_machine_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"localfilesystem:{tmp_path}/adb")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"{tmp_path}/adb")
        door.listen()

        def answer() -> None:
            for _ in range(2):  # one looks whether anybody is there
                with door.accept()[0] as client, contextlib.suppress(OSError):
                    if client.recv(100):
                        client.sendall(b"OKAY0010R5 unauthorized\n\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert [str(one) for one in attached(start=False)] == ["R5 unauthorized"]
        thread.join(30)
    assert not thread.is_alive()


def test_a_device_that_does_not_say_what_it_is_is_not_left_connected(tmp_path: Path) -> None:
    closed: list[bool] = []

    class Silent(LocalTransport):
        def identity(self) -> str:
            raise TransportError("gone")

        def close(self) -> None:
            closed.append(True)
            super().close()

    with pytest.raises(TransportError, match="gone"):
        asked(DeviceSpec("adb", address="R5"), None, lambda: Silent(base=tmp_path))
    assert closed == [True]


def test_a_kept_link_that_has_died_is_closed_and_another_one_opened(tmp_path: Path) -> None:
    class Mortal(LocalTransport):
        alive = True

        @property
        def is_alive(self) -> bool:
            return self.alive

    link = KeptLink(lambda: Mortal(base=tmp_path))
    first = Mortal(base=tmp_path)
    link.keep(first)
    first.alive = False
    with link() as second:
        assert second is not first
        assert len(list(tmp_path.iterdir())) == 1


def test_nobody_waits_any_more_for_a_link_that_was_taken(tmp_path: Path) -> None:
    """A thread each, for whoever opens one device after the other."""
    link = KeptLink(lambda: LocalTransport(base=tmp_path))
    before = set(threading.enumerate())
    link.keep(LocalTransport(base=tmp_path))
    (waiting,) = set(threading.enumerate()) - before
    with link():
        waiting.join(30)
        assert not waiting.is_alive()


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:nowhere:port")
    catalog = Catalog(load_inventory(tmp_path))
    assert attached(start=False) == []
    with pytest.raises(TransportError, match="ADB_SERVER_SOCKET names the port 'port', which is none"):
        catalog.candidates(catalog.parse("adb"))
