"""Phones that go wrong while they are opened: the right error, in time, and nothing is left at either end."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceLostError, TransportError
from tests.peers.adb_daemon import FaultyPhone, HostileServer, Lie
from tests.peers.adb_daemon.clients import connect
from tests.peers.hostile_links import gone, linked, nothing_left, opened, promptly

if TYPE_CHECKING:
    from tests.phones import AdbServer

LONG_S = 60.0
KEEPER = "sweep_all"
"""Words of the keeper's script, which no program's has."""


@pytest.mark.parametrize("share", [0, 1, 40])
def test_a_phone_that_vanishes_while_it_is_opened_is_an_error(
    server: AdbServer, phone: FaultyPhone, share: int
) -> None:
    connect(server, phone)
    phone.faults.drop_after(bytes=share, containing=KEEPER, times=1)
    with nothing_left(server), promptly(), pytest.raises((DeviceLostError, TransportError)):
        opened(server, phone.address)
    gone(phone)


@pytest.mark.parametrize("fault", ["hang_after", "ignore_open"])
def test_a_phone_that_hangs_while_it_is_opened_is_a_deadline(
    server: AdbServer, phone: FaultyPhone, fault: Literal["hang_after", "ignore_open"]
) -> None:
    connect(server, phone)
    getattr(phone.faults, fault)(containing=KEEPER, times=1)
    with nothing_left(server), promptly(), pytest.raises(DeadlineError):
        opened(server, phone.address, timeout_s=1)
    with opened(server, phone.address) as link:
        assert link.is_alive
    gone(phone)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_phone_whose_shell_never_stops_talking_is_an_error_in_time(
    server: AdbServer, phone: FaultyPhone, name: Literal["stdout", "stderr"]
) -> None:
    connect(server, phone)
    phone.faults.endless(name, containing=KEEPER, times=1)
    with nothing_left(server), promptly(), pytest.raises((TransportError, DeadlineError)):
        opened(server, phone.address, timeout_s=1)
    gone(phone)


def test_a_phone_whose_shell_greets_is_a_phone(server: AdbServer, phone: FaultyPhone) -> None:
    phone.faults.banner(b"Welcome!\r\n\x1b[1mHave a nice day\n" * 50)
    with linked(server, phone) as link:
        assert link.run(["echo", "out"], timeout_s=LONG_S).stdout == b"out\n"


HELLO = f"hello session-{'0' * 16}-7-8 lock"
HELLOS = {
    "no folder": "hello",
    "a folder that is a name": f"{HELLO} data/local/tmp",
    "a session of another name": "hello ../../etc lock /data/local/tmp",
    "no base": HELLO,
    "a failure of terminal escapes": "failed mkdir \x1b[2J\x07",
    "a folder of somebody else": "failed foreign /data/local/tmp/edgedevice",
    "a full disk": "failed mkdir mkdir: '/data/local/tmp/edgedevice': No space left on device",
}


@pytest.mark.parametrize("name", HELLOS)
def test_a_keeper_that_lies_is_not_believed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        playing(HELLOS[name] + "\n", monkeypatch) as server,
        nothing_left(server),
        promptly(),
        pytest.raises((TransportError, DeadlineError)) as caught,
    ):
        opened(server, "R5CT", timeout_s=1)
    assert caught.value.message.isprintable()


def playing(said: str, monkeypatch: pytest.MonkeyPatch) -> HostileServer:
    """A server whose device says this for a keeper; it can, as the word that begins each answer is known."""
    monkeypatch.setattr("secrets.token_hex", lambda count: "ab" * count)
    line = f"EDGEDEVICE-{'ab' * 8} {said}".encode()
    lie = Lie(b"OKAY" + struct.pack("<BI", 1, len(line)) + line, "hang")
    return HostileServer({"R5CT": "device"}, lies={"shell": lie})
