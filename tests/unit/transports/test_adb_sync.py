"""adb's sync protocol, spoken by a socket of our own at the other end."""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeadlineError, DeviceLostError, TransportError
from pytest_edgedevice.transports.adb.sync import Sync
from pytest_edgedevice.transports.progress import Moved

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = struct.pack("<4sI", b"DATA", 4) + b"four"


@pytest.fixture
def ends() -> Iterator[tuple[Sync, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        yield Sync(ours, where="phone", lost=DeviceLostError), theirs


def test_a_file_that_never_ends_is_a_deadline_however_much_has_arrived(ends: tuple[Sync, socket.socket]) -> None:
    sync, phone = ends
    phone.sendall(DATA * 100)
    deadline = time.monotonic() + 0.2
    pieces = sync.get("/f", deadline=deadline)
    assert next(pieces) == b"four"
    while time.monotonic() <= deadline:
        time.sleep(0.01)
    with pytest.raises(DeadlineError):
        next(pieces)


def test_a_transfer_that_another_thread_closed_is_broken_off(ends: tuple[Sync, socket.socket]) -> None:
    sync, phone = ends
    phone.sendall(DATA)
    pieces = sync.get("/f", deadline=time.monotonic() + 60)
    next(pieces)
    sync.close()
    with pytest.raises(DeviceLostError, match="broke"):
        next(pieces)


def test_closing_in_a_forked_child_leaves_the_transfer_alone(ends: tuple[Sync, socket.socket]) -> None:
    sync, phone = ends
    child = os.fork()
    if child == 0:
        sync.break_off()
        sync.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    phone.sendall(DATA)
    assert next(sync.get("/f", deadline=time.monotonic() + 60)) == b"four"


def test_a_path_that_adb_cannot_take_is_refused_before_anything_is_sent(ends: tuple[Sync, socket.socket]) -> None:
    sync, phone = ends
    with pytest.raises(TransportError, match="longer than adb takes"):
        sync.put("/" + "x" * 2000, [], deadline=time.monotonic() + 60, moved=Moved())
    phone.setblocking(False)
    with pytest.raises(BlockingIOError):
        phone.recv(1)
