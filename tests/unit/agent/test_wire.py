"""The codec, byte by byte, and the page that describes it."""

from __future__ import annotations

import re
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice import agent
from pytest_edgedevice.agent.wire import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameReader,
    TensorPart,
    WireError,
    describe,
    encode,
    split_tensors,
)

PAGE = (Path(agent.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")
GOLDEN = b'EDG1\x13\0\0\0\3\0\0\0\0\0\0\0{"op":"put","id":7}abc'


def feed(reader: FrameReader, data: bytes, *, step: int = 1 << 20) -> list[Frame]:
    """Give bytes to a reader, at most ``step`` at a time; the frames."""
    frames = []
    while data:
        view = reader.buffer()
        count = min(len(view), step, len(data))
        view[:count] = data[:count]
        del view
        data = data[count:]
        frame = reader.advance(count)
        if frame:
            frames.append(frame)
    return frames


def prefix(header_bytes: int, payload_bytes: int, magic: bytes = b"EDG1") -> bytes:
    return struct.pack("<4sIQ", magic, header_bytes, payload_bytes)


def framed(header: bytes, payload: bytes = b"") -> bytes:
    return prefix(len(header), len(payload)) + header + payload


def test_a_frame_has_these_bytes() -> None:
    assert b"".join(bytes(part) for part in encode({"op": "put", "id": 7}, [b"a", b"", b"bc"])) == GOLDEN


@pytest.mark.parametrize("step", [1, 2, 7, 16, 1000])
def test_frames_are_read_however_the_bytes_come(step: int) -> None:
    frames = feed(FrameReader(), GOLDEN * 3, step=step)
    assert [(frame.header, bytes(frame.payload)) for frame in frames] == [({"op": "put", "id": 7}, b"abc")] * 3


def test_the_hex_example_of_the_page_is_what_it_says() -> None:
    block = re.search(r"```hex\n(.*?)```", PAGE, re.DOTALL)
    assert block
    data = b"".join(bytes.fromhex(line[6:53]) for line in block[1].splitlines())
    (frame,) = feed(FrameReader(), data)
    (part,) = split_tensors(frame.header, frame.payload)
    assert (frame.header["op"], part.name, part.dtype, part.shape) == ("run", "x", "int16", (2, 1))
    assert struct.unpack("<2h", part.data) == (-2, 300)


@pytest.mark.parametrize("number", [agent.PROTOCOL_VERSION, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES])
def test_the_page_names_the_version_and_the_limits(number: int) -> None:
    assert f"{number:,}" in PAGE


def test_the_page_names_the_sentinel() -> None:
    assert agent.SENTINEL.decode().strip() in PAGE
    assert f"{len(agent.SENTINEL)} bytes" in PAGE


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(prefix(2, 0, b"HTTP") + b"{}", id="another magic"),
        pytest.param(prefix(0, 0), id="no header"),
        pytest.param(prefix(1, 0) + b"1", id="header of one byte"),
        pytest.param(prefix(MAX_HEADER_BYTES + 1, 0), id="header over the limit"),
        pytest.param(prefix(2**32 - 1, 0), id="largest header"),
        pytest.param(prefix(2, MAX_PAYLOAD_BYTES + 1), id="payload over the limit"),
        pytest.param(prefix(2, 2**64 - 1), id="largest payload"),
        pytest.param(framed(b"[]"), id="header is a list"),
        pytest.param(framed(b'"a"'), id="header is a string"),
        pytest.param(framed(b'{"a":'), id="half an object"),
        pytest.param(framed(b"{}{}"), id="two objects"),
        pytest.param(framed(b'{"a":NaN}'), id="NaN"),
        pytest.param(framed(b'{"a":-Infinity}'), id="Infinity"),
        pytest.param(framed(b'{"a":1e999}'), id="a number that overflows"),
        pytest.param(framed(b'{"a":' + b"9" * 100_000 + b"}"), id="a number without end"),
        pytest.param(framed(b"[" * 500_000), id="deep lists"),
        pytest.param(framed(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), id="deep objects"),
        pytest.param(framed(b'{"a":"\xff"}'), id="no UTF-8"),
        pytest.param(framed("{}".encode("utf-16")), id="UTF-16"),
        pytest.param(framed(b"\0\0"), id="zeros"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        feed(FrameReader(), data)


@pytest.mark.parametrize("length", range(1, len(GOLDEN)))
def test_a_stream_that_ends_inside_a_frame_is_refused(length: int) -> None:
    reader = FrameReader()
    assert feed(reader, GOLDEN[:length]) == []
    with pytest.raises(WireError, match="stream ended after"):
        reader.eof()


def test_a_stream_may_end_between_frames() -> None:
    reader = FrameReader()
    feed(reader, GOLDEN)
    reader.eof()


def test_the_limit_of_a_reader_may_be_lowered() -> None:
    with pytest.raises(WireError, match="payload of 3 bytes is over the limit of 2"):
        feed(FrameReader(max_payload_bytes=2), GOLDEN)


def test_memory_grows_with_what_came_and_not_with_what_was_promised() -> None:
    reader = FrameReader()
    came = bytes(1 << 20)
    tracemalloc.start()
    try:
        feed(reader, prefix(2, MAX_PAYLOAD_BYTES) + b"{}" + came)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 << 20


def test_a_large_payload_arrives_whole() -> None:
    payload = bytes(range(256)) * (20 << 12)  # past two growths of the buffer
    (frame,) = feed(FrameReader(), framed(b"{}", payload), step=3 << 20)
    assert bytes(frame.payload) == payload


@pytest.mark.parametrize(
    "header",
    [{"a": float("nan")}, {"a": float("inf")}, {"a": b""}, {"a": "x" * MAX_HEADER_BYTES}],
    ids=["NaN", "infinity", "bytes", "too large"],
)
def test_a_header_that_cannot_be_sent_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        encode(header)


def test_a_payload_over_the_limit_is_not_sent() -> None:
    megabyte = bytes(1 << 20)
    with pytest.raises(WireError, match="payload of 1074790400 bytes is over the limit"):
        encode({}, [megabyte] * 1025)


def cut(entries: Any, payload: bytes) -> list[TensorPart]:
    return split_tensors({"tensors": entries}, memoryview(payload))


def test_tensors_lie_one_behind_the_other() -> None:
    parts = cut(
        [describe("a", "int8", (3,)), describe("t", "int64", (), "timing"), describe("z", "bool", (0, 7))], bytes(11)
    )
    assert [(part.name, len(part.data), part.role) for part in parts] == [
        ("a", 3, "tensor"),
        ("t", 8, "timing"),
        ("z", 0, "tensor"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "object"},
        {"dtype": "string"},
        {"dtype": ["int8"]},
        {"dtype": None},
        {"shape": 4},
        {"shape": None},
        {"shape": [-1]},
        {"shape": [-4, -1]},
        {"shape": [True, 4]},
        {"shape": [4.0]},
        {"shape": ["4"]},
        {"shape": [2**48]},
        {"shape": [2**40, 2**40]},
        {"shape": [1] * 17},
        {"shape": [3]},
        {"shape": [5]},
        {"name": 7},
        {"name": None},
        {"name": "x" * 4097},
        {"name": "\ud800"},
        {"role": 1},
        {"role": "boss"},
        {"role": None},
        {"role": ["tensor"]},
    ],
    ids=str,
)
def test_a_tensor_that_lies_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        cut([{"name": "x", "dtype": "int8", "shape": [4], **change}], bytes(4))


@pytest.mark.parametrize("entries", [None, {}, "x", 3, [None], [[]], ["x"]], ids=str)
def test_a_list_of_tensors_that_is_none_is_refused(entries: Any) -> None:
    with pytest.raises(WireError):
        cut(entries, b"")


def test_bytes_that_no_tensor_claims_are_refused() -> None:
    with pytest.raises(WireError, match="payload has 1 bytes that no tensor claims"):
        cut([describe("x", "int8", (4,))], bytes(5))
