"""How models get there."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.conformance.check import Group, PromiseError
from pytest_edgedevice.conformance.talk import shown

if TYPE_CHECKING:
    from pytest_edgedevice.conformance.bench import Bench
    from pytest_edgedevice.conformance.talk import Talk

SECTION = "have, put: blobs"
BLOBS = Group("blobs")
LARGE_BYTES, CHUNK_BYTES = 4 << 20, 1 << 20


@BLOBS.check(section=SECTION, says="`present`: boolean")
def absent(bench: Bench) -> None:
    """What never came is not there."""
    _present(bench.talk(), _named(os.urandom(8)), expected=False)


@BLOBS.check(section=SECTION, says="The blob exists only when its last byte came and its hash is right")
def chunks(bench: Bench) -> None:
    """A blob comes in chunks, and is there with its last."""
    talk, blob = bench.talk(), os.urandom(10)
    _put(talk, blob, 0, 4, complete=False)
    _present(talk, _named(blob), expected=False)
    _put(talk, blob, 4, 10, complete=True)
    _present(talk, _named(blob), expected=True)


@BLOBS.check(section=SECTION, says="a chunk at offset 0 starts over")
def again(bench: Bench) -> None:
    """What is there may be sent again."""
    talk, blob = bench.talk(), os.urandom(10)
    for _ in range(2):
        _put(talk, blob, 0, 10, complete=True)
        _present(talk, _named(blob), expected=True)


@BLOBS.check(section=SECTION, says="Payload: the next chunk")
def large(bench: Bench) -> None:
    """A blob of 4 MiB arrives."""
    talk, blob = bench.talk(), os.urandom(LARGE_BYTES)
    for offset in range(0, LARGE_BYTES, CHUNK_BYTES):
        _put(talk, blob, offset, offset + CHUNK_BYTES, complete=offset + CHUNK_BYTES == LARGE_BYTES)


@BLOBS.check(section=SECTION, says="an empty blob is one empty chunk")
def empty(bench: Bench) -> None:
    """An empty blob is one empty chunk."""
    _put(bench.talk(), b"", 0, 0, complete=True)


@BLOBS.check(section=SECTION, says="and nothing is left of it")
def wrong_hash(bench: Bench) -> None:
    """A blob with another hash is refused, and nothing is left."""
    talk, blob = bench.talk(), os.urandom(10)
    _refused(talk, os.urandom(10), sha256=_named(blob), offset=0, total=10)
    _present(talk, _named(blob), expected=False)


@BLOBS.check(section=SECTION, says="lie inside `total`")
def beyond(bench: Bench) -> None:
    """A chunk beyond the total is refused."""
    blob = os.urandom(10)
    _refused(bench.talk(), blob, sha256=_named(blob), offset=0, total=9)


@BLOBS.check(section=SECTION, says="Chunks come in order")
def out_of_order(bench: Bench) -> None:
    """A chunk that does not come next is refused."""
    talk, blob = bench.talk(), os.urandom(10)
    _refused(talk, blob[4:], sha256=_named(blob), offset=4, total=10)
    _put(talk, blob, 0, 4, complete=False)
    _refused(talk, blob[6:], sha256=_named(blob), offset=6, total=10)


@BLOBS.check(section=SECTION, says="a chunk at offset 0 starts over")
def over(bench: Bench) -> None:
    """An upload may start over in the middle."""
    talk, blob = bench.talk(), os.urandom(10)
    _put(talk, blob, 0, 7, complete=False)
    _put(talk, blob, 0, 5, complete=False)
    _put(talk, blob, 5, 10, complete=True)


@BLOBS.check(section=SECTION, says="The blob exists only when its last byte came and its hash is right")
def interrupted(bench: Bench) -> None:
    """An upload that was cut off leaves nothing that counts."""
    blob = os.urandom(10)
    _put(bench.talk(), blob, 0, 7, complete=False)
    talk = bench.fresh()
    _present(talk, _named(blob), expected=False)
    _put(talk, blob, 0, 10, complete=True)


@BLOBS.check(section=SECTION, says="named by the sha256 of their content, 64 lower-case hex")
def no_name(bench: Bench) -> None:
    """A name that is no hash is refused."""
    for name in ("../../etc/passwd", "A" * 64, "0" * 63, "", 7, None):
        _refused(bench.talk(), b"abc", sha256=name, offset=0, total=3)


@BLOBS.check(section=SECTION, says="`offset`, `total`: integers, bytes")
def no_numbers(bench: Bench) -> None:
    """Places that are no numbers are refused."""
    blob = b"abc"
    for offset, total in ((-1, 3), ("0", 3), (0, True), (0, None), (0.5, 3)):
        _refused(bench.talk(), blob, sha256=_named(blob), offset=offset, total=total)


def _named(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()


def _put(talk: Talk, blob: bytes, begin: int, end: int, *, complete: bool) -> None:
    reply = talk.ask("put", blob[begin:end], sha256=_named(blob), offset=begin, total=len(blob))
    if reply.get("complete") is not complete:
        raise PromiseError(f"{shown(reply)}, where 'complete' has to be {shown(complete)}")


def _present(talk: Talk, name: str, *, expected: bool) -> None:
    reply = talk.ask("have", sha256=name)
    if reply.get("present") is not expected:
        raise PromiseError(f"{shown(reply)}, where 'present' has to be {shown(expected)}")


def _refused(talk: Talk, chunk: bytes, **fields: Any) -> None:
    talk.refused("put", ["protocol"], chunk, **fields)
