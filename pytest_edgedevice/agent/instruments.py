"""The requests that watch a model at work: ``resources``, ``stream``, ``stages`` and ``profile``.

What each field means is in PROTOCOL.md; what the numbers say is the host's business.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from pytest_edgedevice.agent.energy import find_meter
from pytest_edgedevice.agent.engines.base import EngineError, Profiled
from pytest_edgedevice.agent.resources import MemoryWatch, work
from pytest_edgedevice.agent.stages import Stages, run_stages
from pytest_edgedevice.agent.streaming import stream
from pytest_edgedevice.agent.tensors import Reply, RequestError, read_inputs, whole
from pytest_edgedevice.agent.wire import Buffer, Header, describe, split_tensors

if TYPE_CHECKING:
    from array import array

    from pytest_edgedevice.agent.engines.base import Engine

MOST_RUNS = 1_000_000
MOST_FRAMES = 200_000
MOST_PROFILED = 1000
MOST_SETTLING = 1000


def watch_resources(engine: Engine, memory: MemoryWatch, header: Header) -> Reply:
    """Run the sample that was given last, and tell what that took."""
    runs, max_ns = whole(header, "runs", 1, MOST_RUNS), whole(header, "max_ns", 0, 1 << 62)
    for _ in range(whole(header, "settle", 0, MOST_SETTLING)):
        engine.invoke()
    meter = find_meter()
    done = work(engine.invoke, runs=runs, max_ns=max_ns, meter=meter)
    told, problem = memory.told()
    energy = {"uj": done.energy_uj, "source": meter.source} if done.energy_uj is not None else None
    problems = {"memory": problem, "energy": done.energy_problem}
    return {
        "op": "resources",
        "inferences": done.inferences,
        "wall_ns": done.wall_ns,
        "cpu_ns": done.cpu_ns,
        "cores": _cores(),
        "memory": told,
        "energy": energy,
        "problems": {name: text for name, text in problems.items() if text},
    }, []


def feed_frames(engine: Engine, header: Header, payload: memoryview, invoke: Callable[[], Any]) -> Reply:
    """Offer frames at a rate; the samples that came are their contents, again and again.

    State of a stateful model is reset once, before the first: a stream is one sequence.

    Args:
        engine: What works on them.
        header: The request's.
        payload: The request's.
        invoke: Runs the engine once.
    """
    interval_ns = whole(header, "interval_ns", 1, 1 << 62)
    count, settle = whole(header, "frames", 1, MOST_FRAMES), whole(header, "settle", 0, MOST_SETTLING)
    samples, columns = read_inputs(engine, header, payload)
    outputs = range(len(engine.outputs))

    def process(frame: int) -> None:
        engine.set_inputs([column[frame % samples] for column in columns])
        invoke()
        for position in outputs:
            engine.output(position)

    engine.reset()
    for frame in range(settle):
        process(frame)
    engine.reset()
    cpu, begin = time.process_time_ns(), time.perf_counter_ns()
    taken = stream(process, interval_ns=interval_ns, count=count)
    wall_ns, cpu_ns = time.perf_counter_ns() - begin, time.process_time_ns() - cpu
    names = ("frames", "begun_ns", "ended_ns")
    tensors = [describe(name, "int64", [len(one)], "timing") for name, one in zip(names, taken)]
    reply: Header = {"op": "stream", "tensors": tensors, "wall_ns": max(wall_ns, 1), "cpu_ns": cpu_ns}
    reply["cores"] = _cores()
    return reply, [_octets(one) for one in taken]


def time_stages(engine: Engine, path: str, header: Header, payload: memoryview, invoke: Callable[[], Any]) -> Reply:
    """Run the user's code around the inference, and time each part.

    Args:
        engine: The model.
        path: The file with the user's code.
        header: The request's.
        payload: The request's; the raw sample, whatever its names and shapes are.
        invoke: Runs the engine once.
    """
    import numpy as np

    runs, max_ns = whole(header, "runs", 1, MOST_RUNS), whole(header, "max_ns", 0, 1 << 62)
    settle = whole(header, "settle", 0, MOST_SETTLING)
    given = {
        part.name: np.frombuffer(part.data, dtype=part.dtype).reshape(part.shape)
        for part in split_tensors(header, payload)
    }
    taken = run_stages(engine, Stages(path), given, runs=runs, settle=settle, max_ns=max_ns, invoke=invoke)
    names = ("before_ns", "inference_ns", "after_ns")
    tensors = [describe(name, "int64", [len(one)], "timing") for name, one in zip(names, taken)]
    return {"op": "stages", "tensors": tensors}, [_octets(one) for one in taken]


def take_profile(engine: Engine, header: Header, payload: memoryview, guard: Callable[[], Any]) -> Reply:
    """The profiler's own text, or the reason why there is none.

    Args:
        engine: What is profiled.
        header: The request's.
        payload: The request's.
        guard: Turns what the engine raises into an ``EngineError``.
    """
    runs, max_ns = whole(header, "runs", 1, MOST_PROFILED), whole(header, "max_ns", 0, 1 << 62)
    samples, columns = read_inputs(engine, header, payload)
    if samples != 1:
        raise RequestError("protocol", "profile takes exactly one sample")
    found: Optional[Profiled] = None
    problem = ""
    try:
        with guard():
            found = engine.profile([column[0] for column in columns], runs=runs, max_ns=max_ns)
    except EngineError as error:
        problem = str(error)
    if found is None:
        return {"op": "profile", "runs": 0, "problem": problem, "tensors": []}, []
    octets: List[Buffer] = [found.summary]
    tensors = [describe("summary", "uint8", [len(found.summary)])]
    return {"op": "profile", "runs": found.runs, "problem": "", "tensors": tensors}, octets


def _octets(values: array[int]) -> memoryview:
    return memoryview(values).cast("B")


def _cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
