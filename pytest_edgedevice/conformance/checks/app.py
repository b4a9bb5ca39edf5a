"""What an agent says of itself that the system may hold back: an app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.conformance.check import Group, NotOfferedError, PromiseError
from pytest_edgedevice.conformance.talk import shown
from pytest_edgedevice.runners.conditions import ORDER, plain_conditions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.conformance.bench import Bench

APP = Group("app")
SECTION = "facts"
TELLS = "here, in its hello and in the reply to whatever takes time"
BACKGROUND = "background"


@APP.check(section=SECTION, says="`active`, `inactive` or `background`")
def states(bench: Bench) -> None:
    """Its conditions are plain, and of known words."""
    for where, told in _told(bench):
        try:
            plain_conditions(told)
        except ValueError as error:
            raise PromiseError(f"'conditions' of {where}: {shown(told)}: {error}") from None
        for name, values in ORDER.items():
            if name in told and not any(type(told[name]) is type(one) and told[name] == one for one in values):
                raise PromiseError(f"{name!r} of {where}: {shown(told[name])}, which is none of {shown(values)}")


@APP.check(section=SECTION, says=TELLS)
def everywhere(bench: Bench) -> None:
    """What it tells in one place it tells in all."""
    told = {where: frozenset(ORDER) & frozenset(one) for where, one in _told(bench) if isinstance(one, dict)}
    known = frozenset[str]().union(*told.values())
    if not known:
        raise NotOfferedError("it tells no state of an app")
    for where in ("hello", "facts", "run", "measure"):
        if lacking := known - told.get(where, frozenset()):
            raise PromiseError(f"'conditions' of {where} without {shown(sorted(lacking))}")


@APP.check(section="Errors", says="the app is not in the foreground, where the system refuses the GPU")
def background(bench: Bench) -> None:
    """In the background it computes, or says why it cannot."""
    talk = bench.fresh()
    conditions = talk.hello.get("conditions")
    if not isinstance(conditions, dict) or conditions.get("app_state") != BACKGROUND:
        raise NotOfferedError("seen only of an app in the background: put another in front, and say --only background")
    model = bench.model()
    bench.put(talk, model)
    header = bench.ask_to_load(talk, model)
    if header.get("op") == "load":
        loaded = bench.read(talk, model, header)
        entries, buffers = loaded.request(1)
        talk.send("run", *buffers, samples=1, tensors=entries)
        header = talk.receive(max_reply_bytes=loaded.most_bytes(1)).header
    if header.get("op") == "error" and header.get("kind") != BACKGROUND:
        raise PromiseError(shown(header))


def _told(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Conditions wherever they were told."""
    loaded = bench.loaded(bench.model())
    talk = loaded.talk
    entries, buffers = loaded.request(1)
    once = {"samples": 1, "tensors": entries}
    times = {"runs": 1, "batch": 1, "settle": 0, "max_ns": 0}
    number = talk.send("run", *buffers, **once)
    run = talk.reply("run", number, max_reply_bytes=loaded.most_bytes(1)).header
    measured, _ = loaded.series("measure", *buffers, most=1, **times, **once)
    replies = {"hello": talk.hello, "facts": talk.ask("facts"), "run": run, "measure": measured}
    return ((where, one["conditions"]) for where, one in replies.items() if "conditions" in one)
