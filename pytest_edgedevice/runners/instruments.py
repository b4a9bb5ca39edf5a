"""Ask an agent what a model costs, how it keeps up with frames, and where its time goes; believe none of it unread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.wire import WireError, split_tensors
from pytest_edgedevice.findings import Profile, Resources
from pytest_edgedevice.runners.profile_table import MOST_CHARS, read_profile
from pytest_edgedevice.runners.samples import packed
from pytest_edgedevice.runners.streamed import Taken, summed_up, wrong_order
from pytest_edgedevice.runners.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.agent.wire import Frame, TensorPart
    from pytest_edgedevice.findings import Stream
    from pytest_edgedevice.runners.client import AgentClient
    from pytest_edgedevice.runners.samples import Batch

MOST_RUNS = 1_000_000
MOST_REASON_CHARS = 500
SETTLE_RUNS = 3
"""Inferences before the first that counts: a model's first ones are slower than what follows."""
PROFILE_SLOWDOWN = 8
"""Compiling again, and a profiler at work: no profile is given up before that many times its limit."""


def serves(client: AgentClient, operation: str) -> bool:
    """Whether an agent says that it serves an operation."""
    told = client.hello.get("operations")
    return isinstance(told, list) and operation in told


def ask_resources(client: AgentClient, sample: Batch, *, seconds: float, timeout_s: float) -> Resources:
    """See ``LoadedModel.resources``; what is known of any model is the caller's to add.

    Raises:
        ProtocolError: The reply makes no sense; the agent is ended.
    """
    entries, views = packed(sample.arrays)
    fields = {"runs": MOST_RUNS, "max_ns": int(seconds * 1e9), "settle": SETTLE_RUNS, "samples": 1, "tensors": entries}
    header = client.request("resources", fields, views, timeout_s=timeout_s + seconds, max_reply_bytes=0).header
    try:
        return _read_resources(header)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise client.broken(f"is malformed ({type(error).__name__}: {str(error)[:200]})") from error


def _read_resources(header: Mapping[str, Any]) -> Resources:
    inferences, wall_ns = _whole(header["inferences"], 1), _whole(header["wall_ns"], 1)
    cpu_ns, cores = _whole(header["cpu_ns"]), _whole(header["cores"], 1)
    memory, energy = header.get("memory"), header.get("energy")
    problems = {name: _words(header.get("problems", {}).get(name)) for name in ("memory", "energy")}
    untold = {name for name, told in (("memory", memory), ("energy", energy)) if told is None}
    if not cpu_ns:  # a clock of coarse steps; none at all is never the truth
        untold.add("cpu")
        problems["cpu"] = "the processor clock of the device did not move in that time; measure for longer"
    energy_uj = None if energy is None else _whole(energy["uj"], 1)
    return Resources(
        model_bytes=0,
        load_ms=0.0,
        inferences=inferences,
        wall_ms=wall_ns / 1e6,
        peak_bytes=None if memory is None else _whole(memory["peak_bytes"], 1),
        before_load_bytes=None if memory is None else _whole(memory["before_load_bytes"]),
        memory_counter="" if memory is None else _words(memory["counter"]),
        cpu_ms=cpu_ns / inferences / 1e6 if cpu_ns else None,
        cpu_load_percent=100 * cpu_ns / wall_ns / cores if cpu_ns else None,
        cores=cores,
        energy_mj=None if energy_uj is None else energy_uj / inferences / 1e3,
        power_mw=None if energy_uj is None else energy_uj / wall_ns * 1e6,
        energy_source="" if energy is None else _words(energy["source"]),
        problems={name: problems[name] or "the agent does not say why" for name in sorted(untold)},
    )


def ask_stream(client: AgentClient, frames: Batch, *, fps: float, count: int, timeout_s: float) -> Stream:
    """See ``LoadedModel.stream``; the conditions are the caller's to add.

    Raises:
        ProtocolError: The reply makes no sense; the agent is ended.
    """
    interval_ns = round(1e9 / fps)
    entries, views = packed(frames.arrays)
    fields = {
        "interval_ns": interval_ns,
        "frames": count,
        "settle": SETTLE_RUNS,
        "samples": frames.samples,
        "tensors": entries,
    }
    frame = client.request("stream", fields, views, timeout_s=timeout_s + count / fps, max_reply_bytes=3 * 8 * count)
    taken = _read_taken(client, frame)
    problem = wrong_order(taken, interval_ns=interval_ns, count=count)
    if problem:
        raise client.broken(problem)
    try:
        usage = {
            name: _whole(frame.header[name], least) for name, least in (("cpu_ns", 0), ("wall_ns", 1), ("cores", 1))
        }
    except (KeyError, ValueError) as error:
        raise client.broken(f"is malformed ({type(error).__name__}: {str(error)[:200]})") from error
    load = 100 * usage["cpu_ns"] / usage["wall_ns"] / usage["cores"]
    return summed_up(taken, fps=fps, count=count, cpu_load_percent=load)


def _read_taken(client: AgentClient, frame: Frame) -> Taken:
    series = {part.name: part for part in _parts(client, frame)}
    found = []
    for name in ("frames", "begun_ns", "ended_ns"):
        part = series.pop(name, None)
        if part is None or part.dtype != "int64" or len(part.shape) != 1:
            raise client.broken(f"has no series {name!r} of 64-bit integers")
        found.append(np.frombuffer(part.data, np.int64))
    if series or len({len(one) for one in found}) != 1 or not len(found[0]):
        raise client.broken("has other series than frames, begun_ns and ended_ns of one length")
    return Taken(*found)


def ask_profile(
    client: AgentClient, sample: Batch, *, runs: int, seconds: float, timeout_s: float, delegate: str
) -> Profile:
    """See ``LoadedModel.profile``.

    Raises:
        ProtocolError: The reply makes no sense; the agent is ended.
    """
    entries, views = packed(sample.arrays)
    fields = {"runs": runs, "max_ns": int(seconds * 1e9), "samples": 1, "tensors": entries}
    limit_s = timeout_s + seconds * PROFILE_SLOWDOWN
    frame = client.request("profile", fields, views, timeout_s=limit_s, max_reply_bytes=MOST_CHARS)
    done, problem = frame.header.get("runs"), _words(frame.header.get("problem"))
    parts = _parts(client, frame)
    if type(done) is not int or not 0 <= done <= runs or len(parts) > 1:
        raise client.broken("is no profile")
    if not parts or not done:
        return Profile(problem=problem or "the agent does not say why")
    return read_profile(bytes(parts[0].data).decode("utf-8", "replace"), runs=done, delegate=delegate)


def _parts(client: AgentClient, frame: Frame) -> list[TensorPart]:
    try:
        return split_tensors(frame.header, frame.payload)
    except WireError as error:
        raise client.broken(f"cannot be read: {error}") from error


def _whole(value: Any, least: int = 0) -> int:
    if type(value) is not int or not least <= value < 1 << 63:
        raise ValueError(f"{str(value)[:40]!r} is no count from {least}")
    return value


def _words(value: Any) -> str:
    return printable(value)[:MOST_REASON_CHARS] if isinstance(value, str) else ""
