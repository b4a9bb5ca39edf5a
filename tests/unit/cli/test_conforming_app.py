"""What ``edgedevice conformance`` leaves on a phone whose app does not answer its last word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.runners import client
from pytest_edgedevice.transports.usbmux.udid import identity
from tests.peers.iphone import SimulatedPhones
from tests.unit.runners.app_standin import Talk

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

UDID = "00008130-001A2B3C4D5E0001"


def says_hello(connection: socket.socket) -> None:
    """And nothing more, whatever it is asked."""
    Talk(connection).greet()
    while connection.recv(4096):
        pass


def hangs_up(connection: socket.socket) -> None:
    """Without a word."""
    connection.close()


@pytest.mark.parametrize(
    ("app", "why"), [(says_hello, "did not answer 'bye' within"), (hangs_up, "closed the connection before it said")]
)
def test_it_ends_in_good_order_and_says_what_may_be_left(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    app: Callable[[socket.socket], None],
    why: str,
) -> None:
    monkeypatch.setattr(client, "CLOSE_S", 0.2)
    with SimulatedPhones() as bus:
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", bus.address)
        bus.attach(udid=UDID, ports={9000: app})
        main(["conformance", f"ios:{UDID}:9000", "--only", "It speaks this version"])
    told = capsys.readouterr().err
    assert f"edgedevice: the models that were tried may be left in the app's caches on ios:{UDID}:9000" in told
    assert why in told
    with acquire(identity(UDID), holder=Holder(), wait_s=0) as lease:
        assert lease.crashed == ()
