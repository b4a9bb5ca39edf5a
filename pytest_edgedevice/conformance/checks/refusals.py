"""Requests that do not fit: refused by kind, and the conversation goes on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.wire import ITEM_BYTES
from pytest_edgedevice.conformance.check import Group, NotOfferedError, PromiseError
from pytest_edgedevice.conformance.talk import NO_BLOB, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.conformance.bench import Bench
    from pytest_edgedevice.conformance.loaded import Loaded

REFUSALS = Group("refusals")
FITS = "a wrong name, shape or dtype, or an unknown engine"
EXACT = "the sizes add up to P exactly"
BREACH = "the request breaks this page"
ERRORS = "Errors"


@REFUSALS.check(section="Versions", says="answers what it does not know")
def unknown(bench: Bench) -> None:
    """An operation that it does not know is refused."""
    bench.talk().refused("edgedevice-no-such-operation", ["protocol"])


@REFUSALS.check(section="Requests and replies", says='"id": INTEGER')
def unnumbered(bench: Bench) -> None:
    """A request without a number is refused."""
    for number in (None, "1", 1.5):
        _odd(bench, {"op": "have", "sha256": NO_BLOB, "id": number})


@REFUSALS.check(section="Requests and replies", says='"op": OPERATION')
def nameless(bench: Bench) -> None:
    """A request without an operation is refused."""
    for operation in (None, 7, ["run"]):
        bench.talk().refused("have", ["protocol"], op=operation)


@REFUSALS.check(section="A frame", says="Unknown keys are ignored")
def unknown_keys(bench: Bench) -> None:
    """Keys that it does not know are ignored."""
    bench.talk().ask("have", sha256=NO_BLOB, edgedevice_new={"deep": [1, 2.5, None, True, "ü"]})


@REFUSALS.check(section="run [p]", says="`samples`: at least 1")
def no_samples(bench: Bench) -> None:
    """No samples are refused."""
    for samples in (0, -1, None, "1", True):
        _changed(bench, ["protocol", "input"], samples=samples)


@REFUSALS.check(section="run [p]", says="every input once")
def too_few(bench: Bench) -> None:
    """Samples that are announced and not sent are refused."""
    _changed(bench, ["input", "protocol"], samples=2)


@REFUSALS.check(section=ERRORS, says=FITS)
def wrong_name(bench: Bench) -> None:
    """A wrong name is an input error."""
    _first_entry(bench, ["input"], lambda entry: {**entry, "name": f"{entry['name']}-edgedevice"})


@REFUSALS.check(section=ERRORS, says=FITS)
def wrong_dtype(bench: Bench) -> None:
    """A wrong dtype is an input error."""

    def change(entry: dict[str, Any]) -> dict[str, Any]:
        size = ITEM_BYTES[entry["dtype"]]
        twins = [dtype for dtype in ITEM_BYTES if ITEM_BYTES[dtype] == size and dtype != entry["dtype"]]
        if not twins:
            raise NotOfferedError(f"no other dtype has elements of {size} bytes")
        return {**entry, "dtype": twins[0]}

    _first_entry(bench, ["input"], change)


@REFUSALS.check(section=ERRORS, says=FITS)
def wrong_shape(bench: Bench) -> None:
    """A wrong shape is an input error."""
    _first_entry(bench, ["input"], lambda entry: {**entry, "shape": [*entry["shape"], 1]})


@REFUSALS.check(section=ERRORS, says=FITS)
def missing_input(bench: Bench) -> None:
    """An input that is missing is an input error."""
    loaded = bench.loaded(bench.model())
    entries, buffers = loaded.request(1)
    loaded.talk.refused("run", ["input"], *buffers[1:], samples=1, tensors=entries[1:])


@REFUSALS.check(section="run [p]", says="every input once")
def twice(bench: Bench) -> None:
    """An input that comes twice is refused."""
    loaded = bench.loaded(bench.model())
    entries, buffers = loaded.request(1)
    both, twins = [entries[0], *entries], [buffers[0], *buffers]
    loaded.talk.refused("run", ["input", "protocol"], *twins, samples=1, tensors=both)


@REFUSALS.check(section="Tensors", says=EXACT)
def short(bench: Bench) -> None:
    """A tensor with a byte too few is refused."""
    _last_buffer(bench, lambda data: data[:-1])


@REFUSALS.check(section="Tensors", says=EXACT)
def long(bench: Bench) -> None:
    """A tensor with a byte too many is refused."""
    _last_buffer(bench, lambda data: data + b"\0")


@REFUSALS.check(section="Tensors", says="`dtype`")
def no_dtype(bench: Bench) -> None:
    """A dtype that does not exist is refused."""
    for dtype in ("float31", "string", None, 32):
        _first_entry(bench, ["protocol", "input"], partial(_with, dtype=dtype))


@REFUSALS.check(section="Tensors", says="at most 16 integers, each 0 to 2^48 - 1")
def no_shape(bench: Bench) -> None:
    """A shape that cannot be is refused."""
    for shape in ([-1, 4], [1 << 60, 1 << 60], ["4"], [1] * 17, None, [1.5]):
        _first_entry(bench, ["protocol", "input"], partial(_with, shape=shape))


@REFUSALS.check(section="Tensors", says="A header that carries tensors has a list")
def no_list(bench: Bench) -> None:
    """Tensors that are no list are refused."""
    odd: tuple[Any, ...] = (None, {}, [7], "x")
    for tensors in odd:
        _changed(bench, ["protocol", "input"], tensors=tensors)


@REFUSALS.check(section=ERRORS, says="After an error every later request is still answered")
def goes_on(bench: Bench) -> None:
    """After all of that, the model runs."""
    loaded = bench.loaded(bench.model())
    loaded.run(1, *loaded.request(1))


def _with(entry: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {**entry, **changes}


def _odd(bench: Bench, header: dict[str, Any]) -> None:
    """A request whose number cannot be repeated."""
    talk = bench.talk()
    talk.request(header)
    reply = talk.receive().header
    if reply.get("op") != "error" or reply.get("kind") != "protocol":
        raise PromiseError(shown(reply))
    talk.ask("have", sha256=NO_BLOB)


def _changed(bench: Bench, kinds: Sequence[str], **fields: Any) -> None:
    loaded = bench.loaded(bench.model())
    entries, buffers = loaded.request(1)
    loaded.talk.refused("run", kinds, *buffers, **{"samples": 1, "tensors": entries, **fields})


def _first_entry(bench: Bench, kinds: Sequence[str], change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    entries, _ = _inputs(bench).request(1)
    _changed(bench, kinds, tensors=[change(entries[0]), *entries[1:]])


def _last_buffer(bench: Bench, change: Callable[[bytes], bytes]) -> None:
    loaded = _inputs(bench)
    entries, buffers = loaded.request(1)
    loaded.talk.refused("run", ["protocol"], *buffers[:-1], change(buffers[-1]), samples=1, tensors=entries)


def _inputs(bench: Bench) -> Loaded:
    loaded = bench.loaded(bench.model())
    if not loaded.inputs:
        raise NotOfferedError(f"{loaded.model.name} has no inputs")
    return loaded
