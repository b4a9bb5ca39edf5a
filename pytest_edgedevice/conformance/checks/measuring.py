"""What an agent says of time, and of what a model costs."""

from __future__ import annotations

import hashlib
import itertools
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.conformance.check import Group, NotOfferedError, PromiseError
from pytest_edgedevice.conformance.loaded import read_parts
from pytest_edgedevice.conformance.talk import shown

if TYPE_CHECKING:
    from pytest_edgedevice.conformance.bench import Bench
    from pytest_edgedevice.conformance.loaded import Loaded

MEASURING = Group("measuring")
SERIES = "one `samples_ns` of role `timing`, int64, shape [1 to runs]"
ENOUGH_NS = 1 << 50
PROFILE_BYTES = 4 << 20
FRAMES, INTERVAL_NS = 10, 1_000_000
AROUND = b"def preprocess(inputs):\n    return inputs\n\n\ndef postprocess(outputs):\n    return outputs\n"


@MEASURING.check(section="measure", says=SERIES)
def count(bench: Bench) -> None:
    """A series has as many entries as were asked for."""
    _series(bench, runs=7, expected=7)


@MEASURING.check(section="measure", says="inferences before the first entry, untimed")
def settle(bench: Bench) -> None:
    """What settles is not in the series."""
    _series(bench, runs=3, settle=5, expected=3)


@MEASURING.check(section="measure", says="inferences averaged in one entry")
def batch(bench: Bench) -> None:
    """A batch is one entry."""
    _series(bench, runs=4, batch=3, expected=4)


@MEASURING.check(section="measure", says="no entry is started later than this after the first")
def limit(bench: Bench) -> None:
    """No entry begins after the time is up."""
    most = 1_000_000
    series = _series(bench, runs=most, max_ns=INTERVAL_NS)
    if sum(series[:-1]) > INTERVAL_NS:
        raise PromiseError(
            f"{len(series)} entries, of which all but the last take {sum(series[:-1]):,} ns, over max_ns"
        )


@MEASURING.check(section="measure", says="The clock is monotonic")
def plausible(bench: Bench) -> None:
    """The series fits into the time that we waited."""
    begin = time.monotonic_ns()
    series = _series(bench, runs=20, batch=5)
    waited = time.monotonic_ns() - begin
    if min(series) < 0 or sum(series) * 5 > waited:
        raise PromiseError(f"{shown(series)}: 5 inferences each, in a reply that came after {waited:,} ns")


@MEASURING.check(section="measure", says="the input from now on")
def kept_input(bench: Bench) -> None:
    """It measures the last input again when none is sent."""
    loaded = bench.loaded(bench.model())
    entries, buffers = loaded.request(1)
    fields: dict[str, Any] = {"runs": 2, "batch": 1, "settle": 0, "max_ns": ENOUGH_NS}
    loaded.series("measure", *buffers, most=2, samples=1, tensors=entries, **fields)
    _, series = loaded.series("measure", most=2, **fields)
    if len(series.get("samples_ns", ())) != 2:
        raise PromiseError(shown(series))


@MEASURING.check(section="measure", says="`runs` 1 to 1,000,000")
def out_of_range(bench: Bench) -> None:
    """Numbers out of range are refused."""
    loaded = bench.loaded(bench.model())
    good = {"runs": 1, "batch": 1, "settle": 0, "max_ns": 0}
    bad: dict[str, list[Any]] = {
        "runs": [0, 1_000_001, "5", True, None],
        "batch": [0, 1_000_001],
        "settle": [-1, 1001],
        "max_ns": [-1, 0.5],
    }
    for field, values in bad.items():
        for value in values:
            loaded.talk.refused("measure", ["protocol"], **{**good, field: value})


@MEASURING.check(section="facts", says="Values are strings, numbers or booleans")
def facts(bench: Bench) -> None:
    """Facts are names and plain values."""
    reply = bench.talk().ask("facts")
    for name in ("facts", "conditions"):
        found = reply.get(name)
        if not isinstance(found, dict) or not all(isinstance(value, str | int | float) for value in found.values()):
            raise PromiseError(f"{name!r}: {shown(found)}")


@MEASURING.check(section="resources", says="Either is null where it cannot be told, never 0")
def resources(bench: Bench) -> None:
    """What a model costs has numbers or reasons."""
    loaded = _serving(bench, "resources")
    entries, buffers = loaded.request(1)
    fields = {"runs": 5, "max_ns": ENOUGH_NS, "settle": 1, "samples": 1, "tensors": entries}
    reply = loaded.talk.ask("resources", *buffers, **fields)
    numbers = {name: reply.get(name) for name in ("inferences", "wall_ns", "cores")}
    if any(type(value) is not int or value < 1 for value in numbers.values()) or reply["inferences"] > 5:
        raise PromiseError(shown(numbers))
    problems = reply.get("problems")
    for name, field in (("memory", "peak_bytes"), ("energy", "uj")):
        found = reply.get(name)
        reason = problems.get(name) if isinstance(problems, dict) else None
        told = isinstance(found, dict) and type(found.get(field)) in (int, float) and found[field] > 0
        if not told and (found is not None or not reason):
            raise PromiseError(f"{name!r}: {shown(found)}, and the problem {shown(reason)}")


@MEASURING.check(section="stream [p]", says="Frame k is due at k x `interval_ns` and never taken before")
def stream(bench: Bench) -> None:
    """Frames are taken in order, never early, and the last always."""
    loaded = _serving(bench, "stream")
    entries, buffers = loaded.request(2)
    fields = {"frames": FRAMES, "interval_ns": INTERVAL_NS, "settle": 1, "samples": 2, "tensors": entries}
    _, series = loaded.series("stream", *buffers, most=3 * FRAMES, **fields)
    frames, begun, ended = (series.get(name, []) for name in ("frames", "begun_ns", "ended_ns"))
    if not frames or not len(frames) == len(begun) == len(ended):
        raise PromiseError(f"series of other lengths: {shown(series)}")
    rising = all(before < after for before, after in itertools.pairwise(frames))
    due = all(at >= frame * INTERVAL_NS for frame, at in zip(frames, begun, strict=True))
    alone = all(end <= start for end, start in zip(ended, begun[1:], strict=False))
    if not (rising and due and alone and frames[0] >= 0 and frames[-1] == FRAMES - 1):
        raise PromiseError(shown(series))


@MEASURING.check(section="stages [p]", says="of every run what `preprocess` took")
def stages(bench: Bench) -> None:
    """Code around the model is timed apart, run by run."""
    loaded = _serving(bench, "stages")
    module = hashlib.sha256(AROUND).hexdigest()
    loaded.talk.ask("put", AROUND, sha256=module, offset=0, total=len(AROUND))
    entries, buffers = loaded.request(1)
    sample = [{**entry, "shape": entry["shape"][1:]} for entry in entries]
    fields = {"sha256": module, "runs": 5, "settle": 1, "max_ns": ENOUGH_NS, "tensors": sample}
    _, series = loaded.series("stages", *buffers, most=15, **fields)
    if set(series) != {"before_ns", "inference_ns", "after_ns"} or any(len(one) != 5 for one in series.values()):
        raise PromiseError(f"series {shown(series)}, where three of 5 belong")
    if min(min(one) for one in series.values()) < 0:
        raise PromiseError(f"negative times: {shown(series)}")


@MEASURING.check(section="stages [p]", says="What the code raises is `input`")
def failing_stages(bench: Bench) -> None:
    """Code around the model that fails is an input error."""
    loaded = _serving(bench, "stages")
    entries, buffers = loaded.request(1)
    sample = [{**entry, "shape": entry["shape"][1:]} for entry in entries]
    for module in (
        b"def preprocess(inputs):\n    raise KeyError('x')\n",
        b"def preprocess(inputs):\n    return {}\n",
        b"(",
    ):
        name = hashlib.sha256(module).hexdigest()
        loaded.talk.ask("put", module, sha256=name, offset=0, total=len(module))
        fields = {"sha256": name, "runs": 1, "settle": 0, "max_ns": 0, "tensors": sample}
        loaded.talk.refused("stages", ["input"], *buffers, **fields)


@MEASURING.check(section="profile [p]", says="why there is none, else")
def profile(bench: Bench) -> None:
    """A profile is text or a reason."""
    loaded = _serving(bench, "profile")
    entries, buffers = loaded.request(1)
    fields = {"runs": 2, "max_ns": ENOUGH_NS, "samples": 1, "tensors": entries}
    frame = loaded.talk.reply("profile", loaded.talk.send("profile", *buffers, **fields), max_reply_bytes=PROFILE_BYTES)
    parts = read_parts(frame)
    problem, runs = frame.header.get("problem"), frame.header.get("runs")
    none = isinstance(problem, str) and problem != "" and runs == 0 and not parts
    summary = [(part.name, part.dtype) for part in parts] == [("summary", "uint8")]
    if not none and not (summary and problem == "" and runs in (1, 2)):
        raise PromiseError(shown(frame.header))


@MEASURING.check(section="Errors", says="After an error every later request is still answered")
def goes_on(bench: Bench) -> None:
    """After all of that, the model runs."""
    loaded = bench.loaded(bench.model())
    loaded.run(1, *loaded.request(1))


def _series(
    bench: Bench, *, runs: int, batch: int = 1, settle: int = 0, max_ns: int = ENOUGH_NS, expected: int | None = None
) -> list[int]:
    loaded = bench.loaded(bench.model())
    entries, buffers = loaded.request(1)
    fields = {"runs": runs, "batch": batch, "settle": settle, "max_ns": max_ns, "samples": 1, "tensors": entries}
    header, found = loaded.series("measure", *buffers, most=runs, **fields)
    series = found.get("samples_ns", [])
    if list(found) != ["samples_ns"] or not 1 <= len(series) <= runs or expected not in (None, len(series)):
        raise PromiseError(
            f"{shown(list(found))} with {len(series)} entries, where {expected or f'1 to {runs}'} belong"
        )
    first = header.get("first_ns")
    if type(first) is not int or first < 0:
        raise PromiseError(f"'first_ns': {shown(first)}")
    return series


def _serving(bench: Bench, operation: str) -> Loaded:
    loaded = bench.loaded(bench.model())
    offered = loaded.talk.hello.get("operations")
    if not isinstance(offered, list) or operation not in offered:
        raise NotOfferedError(f"the hello does not list {operation!r}")
    return loaded
