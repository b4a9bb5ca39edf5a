"""Raw series in records: exact, small, and nothing that a stranger wrote is believed."""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.records import build, pack, unpack
from pytest_edgedevice.values import Evidence

if TYPE_CHECKING:
    from pytest_edgedevice.records import Record

TIMES = st.lists(st.integers(0, (1 << 63) - 1), max_size=60)


def built(numbers: dict[str, Any]) -> Record:
    return build(Evidence("latency", "pass", "", numbers), test="t", facts={}, version="1", time="now")


@given(TIMES)
def test_a_series_comes_back_as_it_was(times: list[int]) -> None:
    assert unpack(json.loads(json.dumps(pack(times)))) == times


def test_a_packed_series_is_less_than_half_of_its_digits() -> None:
    times = (np.exp(0.05 * np.random.RandomState(0).standard_normal(5000)) * 10e6).astype(int).tolist()
    assert len(json.dumps(pack(times))) < len(json.dumps(times)) / 2


def test_numpy_alone_can_read_it() -> None:
    packed = pack([5, 1 << 40, 7])
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    assert planes.reshape(8, 3).T.copy().view("<i8").ravel().tolist() == [5, 1 << 40, 7]


def test_a_record_packs_every_series_and_nothing_else() -> None:
    numbers = built({"samples_ns": (3, 4), "more_samples_ns": {"p50": [5]}, "budgets": [1, 2]})["numbers"]
    assert unpack(numbers["samples_ns"]) == [3, 4]
    assert unpack(numbers["more_samples_ns"]["p50"]) == [5]
    assert numbers["budgets"] == [1, 2]


@pytest.mark.parametrize("odd", [[1.5], [-1], [True], ["1"], [1 << 63], "text", None])
def test_what_is_no_series_stays_as_it_is(odd: Any) -> None:
    assert built({"samples_ns": odd})["numbers"]["samples_ns"] == odd


def test_a_plain_list_of_an_older_record_is_read() -> None:
    assert unpack([1, 2]) == [1, 2]


BOMB = base64.b64encode(zlib.compress(bytes(5_000_000), 9)).decode()
GOOD = pack([1, 2, 3])
NEGATIVE = {**GOOD, "count": 1, "data": base64.b64encode(zlib.compress(b"\xff" * 8)).decode()}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "neither a list nor packed"),
        ("text", "neither a list nor packed"),
        ({}, "neither a list nor packed"),
        ({**GOOD, "encoding": "pickle"}, "neither a list nor packed"),
        ([1, "2"], "no list of up to"),
        ([-1], "no list of up to"),
        ([True], "no list of up to"),
        ([1 << 63], "no list of up to"),
        ({**GOOD, "count": 1_000_001}, "no count from 0"),
        ({**GOOD, "count": -1}, "no count from 0"),
        ({**GOOD, "count": True}, "no count from 0"),
        ({**GOOD, "data": 5}, "no data"),
        ({**GOOD, "count": 4}, "does not hold the 4 times"),
        ({**GOOD, "count": 2}, "does not hold the 2 times"),
        ({**GOOD, "data": BOMB}, "does not hold the 3 times"),
        ({**GOOD, "data": GOOD["data"][:-8]}, "does not hold the 3 times"),
        ({**GOOD, "data": "???"}, "cannot be unpacked"),
        ({**GOOD, "data": "äöü"}, "cannot be unpacked"),
        ({**GOOD, "data": base64.b64encode(b"no zlib").decode()}, "cannot be unpacked"),
        (NEGATIVE, "holds a negative time"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_a_series_is_refused_with_a_sentence(value: Any, why: str) -> None:
    with pytest.raises(UsageError, match=f"'x' .*{why}|'x' {why}"):
        unpack(value, where="'x'")


def test_a_machine_with_the_other_byte_order_writes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.byteorder", "big")
    assert unpack(pack([1, 2, 3])) == [1, 2, 3]
