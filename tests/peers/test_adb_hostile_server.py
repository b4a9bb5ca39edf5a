"""An adb server that lies, about devices that there are or are not: each lie is told, in time, in a printable text."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceNotFoundError, InfraError, TransportError
from pytest_edgedevice.transports.adb import link as adb_link
from pytest_edgedevice.transports.adb.transport import list_devices
from tests.peers.adb_daemon import LIES, HostileServer, Lie
from tests.peers.adb_daemon.hostile_server import ESCAPES, fail, okay
from tests.peers.hostile_links import nothing_left, opened, promptly

if TYPE_CHECKING:
    from pytest_edgedevice.transports.adb.states import AdbDevice

REMEDIES = {
    "offline": ("offline", "adb reconnect offline"),
    "unauthorized": ("unauthorized", "accept the USB debugging dialog"),
    "authorizing": ("authorizing", "unlock the phone"),
    "connecting": ("connecting", "wait a moment"),
    "no permissions": ("not ours to open: no permissions", "udev rule"),
    "recovery": ("in the mode 'recovery'", "adb reboot"),
    "sideload": ("in the mode 'sideload'", "adb reboot"),
    "rescue": ("in the mode 'rescue'", "adb reboot"),
    "bootloader": ("in the mode 'bootloader'", "fastboot reboot"),
}
NO_LIST = {name for name in LIES if name in {
    "a length that is no hex",
    "a length beyond the text, then silence",
    "a length beyond the text, then the end",
    "neither OKAY nor FAIL",
    "a web server",
    "half an OKAY",
    "OKAY and no text",
    "FAIL and no text",
    "FAIL with 60 KB of terminal escapes",
    "no answer",
    "the end at once",
    "OKAY without end",
}}  # fmt: skip


def listed(server: HostileServer, *, timeout_s: float = 1) -> list[AdbDevice]:
    return list_devices(("127.0.0.1", server.port), timeout_s=timeout_s)


def is_plain(error: InfraError) -> bool:
    return error.message.isprintable() and len(error.message) < 2000


@pytest.mark.parametrize("name", sorted(NO_LIST))
def test_what_is_no_list_of_devices_is_an_error(name: str) -> None:
    with (
        HostileServer(lies={"host:devices": LIES[name]}) as server,
        nothing_left(server),
        promptly(),
        pytest.raises((TransportError, DeadlineError)) as caught,
    ):
        listed(server)
    assert is_plain(caught.value)


@pytest.mark.parametrize("name", sorted(LIES.keys() - NO_LIST))
def test_what_is_a_list_of_odd_devices_is_shown_and_none_of_them_is_opened(name: str) -> None:
    with HostileServer(lies={"host:devices": LIES[name]}) as server, nothing_left(server):
        with promptly():
            found = listed(server, timeout_s=30)
        assert all(one.serial.isprintable() and str(one).isprintable() for one in found)
        with promptly(), pytest.raises((TransportError, DeviceNotFoundError)) as caught:
            opened(server, "R5CT")
    assert is_plain(caught.value)


def test_of_ten_thousand_devices_a_few_are_shown_and_how_many_more_there_are() -> None:
    lie = LIES["as many devices as a length can tell"]
    with HostileServer(lies={"host:devices": lie}) as server, pytest.raises(DeviceNotFoundError) as caught:
        opened(server, "R5CT")
    assert "and 6545 more" in caught.value.message


@pytest.mark.parametrize("state", REMEDIES)
def test_a_device_in_another_state_is_refused_with_its_remedy(state: str) -> None:
    said, remedy = REMEDIES[state]
    with HostileServer({"R5CT": state}) as server, nothing_left(server), pytest.raises(TransportError) as caught:
        opened(server, "R5CT")
    assert f"adb device 'R5CT' cannot be used: it is {said}" in caught.value.message
    assert remedy in caught.value.hint


def test_the_only_device_is_named_also_when_it_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANDROID_SERIAL", raising=False)
    with (
        HostileServer({"R5CT": "unauthorized"}) as server,
        pytest.raises(TransportError, match=r"'R5CT'.*unauthorized"),
    ):
        opened(server, "")


def test_a_device_whose_adb_is_too_old_is_refused() -> None:
    with HostileServer({"R5CT": "device"}, features="cmd,stat_v2") as server, nothing_left(server):
        with pytest.raises(TransportError, match="no 'shell_v2'") as caught:
            opened(server, "R5CT")
        assert not [one for one in server.requests if one.startswith("shell")]
    assert "Android 7" in caught.value.hint


@pytest.mark.parametrize("request_to_lie_about", ["host-serial:", "host:transport:", "shell"])
@pytest.mark.parametrize("name", sorted(NO_LIST))
def test_a_lie_at_any_step_of_opening_is_an_error(request_to_lie_about: str, name: str) -> None:
    lies = {request_to_lie_about: LIES[name]}
    with HostileServer({"R5CT": "device"}, lies=lies) as server, nothing_left(server):
        with promptly(), pytest.raises((TransportError, DeadlineError)) as caught:
            opened(server, "R5CT", timeout_s=1)
        assert "host:kill" not in server.requests
    assert is_plain(caught.value)


SHELLS = {
    "chatter without end": Lie(b"OKAY" + b"\x01\xff\xff\xff\xff" + b"chatter\n" * 5000, "repeat"),
    "one line without end": Lie(b"OKAY" + b"\x01\xff\xff\xff\xff" + b"chatter " * 5000, "repeat"),
    "errors without end": Lie(b"OKAY" + b"\x02\xff\xff\xff\xff" + b"chatter " * 5000, "repeat"),
    "an exit status": Lie(b"OKAY" + b"\x02\x05\0\0\0\x1b[2Jx" + b"\x03\x01\0\0\0\x7f"),
    "silence": Lie(b"OKAY", "hang"),
    "the end": Lie(b"OKAY"),
    "no shell protocol": Lie(b"OKAY/bin/sh: not found\n", "hang"),
    "a prompt": Lie(b"OKAY\x01\x04\0\0\0# \r\n", "hang"),
}


@pytest.mark.parametrize("name", SHELLS)
def test_a_device_whose_shell_is_none_is_an_error_in_time(name: str) -> None:
    with (
        HostileServer({"R5CT": "device"}, lies={"shell": SHELLS[name]}) as server,
        nothing_left(server),
        promptly(),
        pytest.raises((TransportError, DeadlineError)) as caught,
    ):
        opened(server, "R5CT", timeout_s=1)
    assert is_plain(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        okay(b"failed to connect to 10.0.0.9:5555"),
        okay(ESCAPES * 100),
        okay(b""),
        fail(b"no route to host"),
        okay(b"connected to 10.0.0.9:5555"),
    ],
)
def test_an_address_that_the_server_cannot_reach_is_not_found(answer: bytes) -> None:
    with (
        HostileServer(lies={"host:connect": Lie(answer)}) as server,
        nothing_left(server),
        promptly(),
        pytest.raises((DeviceNotFoundError, TransportError)) as caught,
    ):
        opened(server, "10.0.0.9:5555")
    assert is_plain(caught.value)


def test_connecting_has_a_deadline_also_where_the_server_has_none() -> None:
    with (
        HostileServer(lies={"host:connect": LIES["no answer"]}) as server,
        nothing_left(server),
        promptly(),
        pytest.raises(DeadlineError, match="did not answer in time"),
    ):
        opened(server, "10.0.0.9:5555", timeout_s=1)


@pytest.mark.parametrize(
    "serial", ["../../etc", "-s", "$(reboot)", "a b", "\x1b[31m", "R5CT\ndevice", "x" * 10_000, "\u00e9"]
)
def test_a_name_that_nobody_has_is_not_found_and_is_never_sent(serial: str) -> None:
    with HostileServer({"R5CT": "device"}) as server:
        with pytest.raises(DeviceNotFoundError, match="R5CT device") as caught:
            opened(server, serial)
        assert not [one for one in server.requests if serial in one]
    assert caught.value.message.isprintable()


def test_a_server_that_is_not_there_and_not_ours_to_start_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adb_link, "start_server", lambda *_, **__: pytest.fail("started"))
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        monkeypatch.setattr("pytest_edgedevice.transports.adb.server.is_here", lambda _: False)
        with promptly(), pytest.raises(TransportError, match="cannot be used: it does not run") as caught:
            list_devices(("127.0.0.1", held.getsockname()[1]), timeout_s=1)
    assert "adb -a nodaemon server start" in caught.value.hint


def test_a_server_that_takes_no_connection_is_a_deadline() -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(0)
        address = door.getsockname()
        with socket.create_connection(address), socket.socket() as second:
            second.setblocking(False)
            second.connect_ex(address)
            with promptly(), pytest.raises((DeadlineError, TransportError)):
                list_devices(("127.0.0.1", address[1]), timeout_s=1)
