"""Bytes that are frames, and bytes that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.wire import MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, PREFIX
from pytest_edgedevice.conformance.check import Group, PromiseError
from pytest_edgedevice.conformance.talk import NO_BLOB, Talk

if TYPE_CHECKING:
    from pytest_edgedevice.conformance.bench import Bench

FRAMES = Group("frames")
SECTION = "A frame"
PIECE = 5
EXIT_PROTOCOL = 65
MAGIC = b"EDG1"
LIMITS = "unsigned, 2 to 1,048,576"
OBJECT = "header: one JSON object (RFC 8259) in UTF-8"


@FRAMES.check(section="The stream", says="One reliable byte stream each way")
def pieces(bench: Bench) -> None:
    """A frame may come in pieces."""
    talk = bench.talk()
    whole = _frame(json.dumps({"op": "have", "id": 1001, "sha256": NO_BLOB}).encode())
    for at in range(0, len(whole), PIECE):
        talk.raw([whole[at : at + PIECE]], f"a 'have' in pieces of {PIECE} bytes")
    talk.reply("have", 1001)


@FRAMES.check(section=SECTION, says=LIMITS)
def longest(bench: Bench) -> None:
    """A header of 1 MiB is read."""
    talk = bench.talk()
    header = {"op": "have", "id": 1002, "sha256": NO_BLOB, "padding": ""}
    header["padding"] = "x" * (MAX_HEADER_BYTES - len(json.dumps(header)))
    talk.raw([_frame(json.dumps(header).encode())], "a 'have' whose header is padded to 1,048,576 bytes")
    talk.reply("have", 1002)


def _ends_it(name: str, says: str, data: bytes) -> None:
    @FRAMES.check(section=SECTION, says=says, name=f"{name[0].upper()}{name[1:]} ends the conversation")
    def ends(bench: Bench) -> None:
        talk = bench.fresh()
        talk.raw([data], f"{name}: {data[:24].hex(' ')}{' ...' if len(data) > 24 else ''} (hex)")
        talk.error(["protocol"], None)
        _ended(talk)


def _ended(talk: Talk) -> None:
    over, status = talk.end.over(timeout_s=talk.timeout_s)
    if not over:
        raise PromiseError(f"the error, and then it lived on for {talk.timeout_s:g} s")
    if status not in (None, EXIT_PROTOCOL):
        raise PromiseError(f"the error, and then exit status {status} instead of {EXIT_PROTOCOL}")


def _frame(header: bytes) -> bytes:
    return PREFIX.pack(MAGIC, len(header), 0) + header


BROKEN = {
    "another magic": ("magic `EDG1`", PREFIX.pack(b"HTTP", 2, 0)),
    "a header length of 1": (LIMITS, PREFIX.pack(MAGIC, 1, 0)),
    "a header length over 1 MiB": (LIMITS, PREFIX.pack(MAGIC, MAX_HEADER_BYTES + 1, 0)),
    "a payload length over 1 GiB": ("unsigned, 0 to 1,073,741,824", PREFIX.pack(MAGIC, 2, MAX_PAYLOAD_BYTES + 1)),
    "a header that is cut off": (OBJECT, _frame(b'{"op":"have","id":')),
    "a header that is a list": (OBJECT, _frame(b'["have",1]')),
    "a header that is no UTF-8": (OBJECT, _frame(b'{"op":"\xff"}')),
    "a header with NaN": ("The header has no NaN", _frame(b'{"op":"have","id":1,"x":NaN}')),
    "a header with 1e999": ("no number that overflows a double", _frame(b'{"op":"have","id":1,"x":1e999}')),
    "a header of brackets alone": (OBJECT, _frame(b"[" * 100_000)),
}
for _name, (_says, _data) in BROKEN.items():
    _ends_it(_name, _says, _data)
