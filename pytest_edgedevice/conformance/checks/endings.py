"""How a conversation ends, whoever ends it, and what a second client does to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.wire import PREFIX, describe
from pytest_edgedevice.conformance.check import Group, NotOfferedError, PromiseError, UnreachableError
from pytest_edgedevice.conformance.ends import CommandAgent
from pytest_edgedevice.conformance.models import pack
from pytest_edgedevice.conformance.talk import NO_BLOB, Talk, shown

if TYPE_CHECKING:
    from pytest_edgedevice.conformance.bench import Bench

ENDINGS = Group("endings")
STREAM = "The stream"
GONE = "the agent ends at once, also in the middle of an inference"
STEPS = (1 << 31) - 1
SECOND_S = 5.0
"""One client at a time is right too; nobody wants to wait long to learn that."""


@ENDINGS.check(section=STREAM, says="After the reply to `bye` the agent ends with exit status 0")
def bye(bench: Bench) -> None:
    """It ends after bye."""
    talk = bench.fresh()
    talk.ask("bye")
    over, status = talk.end.over(timeout_s=talk.timeout_s)
    if not over:
        raise PromiseError(f"the reply to bye, and then it lived on for {talk.timeout_s:g} s")
    if status not in (None, 0):
        raise PromiseError(f"the reply to bye, and then exit status {status}")


@ENDINGS.check(section=STREAM, says=GONE)
def end_of_input(bench: Bench) -> None:
    """It ends when its input does."""
    talk = bench.fresh()
    talk.sent = "the end of its input"
    _hang_up(talk)


@ENDINGS.check(section=STREAM, says=GONE)
def end_in_frame(bench: Bench) -> None:
    """It ends when its input does in the middle of a frame."""
    talk = bench.fresh()
    talk.raw([PREFIX.pack(b"EDG1", 100, 1000) + b'{"op":'], "a part of a frame, and then the end of its input")
    _hang_up(talk)


@ENDINGS.check(section=STREAM, says=GONE)
def abort(bench: Bench) -> None:
    """It ends in the middle of an inference."""
    loaded = bench.loaded(bench.tflite("slow"))
    steps = pack("int32", [STEPS])
    talk = loaded.talk
    talk.send("run", steps, samples=1, tensors=[describe("steps", "int32", (1, 1))])
    talk.sent += ", which takes minutes, and then the end of its input"
    _hang_up(talk)


@ENDINGS.check(section=STREAM, says=GONE)
def abort_measuring(bench: Bench) -> None:
    """It ends in the middle of a measurement."""
    loaded = bench.loaded(bench.model())
    entries, buffers = loaded.request(1)
    fields = {"runs": 1_000_000, "batch": 1_000_000, "settle": 0, "max_ns": 1 << 60}
    loaded.talk.send("measure", *buffers, samples=1, tensors=entries, **fields)
    loaded.talk.sent += ", which takes hours, and then the end of its input"
    _hang_up(loaded.talk)


@ENDINGS.check(section="bye", says="true asks that no blob is kept")
def wipes(bench: Bench) -> None:
    """It keeps nothing when it is asked to."""
    blob = os.urandom(10)
    name = hashlib.sha256(blob).hexdigest()
    talk = bench.fresh()
    talk.ask("put", blob, sha256=name, offset=0, total=len(blob))
    talk.ask("bye", wipe=True)
    talk.end.over(timeout_s=talk.timeout_s)
    reply = bench.fresh().ask("have", sha256=name)
    if reply.get("present") is not False:
        raise PromiseError(f"{shown(reply)} for a blob that came before")


@ENDINGS.check(section="The stream", says="The agent writes one `hello` frame")
def next_client(bench: Bench) -> None:
    """The next client is served."""
    bench.fresh().ask("have", sha256=NO_BLOB)


@ENDINGS.check(section=STREAM, says="leaves no files behind where it was started with `--wipe`")
def wiped(bench: Bench) -> None:
    """It leaves no files behind."""
    agent = bench.agent
    if not isinstance(agent, CommandAgent) or not agent.wipes:
        raise NotOfferedError("seen only of a command with the arguments --wipe and {folder}")
    talk = bench.fresh()
    folder = agent.folder
    talk.ask("put", b"abc", sha256=NO_BLOB, offset=0, total=9)
    talk.sent = "a part of a blob, and then the end of its input"
    _hang_up(talk)
    if folder is not None and folder.exists():
        left = len(list(folder.iterdir()))
        raise PromiseError(f"the folder is still there, with {left} {'file' if left == 1 else 'files'}")


@ENDINGS.check(section="load", says="One model an agent, once")
def two_models(bench: Bench) -> None:
    """Two models do not mix."""
    first = bench.loaded(bench.tflite("copy_float32"))
    second_talk = _second(bench)
    second_model = bench.tflite("copy_int32")
    bench.put(second_talk, second_model)
    second = bench.load(second_talk, second_model)
    for loaded in (first, second, first):
        dtype = loaded.inputs[0].dtype
        given = pack(dtype, (1, 2, 3, 4))
        found = loaded.run(1, [describe("x", dtype, (1, 1, 4))], [given])
        if bytes(found["y"].data) != given:
            raise PromiseError(f"{bytes(found['y'].data).hex(' ')} from a copy of {given.hex(' ')} (hex)")


@ENDINGS.check(
    section=STREAM,
    says="Who connects meanwhile is served apart, waits or is turned away, and does not disturb the first",
)
def second_client(bench: Bench) -> None:
    """A second client does not disturb the first."""
    if not bench.agent.by_tcp:
        raise NotOfferedError("a command has one client")
    first = bench.fresh()
    first.ask("have", sha256=NO_BLOB)
    with contextlib.suppress(NotOfferedError):
        _second(bench)
    first.ask("have", sha256=NO_BLOB)
    first.ask("bye")
    bench.fresh().ask("have", sha256=NO_BLOB)


def _second(bench: Bench) -> Talk:
    try:
        return bench.beside(wait_s=min(bench.timeout_s, SECOND_S) if bench.agent.by_tcp else None)
    except UnreachableError:
        raise NotOfferedError("it serves one client at a time") from None


def _hang_up(talk: Talk) -> None:
    talk.end.hang_up()
    over, _ = talk.end.over(timeout_s=talk.timeout_s)
    if not over:
        raise PromiseError(f"nothing: it lived on for {talk.timeout_s:g} s")
