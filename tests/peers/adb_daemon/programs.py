"""The services ``shell:``, ``shell,v2,raw:`` and ``exec:``: real programs, run as adbd runs them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Awaitable, Callable, Iterator

    from tests.peers.adb_daemon.root import Root
    from tests.peers.adb_daemon.stream import Stream

    Write = Callable[[bytes], Awaitable[None]]

FRAME = struct.Struct("<BI")
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = 0, 1, 2, 3, 4
CHUNK = 64 * 1024
MAX_FRAME = 1024 * 1024


async def run_plain(root: Root, stream: Stream) -> None:
    """One stream of bytes both ways; errors are in the output, and the exit code is nowhere."""
    await _misbehave(stream, stream.write, stream.write)
    ours, theirs = _pair()
    with ours:
        with theirs:
            program = root.start(stream.opened.partition(":")[2], theirs, theirs)
        with _hanging_up(program):
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(_feed_all(stream, ours))
                await _pump(ours, stream.write)
                feeding.cancel()


async def run_framed(root: Root, stream: Stream) -> None:
    """Output, errors and exit code apart."""
    out, err = (functools.partial(_write_frame, stream, number) for number in (STDOUT, STDERR))
    await _misbehave(stream, out, err)
    ours, theirs = _pair()
    our_errors, their_errors = _pair()
    with ours, our_errors:
        with theirs, their_errors:
            program = root.start(stream.opened.partition(":")[2], theirs, their_errors)
        with _hanging_up(program):
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(_feed_frames(stream, ours))
                pumps = [group.create_task(_pump(ours, out)), group.create_task(_pump(our_errors, err))]
                await asyncio.wait(pumps)
                feeding.cancel()
            code = await _exit_code(program)
    if lie := stream.faults.take("exit_code", stream.opened):
        code = lie.number
    if not stream.faults.take("no_exit_packet", stream.opened):
        await _write_frame(stream, EXIT, bytes([code]))


@contextlib.contextmanager
def _hanging_up(program: subprocess.Popen[bytes]) -> Iterator[None]:
    """A program whose stream ends before it does gets SIGHUP, and all of its process group; who ignores it goes on."""
    try:
        yield
    finally:
        if program.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ends just now, or has not made its group yet
                os.killpg(program.pid, signal.SIGHUP)


async def _misbehave(stream: Stream, out: Write, err: Write) -> None:
    if endless := stream.faults.take("endless", stream.opened):
        while True:
            await (err if endless.name == "stderr" else out)(endless.content)
    if banner := stream.faults.take("banner", stream.opened):
        await out(banner.content)


async def _write_frame(stream: Stream, number: int, data: bytes) -> None:
    await stream.write(FRAME.pack(number, len(data)) + data)


async def _pump(source: socket.socket, write: Write) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionResetError):  # it ended without reading its input
        while data := await loop.sock_recv(source, CHUNK):
            await write(data)


async def _feed(sink: socket.socket, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await asyncio.get_running_loop().sock_sendall(sink, data)


async def _feed_all(stream: Stream, sink: socket.socket) -> None:
    while True:
        await _feed(sink, await stream.receive())


async def _feed_frames(stream: Stream, sink: socket.socket) -> None:
    while True:
        number, size = FRAME.unpack(await stream.receive_exactly(FRAME.size))
        assert size <= MAX_FRAME, f"a frame of {size} bytes from the host"
        data = await stream.receive_exactly(size)
        if number == STDIN:
            await _feed(sink, data)
        elif number == CLOSE_STDIN:
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


async def _exit_code(program: subprocess.Popen[bytes]) -> int:
    """Wait for a program's end; 128 and the signal where that ended it."""
    with contextlib.suppress(ProcessLookupError):  # collected already, when another program was started
        await _ended(program.pid)
    code = program.wait()
    return code if code >= 0 else 128 - code


async def _ended(pid: int) -> None:
    ended = asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _pair() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, theirs
