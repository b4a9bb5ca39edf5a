"""usbmuxd, played by real sockets, most of them hostile."""

from __future__ import annotations

import plistlib
import socket
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli.checks import usbmux
from pytest_edgedevice.inventory import Inventory
from pytest_edgedevice.transports.usbmux import address
from tests.unit.cli.hostile_servers import answering, flooding, silent

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.cli.checks import Finding
    from tests.unit.cli.hostile_servers import Behaviour, Server


def looked_at_usbmux() -> Finding:
    (found,) = usbmux.check_usbmux(Inventory())
    return found


def plist(content: object, *, version: int = 1, message: int = 8, length: int | None = None) -> bytes:
    body = plistlib.dumps(content)  # type: ignore[arg-type]
    return usbmux.HEADER.pack(16 + len(body) if length is None else length, version, message, 1) + body


def test_usbmuxd_is_asked_for_its_devices(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server(answering(plist({"DeviceList": [{}, {}]})))
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", f"127.0.0.1:{port}")
    found = looked_at_usbmux()
    assert found.status == "ok"
    assert found.text.endswith("answers and sees 2 devices")


@pytest.mark.parametrize(
    ("behave", "text"),
    [
        (silent, "did not answer within 0.4 s"),
        (flooding, "answers something else than a property list"),
        (answering(plist({}, length=1 << 30)), "answers something else than a property list"),
        (answering(plist({}, length=3)), "answers something else than a property list"),
        (answering(plist({}, version=0)), "answers something else than a property list"),
        (answering(plist({})), "lists no devices in its answer"),
        (answering(plist([])), "its answer is no property list"),
        (answering(usbmux.HEADER.pack(20, 1, 8, 1) + b"<a/>"), "its answer is no property list"),
        (
            answering(usbmux.HEADER.pack(52, 1, 8, 1) + b"<plist><date>soon</date></plist>    "),
            "its answer is no property list",
        ),
    ],
)
def test_what_is_no_usbmuxd_is_bounded_and_told(
    behave: Behaviour, text: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", f"127.0.0.1:{server(behave)}")
    monkeypatch.setattr(usbmux, "ANSWER_S", 0.4 if behave is silent else 30.0)
    found = looked_at_usbmux()
    assert found.status == "wrong"
    assert text in found.text


def test_without_usbmuxd_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "SOCKET", str(tmp_path / "usbmuxd"))
    found = looked_at_usbmux()
    assert (found.status, found.hint) == ("missing", "sudo apt install usbmuxd && sudo systemctl start usbmuxd")


def test_a_socket_without_a_listener_is_wrong_where_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "usbmuxd"))
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "usbmuxd"))
    assert looked_at_usbmux().status == "wrong"


@pytest.mark.parametrize("said", ["UNIX:/var/run/usbmuxd", "lab", ":27015", "lab:x"])
def test_a_usbmuxd_address_that_is_none_is_wrong(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", said)
    assert "HOST:PORT or an absolute path, or unset it" in looked_at_usbmux().hint


def test_a_path_that_is_too_long_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "/" + "a" * 300)
    assert "cannot be reached: " in looked_at_usbmux().text
