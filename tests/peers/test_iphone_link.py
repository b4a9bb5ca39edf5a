"""The link to iPhones against simulated ones: what is attached, what it tells, its ports, and what can be wrong."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import (
    DeviceLostError,
    DeviceNotFoundError,
    MissingExtraError,
    PortRefusedError,
    TransportError,
)
from pytest_edgedevice.testing.device import in_forked_child
from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport, list_devices
from tests.peers.iphone import SimulatedPhones
from tests.ports import Port

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.transports.base import Process
    from tests.peers.iphone import Phone

PATIENCE_S = 30.0
PORT = 17341


def echo(connection: socket.socket) -> None:
    """An app that gives back what it gets."""
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)


@pytest.fixture(scope="module")
def lasting_bus() -> Iterator[SimulatedPhones]:
    with SimulatedPhones() as bus:
        yield bus


@pytest.fixture
def bus(lasting_bus: SimulatedPhones, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedPhones]:
    """The module's usbmuxd, where the environment says that it is, without phones of other tests."""
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", lasting_bus.address)
    yield lasting_bus
    for _, phone, _ in lasting_bus.numbered():
        phone.detach()


@pytest.fixture
def phone(bus: SimulatedPhones) -> Phone:
    return bus.attach(ports={PORT: echo})


@pytest.fixture
def link(phone: Phone) -> Iterator[UsbmuxTransport]:
    with UsbmuxTransport(phone.udid) as opened:
        yield opened


def echoed(process: Process, message: bytes) -> bytes:
    """What the app gives back."""
    found = bytearray()
    view = memoryview(bytearray(1 << 16))
    sent = threading.Thread(target=process.stream.send, args=([message],), kwargs={"timeout_s": PATIENCE_S})
    sent.start()
    while len(found) < len(message):
        count = process.stream.receive_into(view, timeout_s=PATIENCE_S)
        assert count
        found += view[:count]
    sent.join()
    return bytes(found)


def test_nobody_is_attached(bus: SimulatedPhones) -> None:
    assert list_devices() == []
    with pytest.raises(DeviceNotFoundError, match="no iPhone is attached"):
        UsbmuxTransport()


def test_one_that_is_reached_twice_is_one_phone(bus: SimulatedPhones) -> None:
    phone = bus.attach(connections=("Network", "USB"))
    assert [str(one) for one in list_devices()] == [f"{phone.udid} (USB)"]


def test_the_socket_of_usbmuxd_can_be_named(bus: SimulatedPhones, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = bus.attach()
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", bus.path)
    with UsbmuxTransport() as link:
        assert repr(link) == f"<UsbmuxTransport to {phone.udid} (USB) by usbmuxd at {bus.path}>"


def test_the_one_that_is_named_is_opened_whatever_its_spelling(bus: SimulatedPhones) -> None:
    bus.attach()
    phone = bus.attach()
    with UsbmuxTransport(phone.udid.lower().replace("-", "")) as link:
        assert (link.udid, link.identity()) == (phone.udid, f"ios-{phone.udid.lower()}")


def test_a_pairing_is_told_more_than_everybody(bus: SimulatedPhones) -> None:
    told = []
    for paired in (True, False):
        with UsbmuxTransport(bus.attach(paired=paired).udid) as link:
            told.append(link.facts())
    assert [(one["paired"], one["model"], one["npu"]) for one in told] == [
        (True, "iPhone16,2", "Apple Neural Engine"),
        (False, "iPhone16,2", "Apple Neural Engine"),
    ]
    assert set(told[0]) - set(told[1]) == {"serial", "storage_mb"}


def test_facts_are_asked_for_once(link: UsbmuxTransport, phone: Phone) -> None:
    first = link.facts()
    phone.values["ProductVersion"] = "99.0"
    assert link.facts() == first


def test_battery_and_storage_are_as_they_are_now(link: UsbmuxTransport, phone: Phone) -> None:
    assert (link.conditions()["battery_percent"], link.conditions()["charging"]) == (80, True)
    phone.battery, phone.charging = 7, False
    assert (link.conditions()["battery_percent"], link.conditions()["charging"]) == (7, False)
    assert link.conditions()["space_free_mb"] == 107_374


def test_a_locked_phone_tells_of_its_storage_alone(link: UsbmuxTransport, phone: Phone) -> None:
    phone.lock()
    assert set(link.conditions()) == {"space_free_mb"}


def test_a_stranger_is_told_no_conditions(bus: SimulatedPhones) -> None:
    with UsbmuxTransport(bus.attach(paired=False).udid) as link:
        link.facts()
        assert link.conditions() == {}


@pytest.mark.parametrize("size", [1, 5_000_000])
def test_bytes_go_to_the_app_and_come_back(link: UsbmuxTransport, size: int) -> None:
    process = link.open_port(PORT, timeout_s=PATIENCE_S)
    message = os.urandom(size)
    assert echoed(process, message) == message


def test_what_the_app_says_at_once_is_not_lost(link: UsbmuxTransport, phone: Phone) -> None:
    phone.ports[PORT] = lambda connection: connection.sendall(b"hello")
    process = link.open_port(PORT, timeout_s=PATIENCE_S)
    found = bytearray()
    view = memoryview(bytearray(64))
    while count := process.stream.receive_into(view, timeout_s=PATIENCE_S):
        found += view[:count]
    assert found == b"hello"


def test_of_an_app_nothing_is_known_but_its_stream(link: UsbmuxTransport) -> None:
    process = link.open_port(PORT, timeout_s=PATIENCE_S)
    assert (process.wait(timeout_s=0), process.stderr_since(3), process.stderr_tail()) == (None, ("", 3), "")
    assert process.why_ended(timeout_s=PATIENCE_S) is None
    process.kill()
    process.kill()


def test_a_port_where_nobody_listens_is_refused(link: UsbmuxTransport, phone: Phone) -> None:
    with pytest.raises(PortRefusedError) as raised:
        link.open_port(9, timeout_s=PATIENCE_S)
    assert raised.value.message == (
        f"nothing listens on port 9 of iPhone {phone.udid}: the app is closed or suspended, or the phone is locked"
    )


def test_one_that_was_unplugged_is_lost(link: UsbmuxTransport, phone: Phone) -> None:
    process = link.open_port(PORT, timeout_s=PATIENCE_S)
    phone.detach()
    why = process.why_ended(timeout_s=PATIENCE_S)
    assert isinstance(why, DeviceLostError)
    assert why.message.startswith(f"iPhone {phone.udid} was unplugged")
    with pytest.raises(DeviceLostError, match="was unplugged"):
        link.open_port(PORT, timeout_s=PATIENCE_S)
    with pytest.raises(DeviceLostError, match="was unplugged"):
        link.conditions()


def test_one_that_is_unplugged_amid_an_answer_is_lost(link: UsbmuxTransport, phone: Phone) -> None:
    phone.faults["IORegistry"] = lambda _connection, _frame: phone.detach()
    with pytest.raises(DeviceLostError, match="was unplugged"):
        link.conditions()


def test_one_that_hangs_up_and_is_there_says_so(link: UsbmuxTransport, phone: Phone) -> None:
    phone.faults["IORegistry"] = lambda _connection, _frame: None
    with pytest.raises(TransportError, match="hung up while it was asked for its facts"):
        link.conditions()


def test_one_that_is_plugged_in_again_is_found_again(link: UsbmuxTransport, phone: Phone) -> None:
    phone.detach()
    phone.attach_again()
    assert echoed(link.open_port(PORT, timeout_s=PATIENCE_S), b"again") == b"again"
    phone.detach()
    phone.attach_again()
    assert link.conditions()["battery_percent"] == 80


def test_a_sound_phone_is_ready(link: UsbmuxTransport) -> None:
    link.ready_to_launch(timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    ("trouble", "text"),
    [
        ("unpair", "is not paired with this host\n  hint: unlock it, run: edgedevice setup ios:"),
        ("lock", "is locked\n  hint: unlock it"),
        ("mode", "so that no program of this host can start an app there\n  hint: turn it on: Settings"),
    ],
)
def test_what_keeps_an_app_from_being_started_is_told(
    link: UsbmuxTransport, phone: Phone, trouble: str, text: str
) -> None:
    if trouble == "mode":
        phone.developer_mode = False
    else:
        getattr(phone, trouble)()
    with pytest.raises(TransportError) as raised:
        link.ready_to_launch(timeout_s=PATIENCE_S)
    assert text in str(raised.value)


def test_an_older_system_has_no_developer_mode_to_turn_on(bus: SimulatedPhones) -> None:
    with UsbmuxTransport(bus.attach(version="15.8", developer_mode=False).udid) as link:
        link.ready_to_launch(timeout_s=PATIENCE_S)


@pytest.mark.parametrize(
    ("pairing", "text"),
    [("pending", "waits for somebody to answer"), ("deny", "was told not to trust this host")],
)
def test_what_the_owner_says_of_a_pairing_is_told(bus: SimulatedPhones, pairing: str, text: str) -> None:
    with UsbmuxTransport(bus.attach(paired=False, pairing=pairing).udid) as link, pytest.raises(TransportError) as what:
        link.pair(timeout_s=2.0 if pairing == "pending" else PATIENCE_S)
    assert text in what.value.message


def test_a_locked_phone_asks_nobody_for_trust(bus: SimulatedPhones) -> None:
    phone = bus.attach(paired=False, locked=True)
    with UsbmuxTransport(phone.udid) as link, pytest.raises(TransportError, match="is locked"):
        link.pair(timeout_s=PATIENCE_S)


def test_a_pairing_holds_from_then_on(bus: SimulatedPhones) -> None:
    phone = bus.attach(paired=False)
    with UsbmuxTransport(phone.udid) as link:
        assert link.facts()["paired"] is False
        link.pair(timeout_s=PATIENCE_S)
        assert link.facts()["paired"] is True
    with UsbmuxTransport(phone.udid) as link:
        assert link.facts()["paired"] is True


def test_nobody_asks_an_owner_by_the_way(bus: SimulatedPhones) -> None:
    phone = bus.attach(paired=False)
    with UsbmuxTransport(phone.udid) as link:
        link.facts()
        link.conditions()
        with pytest.raises(TransportError, match="is not paired"):
            link.ready_to_launch(timeout_s=PATIENCE_S)
    assert phone.trusted == {}


@pytest.mark.parametrize("where", ["port", "socket"])
def test_without_usbmuxd_it_is_said_how_to_start_it(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Port()) as free:
        address = f"127.0.0.1:{free.number}" if where == "port" else str(tmp_path / "usbmuxd")
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", address)
        with pytest.raises(TransportError) as raised:
            list_devices()
    assert raised.value.message == f"usbmuxd at {address} does not run, and iPhones are reached through it"
    assert raised.value.hint.startswith("USBMUXD_SOCKET_ADDRESS says that it is there")


@pytest.mark.parametrize("said", ["no-such-host.invalid:1", "/" + "x" * 300, "a..b:1"])
def test_a_place_that_cannot_be_reached_is_told(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", said)
    with pytest.raises(TransportError, match="cannot be reached: "):
        list_devices()


def test_an_address_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", "UNIX:/var/run/usbmuxd")
    with pytest.raises(TransportError, match="neither HOST:PORT nor an absolute path"):
        UsbmuxTransport()


@pytest.mark.parametrize("missing", ["pymobiledevice3.usbmux", "pymobiledevice3.services.diagnostics"])
def test_without_the_extra_it_is_said_how_to_install_it(
    bus: SimulatedPhones, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.attach()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError) as raised:
        UsbmuxTransport().facts()
    assert raised.value.hint == "pip install 'pytest-edgedevice[ios]'"


def test_a_forked_child_has_no_part_in_the_link(link: UsbmuxTransport) -> None:
    process = link.open_port(PORT, timeout_s=PATIENCE_S)

    def child() -> bool:
        with pytest.raises(DeviceLostError, match="belongs to another process"):
            link.open_port(PORT, timeout_s=PATIENCE_S)
        alive = link.is_alive
        link.close()
        return not alive

    assert in_forked_child(child)
    assert echoed(process, b"still here") == b"still here"


def test_a_forked_child_does_not_keep_the_apps_connection(link: UsbmuxTransport, phone: Phone) -> None:
    """The app would serve a client that is gone, for as long as the child lives."""
    left = threading.Event()

    def app(connection: socket.socket) -> None:
        while connection.recv(1 << 16):
            pass
        left.set()

    phone.ports[PORT] = app
    process = link.open_port(PORT, timeout_s=PATIENCE_S)
    waiting, over = os.pipe()
    child = os.fork()
    if not child:
        os.close(over)
        os.read(waiting, 1)
        os._exit(0)
    process.kill()
    gone = left.wait(PATIENCE_S)
    os.close(over)
    os.waitpid(child, 0)
    os.close(waiting)
    assert gone


def test_a_forked_child_can_open_one_of_its_own(link: UsbmuxTransport, phone: Phone) -> None:
    link.facts()

    def child() -> bool:
        with UsbmuxTransport(phone.udid) as own:
            return own.facts()["paired"] is True

    assert in_forked_child(child)


def test_a_closed_link_is_closed(link: UsbmuxTransport) -> None:
    process = link.open_port(PORT, timeout_s=PATIENCE_S)
    link.close()
    with pytest.raises(TransportError, match="the link is closed"):
        link.open_port(PORT, timeout_s=PATIENCE_S)
    with pytest.raises(TransportError, match="the stream is closed"):
        process.stream.send([b"x"], timeout_s=PATIENCE_S)
    assert not link.is_alive


def test_nothing_can_be_started_or_placed_there(link: UsbmuxTransport, tmp_path: Path) -> None:
    for attempt in (
        lambda: link.run(["ls"], timeout_s=1),
        lambda: link.start(["ls"]),
        lambda: link.push(tmp_path / "model.tflite", timeout_s=1),
        lambda: link.place(b"x", timeout_s=1),
        lambda: link.agent_command("agent"),
    ):
        with pytest.raises(TransportError, match="iOS lets nobody from outside start programs or place files"):
            attempt()


def test_several_threads_may_ask_at_once(bus: SimulatedPhones) -> None:
    phones = [bus.attach(battery=level) for level in (10, 20, 30)]
    found: dict[str, object] = {}

    def ask(udid: str) -> None:
        with UsbmuxTransport(udid) as link:
            found[udid] = link.conditions()["battery_percent"]

    threads = [threading.Thread(target=ask, args=[phone.udid]) for phone in phones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {phone.udid: phone.battery for phone in phones}
