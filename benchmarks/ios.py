"""An iPhone's link against plain sockets, through the simulated phone of the tests. There is no cable in it.

python -m benchmarks.ios [--rounds 11]

usbmuxd and the phone are simulated, and move an app's bytes from one socket to the other inside the kernel. The
plain socket that ours is compared with goes the same way: a client that says ``Connect`` to usbmuxd, and no more. One
that goes straight to the app spares that hop, which nobody does on a phone, so that row has no goal.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.pairs import interleave, ratio, row
from benchmarks.reporting import CACHED, processor_s
from benchmarks.ssh import echo
from pytest_edgedevice.transports.usbmux.address import VARIABLE
from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport
from tests.peers.iphone import SimulatedPhones
from tests.peers.iphone.client import MuxClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_edgedevice.transports.base import Stream
    from tests.peers.iphone import Phone

TAKES, GIVES, ECHOES = 1, 2, 3
"""Ports of the phone: one reads so much and says so, one sends so much when asked to, one sends back what it gets."""
SIZE_BYTES = 64 << 20
PIECE_BYTES = 1 << 20
WAIT_S = 120.0
APP = f"""
import socket, sys, threading
SIZE, PIECE, content = {SIZE_BYTES}, {PIECE_BYTES}, bytes({PIECE_BYTES})
def takes(end):
    view = memoryview(bytearray(PIECE))
    while True:
        left = SIZE
        while left:
            count = end.recv_into(view[:left])
            if not count: return
            left -= count
        end.sendall(b"k")
def gives(end):
    while end.recv(1):
        for _ in range(SIZE // PIECE): end.sendall(content)
def echoes(end):
    while piece := end.recv(PIECE): end.sendall(piece)
def serve(listener, does):
    while True:
        end, _ = listener.accept()
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=does, args=(end,), daemon=True).start()
listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
for listener, does in zip(listeners, (takes, gives, echoes)):
    threading.Thread(target=serve, args=(listener, does), daemon=True).start()
print(*[one.getsockname()[1] for one in listeners], flush=True)
sys.stdin.read()
"""
FRESH = f"""
from pytest_edgedevice.transports.usbmux.transport import UsbmuxTransport, list_devices
with UsbmuxTransport(list_devices()[0].udid) as link:
    assert link.facts()["paired"]
    link.open_port({ECHOES}, timeout_s=10)
"""
ONLY_IMPORTED = "import pymobiledevice3.usbmux, pymobiledevice3.services.diagnostics"


@contextlib.contextmanager
def attached(bus: SimulatedPhones) -> Iterator[Phone]:
    """A phone with an app that is a program of its own, so that it takes no time of ours."""
    with subprocess.Popen([sys.executable, "-c", APP], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as app:
        assert app.stdout is not None
        numbers = map(int, app.stdout.readline().split())
        yield bus.attach(ports={port: ("127.0.0.1", number) for port, number in zip((1, 2, 3), numbers, strict=True)})
        app.kill()


def plain(bus: SimulatedPhones, phone: Phone, port: int) -> socket.socket:
    """A connection to the app by usbmuxd, without us."""
    connected = MuxClient(bus).reach(phone, port)
    connected.settimeout(None)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def straight(phone: Phone, port: int) -> socket.socket:
    """A connection to the app, past usbmuxd."""
    address = phone.ports[port]
    assert isinstance(address, tuple)
    connected = socket.create_connection(address)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def fresh(bus: SimulatedPhones, rounds: int) -> bool:
    """A new process that lists, asks for facts and connects, and one that only imports what this takes."""
    environment = {**CACHED, VARIABLE: bus.address}

    def runs(source: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", source], check=True, env=environment)

    before = processor_s()
    mine, imports = (statistics.median(one) for one in interleave([runs(FRESH), runs(ONLY_IMPORTED)], rounds))
    both = (processor_s() - before) / (rounds + 1)
    figure = f"{mine:.2f} s, of which Python and the import of pymobiledevice3 are {imports:.2f} s"
    figure += f" (processor {both * mine / (mine + imports):.2f} s)"
    return row("list, facts and connect, in a new process", figure, "<= 1 s", met=mine <= 1)


def sends(stream: Stream, content: memoryview) -> None:
    """By our stream, until the app has said that it has all of it."""
    stream.send([content], timeout_s=WAIT_S)
    assert stream.receive_into(memoryview(bytearray(1)), timeout_s=WAIT_S) == 1


def sends_plainly(end: socket.socket, content: memoryview) -> None:
    """Likewise by a socket."""
    end.sendall(content)
    assert end.recv(1)


def reads(stream: Stream, view: memoryview) -> None:
    """By our stream, as fast as the app sends."""
    stream.send([b"?"], timeout_s=WAIT_S)
    left = SIZE_BYTES
    while left:
        left -= stream.receive_into(view[:left], timeout_s=WAIT_S)


def reads_plainly(end: socket.socket, view: memoryview) -> None:
    """Likewise by a socket."""
    end.sendall(b"?")
    left = SIZE_BYTES
    while left:
        left -= end.recv_into(view[:left])


def bulk(bus: SimulatedPhones, phone: Phone, port: int, what: str, rounds: int) -> bool:
    """64 MiB one way, by our stream and by plain sockets."""
    content = memoryview(bytearray(SIZE_BYTES if port == TAKES else PIECE_BYTES))
    ours, theirs = (sends, sends_plainly) if port == TAKES else (reads, reads_plainly)
    with UsbmuxTransport(phone.udid) as link, plain(bus, phone, port) as same_way, straight(phone, port) as shorter:
        stream = link.open_port(port, timeout_s=WAIT_S).stream
        calls = [
            lambda: ours(stream, content),
            lambda: theirs(same_way, content),
            lambda: theirs(shorter, content),
        ]
        times = interleave(calls, rounds)
    speed, direct = 1 / ratio(times[0], times[1]), 1 / ratio(times[0], times[2])
    mb_s = SIZE_BYTES / 1e6 / statistics.median(times[0])
    figure = f"{speed:.2f} of a plain socket's speed by the same usbmuxd ({mb_s:.0f} MB/s)"
    met = row(what, figure, ">= 0.8", met=speed >= 0.8)
    row(f"{what}, past usbmuxd", f"{direct:.2f} of a plain socket's speed straight to it", "none", met=True)
    return met


def round_trip(bus: SimulatedPhones, phone: Phone, rounds: int) -> bool:
    """1 KB there and back."""
    content = os.urandom(1024)
    with UsbmuxTransport(phone.udid) as link, plain(bus, phone, ECHOES) as bare:
        stream = link.open_port(ECHOES, timeout_s=WAIT_S).stream

        def plainly() -> None:
            bare.sendall(content)
            left = len(content)
            while left:
                left -= len(bare.recv(left))

        times = interleave([lambda: echo(stream, content), plainly], rounds * 100)
    mine, theirs = (statistics.median(one) * 1e3 for one in times)
    figure = f"{mine:.3f} ms, a plain socket by the same usbmuxd {theirs:.3f} ms"
    return row("round trip of 1 KB", figure, "<= 1 ms beyond it", met=mine - theirs <= 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    with SimulatedPhones() as bus, attached(bus) as phone:
        os.environ[VARIABLE] = bus.address
        met = [
            fresh(bus, rounds),
            bulk(bus, phone, TAKES, "64 MiB to an app", rounds),
            bulk(bus, phone, GIVES, "64 MiB from an app", rounds),
            round_trip(bus, phone, rounds),
        ]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
