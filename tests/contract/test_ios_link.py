"""The link to a simulated iPhone: under the contract of links that reach ports, as it starts no programs."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.testing import PortContract
from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport
from tests.contract.ios_devices import UDID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.peers.iphone import Phone

pytestmark = pytest.mark.usefixtures("ios_surroundings")
ECHO, SILENT, CLOSED = 5000, 5001, 5002


def echo(connection: socket.socket) -> None:
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


@pytest.fixture(scope="module", autouse=True)
def silent(iphone: Phone) -> Iterator[None]:
    """A program that takes connections and does nothing with them, and one that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        iphone.ports |= {ECHO: echo, SILENT: listener.getsockname()}
        yield


class TestUsbmux(PortContract):
    @pytest.fixture
    def transport(self) -> Iterator[UsbmuxTransport]:
        with UsbmuxTransport(UDID) as link:
            yield link

    @pytest.fixture
    def echo_port(self) -> int:
        return ECHO

    @pytest.fixture
    def silent_port(self) -> int:
        return SILENT

    @pytest.fixture
    def closed_port(self) -> int:
        return CLOSED


def test_what_an_iphone_never_does_is_refused_in_words(tmp_path: Path) -> None:
    """Programs and files, which are the contract of other links."""
    with UsbmuxTransport(UDID) as link:
        for use in (
            lambda: link.run(["true"], timeout_s=1),
            lambda: link.start(["true"]),
            lambda: link.agent_command("agent"),
            lambda: link.push(tmp_path, timeout_s=1),
            lambda: link.place(b"x", timeout_s=1),
        ):
            with pytest.raises(TransportError, match="iOS lets nobody from outside start programs or place files"):
                use()
