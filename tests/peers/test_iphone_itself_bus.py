"""The simulated usbmuxd, the ports of its phones and the app, as a client sees them that speaks to it by hand."""

from __future__ import annotations

import plistlib
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.wire import Frame, FrameReader, encode
from tests.peers.iphone import App, SimulatedPhones, disorder
from tests.peers.iphone.client import TAG, MuxClient
from tests.peers.iphone.frames import mux_frame, plist_frame, read_exactly
from tests.peers.iphone.muxing import BAD_COMMAND, BAD_DEVICE, OK, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.iphone import Phone

PATIENCE_S = 30.0
PORT = 17341
LOCKDOWN = 62078
GREETING = b"EDGEDEVICE-AGENT 1\n"


@pytest.fixture
def bus() -> Iterator[SimulatedPhones]:
    with SimulatedPhones() as one:
        yield one


@pytest.fixture
def client(bus: SimulatedPhones) -> Iterator[MuxClient]:
    with MuxClient(bus) as one:
        yield one


def accepted(listener: socket.socket) -> socket.socket:
    """The app's end of the next connection to it."""
    inside, _ = listener.accept()
    inside.settimeout(PATIENCE_S)
    return inside


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with App(tmp_path_factory.mktemp("app"), "dies_of_a_run") as one:
        yield one


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.settimeout(PATIENCE_S)
        yield one


def unpaired(bus: SimulatedPhones, **what: Any) -> Phone:
    """A phone for which no certificates are made."""
    return bus.attach(paired=False, **what)


def events(client: MuxClient, count: int) -> list[tuple[str, int]]:
    """What comes next from usbmuxd to who listens."""
    said = [client.read() for _ in range(count)]
    assert all(tag == 0 for tag, _ in said)
    return [(one["MessageType"], one["DeviceID"]) for _, one in said]


def test_usbmuxd_is_at_its_port_and_at_its_path(bus: SimulatedPhones) -> None:
    unpaired(bus)
    with MuxClient(bus) as by_port, MuxClient(bus, by_path=True) as by_path:
        assert by_path.ask("ListDevices") == by_port.ask("ListDevices")


def test_who_listens_hears_what_is_there_and_what_comes_pairs_and_goes(bus: SimulatedPhones, client: MuxClient) -> None:
    there = unpaired(bus)
    assert client.ask("Listen")["Number"] == OK
    unpaired(bus, connections=("USB", "Network"))
    bus.save_pair_record(there.udid, b"record")
    there.detach()
    there.attach_again()
    heard = events(client, 6)
    assert heard == [("Attached", 1), ("Attached", 2), ("Attached", 3), ("Paired", 1), ("Detached", 1), ("Attached", 4)]


def test_who_listens_can_ask_for_nothing_else(client: MuxClient) -> None:
    client.ask("Listen")
    assert client.ask("ListDevices")["Number"] == BAD_COMMAND
    assert client.socket.recv(1) == b""


def test_pair_records_are_kept_until_they_are_deleted(client: MuxClient) -> None:
    assert client.ask("SavePairRecord", PairRecordID="a", PairRecordData=b"record")["Number"] == OK
    assert client.ask("ReadPairRecord", PairRecordID="a") == {"PairRecordData": b"record"}
    assert client.ask("DeletePairRecord", PairRecordID="a")["Number"] == OK
    assert client.ask("ReadPairRecord", PairRecordID="a")["Number"] == 2


def test_no_device_is_told_from_no_listener(bus: SimulatedPhones, client: MuxClient) -> None:
    phone = unpaired(bus)
    assert client.connect(phone, PORT) == REFUSED
    phone.detach()
    assert client.connect(phone, PORT) == BAD_DEVICE


def test_an_app_on_a_locked_phone_refuses(bus: SimulatedPhones, client: MuxClient, listener: socket.socket) -> None:
    phone = unpaired(bus, ports={PORT: listener.getsockname()})
    phone.lock()
    assert client.connect(phone, PORT) == REFUSED
    phone.unlock()
    assert client.connect(phone, PORT) == OK


def test_what_is_no_request_ends_the_conversation(client: MuxClient) -> None:
    client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.socket.recv(1) == b""


def test_bytes_arrive_in_both_directions_and_so_does_the_end(
    bus: SimulatedPhones, client: MuxClient, listener: socket.socket
) -> None:
    wire = client.reach(unpaired(bus, ports={PORT: listener.getsockname()}), PORT)
    content = bytes(range(256)) * (1 << 14)  # more than any buffer between holds
    with accepted(listener) as inside:
        for source, sink in ((wire, inside), (inside, wire)):
            sending = threading.Thread(target=source.sendall, args=(content,))
            sending.start()
            assert read_exactly(sink, len(content)) == content
            sending.join()
        wire.shutdown(socket.SHUT_WR)
        assert inside.recv(1) == b""


def test_an_app_that_does_not_read_holds_the_sender(
    bus: SimulatedPhones, client: MuxClient, listener: socket.socket
) -> None:
    wire = client.reach(unpaired(bus, ports={PORT: listener.getsockname()}), PORT)
    inside = accepted(listener)
    wire.setblocking(False)
    sent, quiet = 0, 0
    with inside:
        while quiet < 5 and sent < 1 << 30:
            try:
                sent, quiet = sent + wire.send(bytes(1 << 20)), 0
            except BlockingIOError:
                threading.Event().wait(0.1)
                quiet += 1
    assert 0 < sent < 1 << 30


@pytest.mark.parametrize("port", [PORT, LOCKDOWN])
def test_unplugging_ends_connections(
    bus: SimulatedPhones, client: MuxClient, listener: socket.socket, port: int
) -> None:
    phone = unpaired(bus, ports={PORT: listener.getsockname()})
    wire = client.reach(phone, port)
    phone.detach()
    assert wire.recv(1) == b""


def test_unplugging_ends_the_connection_at_the_app(
    bus: SimulatedPhones, client: MuxClient, listener: socket.socket
) -> None:
    phone = unpaired(bus, ports={PORT: listener.getsockname()})
    client.reach(phone, PORT)
    inside = accepted(listener)
    phone.detach()
    with inside:
        assert inside.recv(1) == b""


def test_nothing_is_left_of_a_bus_that_was_stopped(listener: socket.socket) -> None:
    before = set(threading.enumerate())
    bus = SimulatedPhones()
    phone = unpaired(bus, ports={PORT: listener.getsockname(), 1: disorder.trickle, 2: disorder.flood})
    with MuxClient(bus) as one, MuxClient(bus) as two, MuxClient(bus) as three, MuxClient(bus) as four:
        _ = one.reach(phone, PORT), two.reach(phone, 1), three.reach(phone, 2), four.ask("Listen")
        bus.stop()
        assert set(threading.enumerate()) == before
    assert not Path(bus.path).parent.exists()
    with pytest.raises(ConnectionRefusedError):
        MuxClient(bus)


@pytest.mark.parametrize(
    ("fault", "body"),
    [
        (disorder.closed, b""),
        (disorder.garbage, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        (disorder.half, b"<?xml"),
        (disorder.answers({"Number": 99}), plistlib.dumps({"Number": 99})),
        (disorder.bomb, disorder.BOMB),
    ],
)
def test_usbmuxd_and_lockdownd_say_what_they_should_not(
    bus: SimulatedPhones, client: MuxClient, fault: disorder.Disorder, body: bytes
) -> None:
    phone = unpaired(bus)
    bus.faults["ReadBUID"] = phone.faults["QueryType"] = fault
    with MuxClient(bus) as to_lockdownd:
        client.say("ReadBUID")
        lockdown = to_lockdownd.reach(phone, LOCKDOWN)
        lockdown.sendall(plist_frame(plistlib.dumps({"Request": "QueryType"})))
        assert whole(client.socket) in (body, mux_frame(TAG)(body), mux_frame(TAG)(body, 1000))
        assert whole(lockdown) in (body, plist_frame(body), plist_frame(body, 1000))


def whole(connection: socket.socket) -> bytes:
    """All that arrives."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def conversation(wire: socket.socket) -> Callable[[dict[str, Any]], Frame]:
    """Asks an agent; its hello where nothing is asked."""
    assert read_exactly(wire, len(GREETING)) == GREETING
    reader = FrameReader()

    def ask(request: dict[str, Any]) -> Frame:
        if request:
            wire.sendall(b"".join(bytes(one) for one in encode({"id": 1, **request})))
        while True:
            count = wire.recv_into(reader.buffer())
            if not count:
                raise EOFError
            if frame := reader.advance(count):
                return frame

    return ask


def test_the_app_tells_of_itself_as_apps_do(bus: SimulatedPhones, client: MuxClient, app: App) -> None:
    ask = conversation(client.reach(unpaired(bus, ports={PORT: app.address}), PORT))
    assert ask({}).header["conditions"]["app_state"] == "active"
    app.tell(app_state="background")
    try:
        assert ask({"op": "run"}).header["kind"] == "background"
    finally:
        app.tell()


def test_the_app_is_closed_and_opened_again_where_it_was(bus: SimulatedPhones, client: MuxClient, app: App) -> None:
    phone = unpaired(bus, ports={PORT: app.address})
    with MuxClient(bus) as one:
        ask = conversation(one.reach(phone, PORT))
        ask({})
        app.close()
        try:
            with pytest.raises((EOFError, ConnectionResetError)):
                ask({"op": "have", "sha256": "0" * 64})
            assert client.connect(phone, PORT) == REFUSED
        finally:
            app.open()
    conversation(client.reach(phone, PORT))


def test_a_suspended_app_answers_when_it_goes_on(bus: SimulatedPhones, client: MuxClient, app: App) -> None:
    app.suspend()
    try:
        wire = client.reach(unpaired(bus, ports={PORT: app.address}), PORT)
        wire.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.recv(1)
    finally:
        app.resume()
    wire.settimeout(PATIENCE_S)
    conversation(wire)


def test_an_app_with_a_fault_has_it(bus: SimulatedPhones, client: MuxClient, app: App) -> None:
    ask = conversation(client.reach(unpaired(bus, ports={PORT: app.at("dies_of_a_run")}), PORT))
    assert ask({}).header["op"] == "hello"
    with pytest.raises((EOFError, ConnectionResetError)):
        ask({"op": "run"})
