"""The other end of a connection to the adb server, played over a socket pair: cuts, lies about sizes, refusals."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, DeviceLostError, TransportError
from pytest_edgedevice.transports.adb.packets import CLOSE_STDIN, EXIT, HEADER, STDERR, STDIN, STDOUT
from pytest_edgedevice.transports.adb.stream import MOST_PENDING_BYTES, AdbStream
from pytest_edgedevice.transports.adb.sync import HEADER as SYNC
from pytest_edgedevice.transports.adb.sync import Sync
from pytest_edgedevice.transports.progress import Moved

if TYPE_CHECKING:
    from collections.abc import Iterator

FOREVER = 1e12


def lost(how: str) -> TransportError:
    return DeviceLostError(f"lost: {how}")


def packet(kind: int, payload: bytes) -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(30)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def peer(ends: tuple[socket.socket, socket.socket]) -> socket.socket:
    return ends[1]


@pytest.fixture
def stream(ends: tuple[socket.socket, socket.socket]) -> AdbStream:
    return AdbStream(ends[0], lost=lost, most_errors=8)


@pytest.fixture
def sync(ends: tuple[socket.socket, socket.socket]) -> Sync:
    return Sync(ends[0], where="the phone", lost=lost)


def read(stream: AdbStream, count: int = 100) -> bytes:
    view = memoryview(bytearray(count))
    return bytes(view[: stream.receive_into(view, timeout_s=30)])


def drained(peer: socket.socket) -> bytes:
    """All that was sent to it, to the end."""
    found = b""
    while piece := peer.recv(1 << 20):
        found += piece
    return found


def test_streams_come_apart_and_the_status_ends_them(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(packet(STDOUT, b"out") + packet(STDERR, b"err") + packet(STDOUT, b"more") + packet(EXIT, b"\x07"))
    assert [read(stream), read(stream), read(stream), read(stream)] == [b"out", b"more", b"", b""]
    assert (stream.status, stream.errors()) == (7, b"err")


def test_a_packet_that_comes_in_pieces_is_one(stream: AdbStream, peer: socket.socket) -> None:
    for byte in packet(STDOUT, b"") + packet(STDOUT, b"ab"):
        peer.sendall(bytes([byte]))
    assert read(stream, 1) + read(stream, 1) == b"ab"


def test_what_ends_without_a_status_was_cut(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(packet(STDOUT, b"half"))
    peer.shutdown(socket.SHUT_WR)
    assert read(stream) == b"half"
    with pytest.raises(DeviceLostError, match="without an exit status"):
        read(stream)


def test_a_packet_that_promises_more_than_comes_was_cut(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(HEADER.pack(STDOUT, 1000) + b"x")
    peer.shutdown(socket.SHUT_WR)
    with pytest.raises(DeviceLostError):
        stream.converse(b"", FOREVER, most_bytes=1 << 20)


@pytest.mark.parametrize(("kind", "size"), [(9, 1), (STDIN, 1), (EXIT, 0), (EXIT, 4), (255, 1 << 31)])
def test_a_peer_that_breaks_the_protocol_is_told_so(
    stream: AdbStream, peer: socket.socket, kind: int, size: int
) -> None:
    peer.sendall(HEADER.pack(kind, size) + b"xxxx")
    with pytest.raises(TransportError, match=f"a packet of kind {kind} and {size} bytes"):
        read(stream)


def test_only_the_last_errors_are_kept_and_all_are_counted(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(b"".join(packet(STDERR, b"%05d" % number) for number in range(100)) + packet(EXIT, b"\0"))
    assert stream.finish(FOREVER) == 0
    assert (stream.errors(), stream.error_bytes) == (b"09800099"[-8:], 500)


def test_output_that_nobody_reads_is_kept_to_a_limit(stream: AdbStream, peer: socket.socket) -> None:
    flood = threading.Thread(target=_flood, args=(peer,), daemon=True)
    flood.start()
    assert stream.finish(time.monotonic() + 0.5) is None
    assert stream._pending_bytes < MOST_PENDING_BYTES + (1 << 20)
    stream.close()
    flood.join(30)


def _flood(peer: socket.socket) -> None:
    try:
        for _ in range(1000):
            peer.sendall(packet(STDOUT, bytes(65536)))
    except OSError:
        pass


def test_input_goes_in_packets_and_its_end_is_one(stream: AdbStream, peer: socket.socket) -> None:
    stream.send([b"ab", bytearray(b"c")], timeout_s=30)
    stream.end_input(timeout_s=30)
    wanted = packet(STDIN, b"ab") + packet(STDIN, b"c") + packet(CLOSE_STDIN, b"")
    assert peer.recv(100) == wanted


def test_a_program_that_ends_without_reading_its_input_still_tells_its_status(
    stream: AdbStream, peer: socket.socket
) -> None:
    peer.sendall(packet(STDOUT, b"out") + packet(EXIT, b"\1"))
    peer.shutdown(socket.SHUT_RDWR)
    assert stream.converse(bytes(1 << 20), FOREVER, most_bytes=100) == b"out"
    assert stream.status == 1


def test_silence_during_a_conversation_is_a_deadline(stream: AdbStream) -> None:
    with pytest.raises(DeadlineError, match="did not end in time"):
        stream.converse(b"", time.monotonic() + 0.05, most_bytes=100)


def test_more_than_is_kept_is_an_error(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(packet(STDOUT, bytes(200)))
    with pytest.raises(TransportError, match="it said more than"):
        stream.converse(b"", FOREVER, most_bytes=100)


def test_a_line_is_read_without_what_follows_it(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(packet(STDOUT, b"one\ntwo"))
    assert stream.read_line(time.monotonic() + 30, most_bytes=10) == b"one"
    assert read(stream) == b"two"


def test_a_line_without_an_end_is_an_error(stream: AdbStream, peer: socket.socket) -> None:
    peer.sendall(packet(STDOUT, bytes(100)))
    with pytest.raises(TransportError, match="a line is longer than 10 bytes"):
        stream.read_line(time.monotonic() + 30, most_bytes=10)


def test_a_closed_stream_says_so(stream: AdbStream) -> None:
    stream.close()
    stream.close()
    for use in (lambda: read(stream), lambda: stream.send([b"x"], timeout_s=1), lambda: stream.end_input(timeout_s=1)):
        with pytest.raises(TransportError, match="closed"):
            use()


def test_a_second_reader_waits_no_longer_than_it_said(stream: AdbStream) -> None:
    reading = threading.Event()

    def first() -> None:
        with stream._alone(FOREVER):
            reading.set()
            done.wait(30)

    done = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert reading.wait(30)
    with pytest.raises(DeadlineError, match="another thread"):
        stream.receive_into(memoryview(bytearray(1)), timeout_s=0.05)
    assert stream.finish(time.monotonic() + 0.05) is None
    done.set()
    thread.join()


def test_a_file_is_sent_in_packets_and_answered(sync: Sync, peer: socket.socket) -> None:
    content = os.urandom(200_000)
    peer.sendall(SYNC.pack(b"OKAY", 0))
    moved = Moved()
    thread = threading.Thread(target=lambda: sent.append(drained(peer)))
    sent: list[bytes] = []
    thread.start()
    with pytest.raises(TransportError, match="for whole before it was"):
        sync.put("/x", [memoryview(content)], deadline=FOREVER, moved=moved)  # it says so before the end
    sync.break_off()
    thread.join(30)
    assert sent[0].startswith(SYNC.pack(b"SEND", 6) + b"/x,448" + SYNC.pack(b"DATA", 65536) + content[:65536])


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (SYNC.pack(b"OKAY", 0), None, ""),
        (SYNC.pack(b"FAIL", 37) + b"write failed: No space left on device", DeviceFullError, "no space left"),
        (SYNC.pack(b"FAIL", 6) + b"no\x1b[2J", TransportError, r"/x could not be written or read: no \[2J"),
        (SYNC.pack(b"FAIL", 1 << 30), TransportError, "broke adb's sync protocol"),
        (b"HTTP/1.1 400", TransportError, "broke adb's sync protocol"),
        (b"OKA", DeviceLostError, "ended early"),
    ],
)
def test_what_the_device_says_of_a_file_is_believed_or_refused(
    sync: Sync, peer: socket.socket, answer: bytes, kind: type[Exception] | None, text: str
) -> None:
    def answered() -> None:
        got = b""
        while b"DONE" not in got:
            got += peer.recv(100)
        peer.sendall(answer)
        peer.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=answered)
    thread.start()
    if kind is None:
        assert sync.put("/x", [memoryview(b"abc")], deadline=FOREVER, moved=Moved()) == 3
    else:
        with pytest.raises(kind, match=text):
            sync.put("/x", [memoryview(b"abc")], deadline=FOREVER, moved=Moved())
    thread.join(30)


def test_a_device_that_takes_nothing_is_a_deadline(sync: Sync) -> None:
    with pytest.raises(DeadlineError, match="did not end in time"):
        sync.put("/x", [memoryview(bytes(8 << 20))], deadline=time.monotonic() + 0.1, moved=Moved())


def test_a_device_that_never_answers_is_a_deadline(sync: Sync) -> None:
    with pytest.raises(DeadlineError, match="did not end in time"):
        sync.put("/x", [], deadline=time.monotonic() + 0.1, moved=Moved())


def test_a_connection_that_breaks_in_mid_file_is_a_lost_device(sync: Sync, peer: socket.socket) -> None:
    peer.close()
    with pytest.raises(DeviceLostError):
        sync.put("/x", [memoryview(bytes(8 << 20))], deadline=time.monotonic() + 30, moved=Moved())


def test_a_refusal_in_mid_file_is_heard_though_more_could_be_sent(sync: Sync, peer: socket.socket) -> None:
    peer.sendall(SYNC.pack(b"FAIL", 21) + b"No space left, sorry.")
    with pytest.raises(DeviceFullError):
        sync.put("/x", [memoryview(bytes(1 << 20))] * 1000, deadline=time.monotonic() + 30, moved=Moved())


def test_a_file_is_read_back(sync: Sync, peer: socket.socket) -> None:
    peer.sendall(SYNC.pack(b"DATA", 3) + b"abc" + SYNC.pack(b"DATA", 1) + b"d" + SYNC.pack(b"DONE", 0))
    assert b"".join(sync.get("/x", deadline=time.monotonic() + 30)) == b"abcd"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (SYNC.pack(b"FAIL", 4) + b"gone", "could not be written or read: gone"),
        (SYNC.pack(b"DATA", 1 << 31), "broke adb's sync protocol"),
    ],
)
def test_a_file_that_cannot_be_read_back_is_an_error(sync: Sync, peer: socket.socket, answer: bytes, text: str) -> None:
    peer.sendall(answer)
    with pytest.raises(TransportError, match=text):
        list(sync.get("/x", deadline=time.monotonic() + 30))


def test_a_path_that_adb_does_not_take_is_refused(sync: Sync) -> None:
    with pytest.raises(TransportError, match="longer than adb takes"):
        sync.put("/" + "x" * 2000, [], deadline=FOREVER, moved=Moved())


def test_the_empty_hash_is_the_one_by_which_tools_are_known() -> None:
    from pytest_edgedevice.transports.adb import checking as adb_checking

    assert hashlib.sha256(b"").hexdigest() in adb_checking._HASH
