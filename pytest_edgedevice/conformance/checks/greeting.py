"""How a conversation begins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import PROTOCOL_VERSION
from pytest_edgedevice.conformance.check import Group, PromiseError
from pytest_edgedevice.conformance.talk import NO_BLOB, same, shown

if TYPE_CHECKING:
    from pytest_edgedevice.conformance.bench import Bench

HELLO = "hello (from the agent, unasked)"
GREETING = Group("greeting")
NEEDED = ("have", "put", "load", "run", "measure", "facts", "bye")
MOST_AHEAD = 64


@GREETING.check(section="The stream", says="The agent writes one `hello` frame")
def hello_comes(bench: Bench) -> None:
    """It says the sentinel and one hello, unasked."""
    hello = bench.talk().hello
    if hello.get("op") != "hello":
        raise PromiseError(shown(hello))


@GREETING.check(section=HELLO, says="integer 1. The host refuses any other")
def version(bench: Bench) -> None:
    """It speaks this version."""
    _field(bench, "protocol", lambda value: same(value, PROTOCOL_VERSION))


@GREETING.check(section=HELLO, says="object of engine name to version")
def engines(bench: Bench) -> None:
    """It names its engines and their versions."""
    _field(bench, "engines", _engines)


@GREETING.check(section=HELLO, says="requests that may be in flight, at least 1")
def window(bench: Bench) -> None:
    """Its window is a number from 1 on."""
    _field(bench, "window", _positive)


@GREETING.check(section=HELLO, says="smallest step of the clock, nanoseconds, at least 1")
def tick(bench: Bench) -> None:
    """Its clock's tick is a number from 1 on."""
    _field(bench, "clock_tick_ns", _positive)


@GREETING.check(section=HELLO, says='`""` for an agent that was not pushed by the host')
def own_hash(bench: Bench) -> None:
    """It names its file by hash, or not at all."""
    _field(bench, "agent_sha256", lambda value: isinstance(value, str) and bool(re.fullmatch("([0-9a-f]{64})?", value)))


@GREETING.check(section=HELLO, says="names of the operations it serves")
def operations(bench: Bench) -> None:
    """It serves have, put, load, run, measure, facts and bye."""
    _field(bench, "operations", lambda value: _texts(value) and set(NEEDED) <= set(value))


@GREETING.check(section=HELLO, says="names of the delegates that it could make here")
def others(bench: Bench) -> None:
    """What else it tells has the right form."""
    hello = bench.talk().hello
    truths = all(type(hello.get(key, False)) is bool for key in ("emulated", "folders"))
    if not truths or not _texts(hello.get("delegates", [])) or not isinstance(hello.get("conditions", {}), dict):
        raise PromiseError(shown({key: hello.get(key) for key in ("delegates", "emulated", "folders", "conditions")}))


@GREETING.check(
    section="The stream",
    says="An agent must go on reading requests while it computes or writes, at least `window` of them",
)
def ahead(bench: Bench) -> None:
    """It reads on while it answers: a window of requests."""
    talk = bench.talk()
    window = talk.hello.get("window")
    allowed = min(window, MOST_AHEAD) if type(window) is int and window >= 1 else 1
    numbers = [talk.send("have", sha256=NO_BLOB) for _ in range(allowed)]
    for number in numbers:
        talk.reply("have", number)


def _field(bench: Bench, name: str, fits: Any) -> None:
    hello = bench.talk().hello
    if name not in hello:
        raise PromiseError(f"a hello without {name!r}")
    if not fits(hello[name]):
        raise PromiseError(f"{name!r}: {shown(hello[name])}")


def _positive(value: object) -> bool:
    return type(value) is int and value >= 1


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _engines(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())
