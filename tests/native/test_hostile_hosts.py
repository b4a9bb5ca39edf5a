"""Hosts that break the protocol: the native agent answers in words, under sanitizers too."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent.wire import describe
from tests.native.agents import PATIENCE_S, TINY
from tests.native.wire import FIELDS, PREFIX, Wire, load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.native.agents import Agents

EXIT_PROTOCOL = 65


@pytest.fixture(params=["agents", "sanitized"])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    agents: Agents = request.getfixturevalue(request.param)
    process = agents.process("tflite")
    yield Wire(process)
    tail = process.stderr_tail()
    process.kill()
    assert "Sanitizer" not in tail, tail
    assert "runtime error" not in tail, tail


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "expected a frame, got 'GET / HTTP/1.1\\x0d\\x0a'"),
        (PREFIX.pack(b"EDG1", 1, 0) + b"{", "header length 1 is outside 2..1048576"),
        (PREFIX.pack(b"EDG1", 1 << 31, 0), "header length 2147483648 is outside"),
        (PREFIX.pack(b"EDG1", 2, 1 << 63), "payload of 9223372036854775808 bytes is over the limit of 1073741824"),
        (PREFIX.pack(b"EDG1", 2, (1 << 30) + 1), "payload of 1073741825 bytes is over"),
        (PREFIX.pack(b"EDG1", 2, 0) + b"[]", "header is a list, not an object"),
        (PREFIX.pack(b"EDG1", 4, 0) + b"null", "header is a null, not an object"),
        *(
            (PREFIX.pack(b"EDG1", len(header), 0) + header, text)
            for header, text in [
                (b'{"a":NaN}', "header is not JSON: a value is no JSON"),
                (b'{"a":-Infinity}', "a value is no JSON"),
                (b'{"a":1e999}', "too large for a double"),
                (b'{"a":' + b"9" * 400 + b"}", "too large for a double"),
                (b'{"a":01}', "a value is no JSON"),
                (b'{"a":1.}', "ends in its point"),
                (b'{"a":1e}', "lacks its exponent"),
                (b'{"a":"\xff"}', "it is no UTF-8"),
                (b'{"a":"\xed\xa0\x80"}', "it is no UTF-8"),
                (b'{"a":"\xc0\x80"}', "it is no UTF-8"),
                (b'{"a":"\xf4\x90\x80\x80"}', "it is no UTF-8"),
                (b'{"a":"\x01"}', "control character"),
                (b'{"a":"\\x"}', "escape that JSON lacks"),
                (b'{"a":"\\u12g4"}', "lacks its four digits"),
                (b'{"a":"', "a string does not end"),
                (b'{"a" 1}', "a colon is missing"),
                (b"{1:1}", "a key is missing"),
                (b'{"a":1 "b":2}', "a comma or an end is missing"),
                (b'{"a":1,}', "a key is missing"),
                (b'{"a":tru}', "a value is no JSON"),
                (b"{} {}", "something follows its end"),
                (b"  ", "a value is no JSON"),
                (b'{"a":' + b"[" * 100_000, "nested too deeply"),
            ]
        ),
    ],
    ids=lambda value: repr(value[16:46]) if isinstance(value, bytes) else "",
)
def test_bytes_that_are_no_frame_end_the_conversation(wire: Wire, sent: bytes, text: str) -> None:
    wire.send(sent)
    header = wire.receive().header
    assert (header["op"], header["id"], header["kind"]) == ("error", None, "protocol")
    assert text in header["message"]
    assert wire.process.wait(timeout_s=PATIENCE_S) == EXIT_PROTOCOL


@pytest.mark.parametrize("number", ["7", "-0", "9" * 300, "18446744073709551616"])
def test_a_number_comes_back_as_it_was_sent(wire: Wire, number: str) -> None:
    header = (
        f'{{"\\u006fp":"have","id":{number},"sha256":"{"0" * 64}","x":[{{"op":1}}, "\\ud83d\\ude00\\ud800"]}}'.encode()
    )
    wire.send(PREFIX.pack(b"EDG1", len(header), 0) + header)
    reply = wire.receive().header
    assert (reply["op"], reply["id"], reply["present"]) == ("have", int(number), False)


@pytest.mark.parametrize("number", ["1.0", "1e2", '"1"', "true", "null", "[1]"])
def test_what_is_no_whole_number_is_no_request(wire: Wire, number: str) -> None:
    header = f'{{"op":"facts","id":{number}}}'.encode()
    wire.send(PREFIX.pack(b"EDG1", len(header), 0) + header)
    reply = wire.receive().header
    assert (reply["kind"], reply["id"], reply["message"]) == ("protocol", None, "a request needs an integer 'id'")
    assert wire.ask(5, "facts").header["op"] == "facts"


@pytest.mark.parametrize("operation", [None, 7, "", "fly", "\0", "run\0", "x" * 100_000, "\u00e9\ud800"])
def test_an_unknown_operation_is_refused_and_the_agent_goes_on(wire: Wire, operation: Any) -> None:
    reply = wire.ask(3, operation).header
    assert (reply["kind"], reply["id"]) == ("protocol", 3)
    assert reply["message"].startswith("unknown operation '")
    assert len(reply["message"]) < 500
    assert wire.ask(4, "bye").header == {"op": "bye", "id": 4}
    assert wire.process.wait(timeout_s=PATIENCE_S) == 0


A = describe("a", "float32", (1, 1, 4))
B = describe("b", "float32", (1, 1, 4))


@pytest.mark.parametrize(
    ("tensors", "payload", "kind", "text"),
    [
        ([A, B], 32, None, ""),
        ([A, B], 31, "protocol", "needs 16 bytes, the payload has 15 left"),
        ([A, B], 33, "protocol", "1 bytes that no tensor claims"),
        (None, 32, "protocol", "no list 'tensors'"),
        ({}, 32, "protocol", "no list 'tensors'"),
        ([1], 0, "protocol", "not an object"),
        ([{**A, "name": 7}, B], 32, "protocol", "not a short string"),
        ([{**A, "name": "x" * 4097}, B], 32, "protocol", "not a short string"),
        ([{**A, "name": "\ud800"}, B], 32, "protocol", "not a short string"),
        ([{**A, "dtype": "float31"}, B], 32, "protocol", "unknown dtype"),
        ([{**A, "dtype": ["float32"]}, B], 32, "protocol", "unknown dtype"),
        ([{**A, "role": "boss"}, B], 32, "protocol", "unknown role"),
        ([{**A, "shape": [1] * 17}, B], 32, "protocol", "at most 16 dimensions"),
        ([{**A, "shape": [1, -1]}, B], 32, "protocol", "impossible shape"),
        ([{**A, "shape": [1, 1 << 48]}, B], 32, "protocol", "impossible shape"),
        ([{**A, "shape": [1, 4.0]}, B], 32, "protocol", "impossible shape"),
        ([{**A, "shape": [True, 4]}, B], 32, "protocol", "impossible shape"),
        ([{**A, "shape": None}, B], 32, "protocol", "no shape"),
        ([{**A, "shape": [1 << 47, 1 << 47]}, B], 32, "protocol", "needs more than 18446744073709551615 bytes"),
        (
            [{**A, "shape": [1 << 47, 1 << 47, 0]}, {**B, "shape": [0]}],
            0,
            "input",
            "has shape [1, 4] a sample, got [1407",
        ),
        ([{**A, "shape": [2, 1, 2]}, B], 32, "input", "input 'a' has shape [1, 4] a sample, got [2, 1, 2]"),
        ([{**A, "shape": [1, 4]}, B], 32, "input", "input 'a' has shape [1, 4] a sample, got [1, 4]"),
        ([{**A, "dtype": "int32"}, B], 32, "input", "input 'a' has dtype float32, got int32"),
        ([A], 16, "input", "inputs are ['a', 'b'], got ['a']"),
        ([A, A], 32, "input", "inputs are ['a', 'b'], got ['a', 'a']"),
        ([A, {**B, "name": "c\x1b"}], 32, "input", "got ['a', 'c\\x1b']"),
        ([describe("a", "float32", (0,))] * 5000, 0, "input", "..."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_tensors_that_do_not_fit_are_refused_in_words(
    wire: Wire, tensors: Any, payload: int, kind: str | None, text: str
) -> None:
    assert load(wire, "add_float32")["op"] == "load"
    reply = wire.ask(3, "run", bytes(payload), samples=1, tensors=tensors).header
    assert reply.get("kind") == kind
    assert text in reply.get("message", "")
    assert wire.ask(4, "run", bytes(32), samples=1, tensors=[A, B]).header["op"] == "run"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"samples": 0}, "'samples' must be a whole number from 1 to 4294967296, not 0"),
        ({"samples": 1.5}, "not 1.5"),
        ({"samples": None}, "'samples' must be"),
        ({"samples": 10**30}, "'samples' must be"),
        ({"samples": 1 << 32}, "has shape"),
    ],
)
def test_samples_are_counted_in_whole_numbers(wire: Wire, fields: Any, text: str) -> None:
    load(wire, "add_float32")
    assert text in wire.ask(3, "run", bytes(32), tensors=[A, B], **fields).header["message"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"threads": 0}, "protocol"),
        ({"threads": True}, "protocol"),
        ({"delegate": 7}, "protocol"),
        ({"engine": None}, "protocol"),
        ({"delegate_options": []}, "protocol"),
        ({"delegate_options": {"a": {}}}, "protocol"),
        ({"delegate_options": {"a\0b": "c"}}, "protocol"),
        ({"delegate": "cpu\0"}, "protocol"),
        ({"delegate_options": {str(at): "" for at in range(65)}}, "input"),
        ({"engine": "warp"}, "input"),
        ({"engine": "litert"}, "engine"),
        ({"sha256": "1" * 64}, "missing"),
        ({"sha256": "../" * 20 + "abcd"}, "protocol"),
        ({"sha256": None}, "protocol"),
    ],
    ids=str,
)
def test_a_load_that_cannot_be_is_refused_and_the_next_one_works(wire: Wire, change: Any, kind: str) -> None:
    content = (TINY / "no_batch.tflite").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    wire.ask(1, "put", content, sha256=sha256, offset=0, total=len(content))
    assert wire.ask(2, "load", **{"sha256": sha256, **FIELDS, **change}).header["kind"] == kind
    assert wire.ask(3, "load", sha256=sha256, **FIELDS).header["op"] == "load"
    assert wire.ask(4, "load", sha256=sha256, **FIELDS).header["kind"] == "protocol"


def test_blobs_may_arrive_interleaved_and_over_again(wire: Wire) -> None:
    blobs = [bytes([at]) * 10 for at in range(6)]
    names = [hashlib.sha256(blob).hexdigest() for blob in blobs]
    for part in (slice(0, 4), slice(4, 10)):
        for name, blob in zip(names, blobs, strict=True):
            reply = wire.ask(1, "put", blob[part], sha256=name, offset=part.start, total=10).header
            assert reply["complete"] == (part.stop == 10)
    assert wire.ask(2, "put", b"", sha256=hashlib.sha256(b"").hexdigest(), offset=0, total=0).header["complete"]
    assert wire.ask(3, "put", blobs[0], sha256=names[0], offset=0, total=10).header["complete"]


def test_only_as_many_blobs_are_begun_as_are_remembered(wire: Wire) -> None:
    names = [f"{at:064x}" for at in range(1, 12)]
    for name in names:
        wire.ask(1, "put", b"x", sha256=name, offset=0, total=2)
    assert wire.ask(2, "put", b"x", sha256=names[0], offset=1, total=2).header["kind"] == "protocol"
