"""What comes out of a model: every element type, bit by bit."""

from __future__ import annotations

import itertools
import math
import struct
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.wire import ITEM_BYTES, describe
from pytest_edgedevice.conformance.check import Group, PromiseError
from pytest_edgedevice.conformance.models import corners, pack
from pytest_edgedevice.conformance.talk import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.agent.wire import TensorPart
    from pytest_edgedevice.conformance.bench import Bench

RUNNING = Group("running")
SECTION = "run [p]"
BYTES = "The reply holds the bytes that the engine produced"
BIG = 1 << 20
BIG_ENTRIES = (describe("x", "float32", (1, 1, BIG)),)
MOST_AHEAD = 8
MANY = 5000


def _runs(samples: int) -> None:
    @RUNNING.check(
        name="One sample runs" if samples == 1 else f"{samples} samples run, stacked along a new first axis",
        section=SECTION,
        says="every output (`tensor` or `sample`), then `inference_ns` as `timing` of shape [samples]",
    )
    def runs(bench: Bench) -> None:
        for model in bench.own_models or (bench.model(),):
            loaded = bench.loaded(model)
            loaded.run(samples, *loaded.request(samples))


_runs(1)
_runs(3)


@RUNNING.check(section=SECTION, says=BYTES)
def adds(bench: Bench) -> None:
    """What was added is the sum."""
    _adds(bench, 2)


@RUNNING.check(section=SECTION, says="`samples`: the same")
def many(bench: Bench) -> None:
    """5000 samples come back in order."""
    _adds(bench, MANY)


def _adds(bench: Bench, samples: int) -> None:
    loaded = bench.loaded(bench.tflite("add_float32"))
    numbers = [number % 64 for number in range(4 * samples)]
    a, b = pack("float32", numbers), pack("float32", [10 * number for number in numbers])
    entries = [describe(name, "float32", (samples, 1, 4)) for name in ("a", "b")]
    found = loaded.run(samples, entries, [a, b])
    equal(found, "sum", pack("float32", [11 * number for number in numbers]))


@RUNNING.check(section=SECTION, says="every input once")
def by_name(bench: Bench) -> None:
    """Inputs go by name, in any order."""
    loaded = bench.loaded(bench.tflite("two_inputs"))
    given = {"minuend": (9, 8, 7, 6), "subtrahend": (1, 2, 3, 4)}
    for order in itertools.permutations(given):
        entries = [describe(name, "float32", (1, 1, 4)) for name in order]
        found = loaded.run(1, entries, [pack("float32", given[name]) for name in order])
        equal(found, "difference", pack("float32", (8, 6, 4, 2)))


@RUNNING.check(section=SECTION, says="every output")
def outputs_by_name(bench: Bench) -> None:
    """Outputs go by name."""
    loaded = bench.loaded(bench.tflite("two_outputs"))
    found = loaded.run(1, [describe("x", "float32", (1, 1, 4))], [pack("float32", (1, 2, 3, 4))])
    equal(found, "doubled", pack("float32", (2, 4, 6, 8)))
    equal(found, "negated", pack("float32", (-1, -2, -3, -4)))


def _copies(dtype: str) -> None:
    @RUNNING.check(section=SECTION, says=BYTES, name=f"{dtype} comes back bit by bit")
    def copies(bench: Bench) -> None:
        loaded = bench.loaded(bench.tflite(f"copy_{dtype}"))
        sent = corners(dtype)
        equal(loaded.run(1, [describe("x", dtype, (1, 1, 4))], [sent]), "y", sent)


for _dtype in ITEM_BYTES:
    _copies(_dtype)


@RUNNING.check(section=SECTION, says=BYTES)
def not_a_number(bench: Bench) -> None:
    """NaN goes in and comes out."""
    loaded = bench.loaded(bench.tflite("nan"))
    found = loaded.run(1, [describe("x", "float32", (1, 1, 4))], [pack("float32", (-1, math.nan, 0.25, 4))])
    roots = struct.unpack("<4f", found["y"].data)
    if not (math.isnan(roots[0]) and math.isnan(roots[1]) and roots[2:] == (0.5, 2)):
        raise PromiseError(f"square roots of -1, NaN, 0.25 and 4: {roots}")


@RUNNING.check(section="A frame", says="unsigned, 0 to 1,073,741,824")
def big(bench: Bench) -> None:
    """Tensors of 4 MiB pass both ways."""
    loaded = bench.loaded(bench.tflite("big"))
    given, expected = _big_tensors()
    equal(loaded.run(1, BIG_ENTRIES, [given]), "y", expected)


@RUNNING.check(
    section="The stream",
    says="An agent must go on reading requests while it computes or writes, at least `window` of them",
)
def big_ahead(bench: Bench) -> None:
    """Requests of 4 MiB are read while replies of 4 MiB wait."""
    loaded = bench.loaded(bench.tflite("big"))
    given, expected = _big_tensors()
    window = loaded.talk.hello.get("window")
    allowed = min(window, MOST_AHEAD) if type(window) is int and window >= 1 else 1
    numbers = [loaded.send(1, BIG_ENTRIES, [given]) for _ in range(allowed)]
    for number in numbers:
        equal(loaded.outputs_of(number, 1), "y", expected)


def _big_tensors() -> tuple[bytes, bytes]:
    """A large input and what comes out of it."""
    period = (0.5, 1, -2, 3)
    return pack("float32", period) * (BIG // 4), pack("float32", [-one for one in period]) * (BIG // 4)


@RUNNING.check(section="Tensors", says="samples along a new first axis")
def scalar(bench: Bench) -> None:
    """A scalar has the samples' axis alone."""
    loaded = bench.loaded(bench.tflite("scalar"))
    found = loaded.run(3, [describe("x", "float32", (3,))], [pack("float32", (1, 2, 3))])
    equal(found, "y", pack("float32", (-1, -2, -3)))


@RUNNING.check(section="load", says="`shape` has -1 where a dimension varies")
def varying(bench: Bench) -> None:
    """Shapes vary where the model lets them."""
    loaded = bench.loaded(bench.tflite("dynamic"))
    for height, width in ((2, 2), (3, 1)):
        count = height * width * 3
        given = [describe("image", "float32", (1, 1, height, width, 3))]
        found = loaded.run(1, given, [pack("float32", range(count))])
        equal(found, "doubled", pack("float32", range(0, 2 * count, 2)))


@RUNNING.check(section=SECTION, says="the agent resets the model's state before each")
def independent(bench: Bench) -> None:
    """Samples know nothing of each other."""
    loaded = bench.loaded(bench.tflite("stateful"))
    given = pack("float32", (1, 2, 3))
    equal(loaded.run(3, [describe("x", "float32", (3, 1, 1))], [given]), "y", given)


def equal(found: Mapping[str, TensorPart], name: str, expected: bytes) -> None:
    """Hold an output against what it has to be, byte by byte.

    Raises:
        PromiseError: It is something else.
    """
    part = found.get(name)
    if part is None:
        raise PromiseError(f"outputs {shown(list(found))}, without {name!r}")
    got = bytes(part.data)
    if len(got) != len(expected):
        raise PromiseError(f"{len(got):,} bytes of {name!r}, expected {len(expected):,}")
    if got != expected:
        at = next(at for at, (left, right) in enumerate(zip(got, expected, strict=True)) if left != right)
        at -= at % ITEM_BYTES[part.dtype]
        theirs, ours = (one[at : at + 16].hex(" ") for one in (got, expected))
        raise PromiseError(f"{name!r} from byte {at:,} on: {theirs}, expected {ours} (hex)")
