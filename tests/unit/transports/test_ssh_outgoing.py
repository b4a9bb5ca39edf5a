"""Frames on their way out: whole, whatever the file behind one does meanwhile, and whatever the kernel can."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.wire import FrameReader
from pytest_edgedevice.errors import DeadlineError, DeviceLostError
from pytest_edgedevice.transports.ssh.outgoing import FilePiece, Outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = os.urandom(200_000)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    source, sink = os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    yield source, sink
    for end in (source, sink):
        try:
            os.close(end)
        except OSError as error:
            assert error.errno == errno.EBADF  # noqa: PT017 - the test has closed it


@pytest.fixture
def file(tmp_path: Path) -> int:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return os.open(path, os.O_RDWR)


def lost() -> None:
    raise DeviceLostError("nobody reads")


def outgoing(sink: int) -> Outgoing:
    return Outgoing(sink, check=lambda: None, lose=lost)


def frames(source: int) -> list[tuple[str, bytes]]:
    reader = FrameReader()
    found: list[tuple[str, bytes]] = []
    while True:
        try:
            count = os.readv(source, [reader.buffer()])
        except BlockingIOError:
            return found
        if frame := reader.advance(count):
            found.append((frame.header["op"], bytes(frame.payload)))


def soon() -> float:
    return time.monotonic() + 30


def test_a_piece_of_a_file_is_a_frame(pipe: tuple[int, int], file: int) -> None:
    outgoing(pipe[1]).send_piece({"op": "in"}, FilePiece(file, 5, 1000), deadline=soon())
    assert frames(pipe[0]) == [("in", CONTENT[5:1005])]


def test_where_the_kernel_cannot_it_is_read_and_written(
    pipe: tuple[int, int], file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> int:
        raise OSError(errno.EINVAL, "not from there")

    monkeypatch.setattr(os, "sendfile", cannot)
    outgoing(pipe[1]).send_piece({"op": "in"}, FilePiece(file, 5, 1000), deadline=soon())
    assert frames(pipe[0]) == [("in", CONTENT[5:1005])]


def test_a_file_that_is_shorter_by_now_leaves_a_whole_frame(pipe: tuple[int, int], file: int) -> None:
    os.truncate(file, 10)
    out = outgoing(pipe[1])
    out.send_piece({"op": "in"}, FilePiece(file, 5, 1000), deadline=soon())
    out.send({"op": "next"}, [], deadline=soon())
    assert frames(pipe[0]) == [("in", CONTENT[5:10] + bytes(995)), ("next", b"")]


def test_what_did_not_go_in_time_goes_before_the_next_frame(pipe: tuple[int, int], file: int) -> None:
    out = outgoing(pipe[1])
    filled = 0
    while True:
        try:
            filled += os.write(pipe[1], bytes(4096))
        except BlockingIOError:
            break
    with pytest.raises(DeadlineError, match="took nothing in time"):
        out.send_piece({"op": "in"}, FilePiece(file, 0, 1000), deadline=time.monotonic())
    while filled:
        filled -= len(os.read(pipe[0], filled))
    out.send({"op": "next"}, [], deadline=soon())
    (in_, next_) = frames(pipe[0])
    assert in_ == ("in", CONTENT[:1000])
    assert next_ == ("next", b"")


def test_a_piece_for_nobody_is_a_lost_link(pipe: tuple[int, int], file: int) -> None:
    os.close(pipe[0])
    with pytest.raises(DeviceLostError):
        outgoing(pipe[1]).send_piece({"op": "in"}, FilePiece(file, 0, 1000), deadline=soon())


def test_a_reader_that_goes_away_amid_a_piece_is_a_lost_link(
    pipe: tuple[int, int], file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> int:
        raise BrokenPipeError(errno.EPIPE, "gone")

    monkeypatch.setattr(os, "sendfile", gone)
    with pytest.raises(DeviceLostError):
        outgoing(pipe[1]).send_piece({"op": "in"}, FilePiece(file, 0, 1000), deadline=soon())
