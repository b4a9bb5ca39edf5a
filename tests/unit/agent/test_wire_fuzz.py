"""Whatever bytes come, the codec gives frames or a WireError."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.agent.wire import (
    ITEM_BYTES,
    Frame,
    FrameReader,
    WireError,
    describe,
    encode,
    split_tensors,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
HEADERS = st.dictionaries(st.text(), JSON, max_size=5)
ODD = st.integers(-(2**70), 2**70) | st.booleans() | st.none() | st.text(max_size=3) | st.floats() | st.just(2**48 - 1)
ENTRIES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(max_size=5) | ODD,
            "dtype": st.sampled_from([*ITEM_BYTES]) | ODD,
            "shape": st.lists(st.integers(0, 5) | ODD, max_size=18) | ODD,
            "role": st.sampled_from(["tensor", "sample", "timing"]) | ODD,
        },
    )
    | ODD,
    max_size=4,
)


def read(data: bytes, steps: list[int]) -> list[Frame]:
    reader = FrameReader(max_payload_bytes=1 << 16)
    frames = []
    at = 0
    turn = 0
    while at < len(data):
        view = reader.buffer()
        assert len(view)
        count = min(len(view), steps[turn % len(steps)], len(data) - at)
        view[:count] = data[at : at + count]
        del view
        at += count
        turn += 1
        frame = reader.advance(count)
        if frame:
            frames.append(frame)
    reader.eof()
    return frames


STEPS = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@given(st.binary(max_size=300), STEPS)
def test_any_bytes_are_frames_or_an_error(data: bytes, steps: list[int]) -> None:
    with contextlib.suppress(WireError):
        read(data, steps)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=60)), max_size=4), STEPS)
def test_what_was_written_is_read(frames: list[tuple[dict[str, Any], bytes]], steps: list[int]) -> None:
    data = b"".join(bytes(part) for header, payload in frames for part in encode(header, [payload]))
    assert [(frame.header, bytes(frame.payload)) for frame in read(data, steps)] == frames


@given(HEADERS, st.binary(max_size=60), st.data())
def test_a_stream_with_changed_bytes_gives_frames_or_an_error(
    header: dict[str, Any], payload: bytes, data: st.DataObject
) -> None:
    stream = bytearray(b"".join(bytes(part) for part in encode(header, [payload])) * 2)
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    del stream[data.draw(st.integers(0, len(stream))) :]
    with contextlib.suppress(WireError):
        read(bytes(stream), [7, 16])


@given(ENTRIES, st.binary(max_size=100))
def test_any_announcement_gives_tensors_that_fit_or_an_error(entries: list[Any], payload: bytes) -> None:
    with contextlib.suppress(WireError):
        parts = split_tensors({"tensors": entries}, memoryview(payload))
        assert sum(len(part.data) for part in parts) == len(payload)


@given(st.lists(st.tuples(st.sampled_from([*ITEM_BYTES]), st.lists(st.integers(0, 3), max_size=4)), max_size=4))
def test_what_was_described_is_split(tensors: list[tuple[str, list[int]]]) -> None:
    entries = [describe(str(at), dtype, shape) for at, (dtype, shape) in enumerate(tensors)]
    sizes = []
    for dtype, shape in tensors:
        size = ITEM_BYTES[dtype]
        for dimension in shape:
            size *= dimension
        sizes.append(size)
    parts = split_tensors({"tensors": entries}, memoryview(bytes(sum(sizes))))
    assert [len(part.data) for part in parts] == sizes
