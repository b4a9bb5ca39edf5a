"""One conversation: requests in, replies out, at most one model loaded.

Knows nothing of file descriptors or threads; ``main`` feeds it frames.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from pytest_edgedevice.agent import PROTOCOL_VERSION, conditions, engines
from pytest_edgedevice.agent.column import Column
from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions
from pytest_edgedevice.agent.measuring import clock_tick_ns, timed_runs
from pytest_edgedevice.agent.store import Store, StoreError
from pytest_edgedevice.agent.wire import Buffer, Frame, Header, WireError, describe, split_tensors

WINDOW = 8
"""Requests a host may have in flight."""

Reply = Tuple[Header, List[Buffer]]


class RequestError(Exception):
    """A request that cannot be served; ``kind`` says whose fault it is."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Session:
    """State of one conversation.

    Args:
        folder: Where the blobs are.
        agent_sha256: Hash of the file this agent was started from; empty when it was not a pushed one.
    """

    def __init__(self, folder: str, agent_sha256: str = "") -> None:
        self._store = Store(folder)
        self._agent_sha256 = agent_sha256
        self._engine: Optional[Engine] = None
        self._first_ns: Optional[int] = None
        self.ended = False
        self._handlers: Dict[str, Callable[[Header, memoryview], Reply]] = {
            "bye": self._bye,
            "facts": self._facts,
            "have": self._have,
            "load": self._load,
            "measure": self._measure,
            "put": self._put,
            "run": self._run,
        }

    def hello(self) -> Header:
        """The first frame, sent unasked."""
        return {
            "op": "hello",
            "protocol": PROTOCOL_VERSION,
            "agent_sha256": self._agent_sha256,
            "engines": engines.installed(),
            "arch": platform.machine(),
            "system": sys.platform,
            "python": platform.python_version(),
            "pid": os.getpid(),
            "operations": sorted(self._handlers),
            "window": WINDOW,
            "clock_tick_ns": clock_tick_ns(),
        }

    def answer(self, frame: Frame) -> Reply:
        """The reply to a request; errors become replies too."""
        header, payload = frame
        number = header.get("id")
        try:
            reply, buffers = self._handler(header)(header, payload)
        except (RequestError, EngineError, StoreError) as error:
            reply, buffers = _error(error.kind, str(error)), []
        except WireError as error:
            reply, buffers = _error("protocol", str(error)), []
        except MemoryError:
            reply, buffers = _error("memory", "out of memory on the device"), []
        except Exception as error:  # noqa: BLE001 - the host must hear of it, whatever an engine raises
            reply, buffers = _error("internal", f"{type(error).__name__}: {error}"), []
        reply["id"] = number if type(number) is int else None
        return reply, buffers

    def _handler(self, header: Header) -> Callable[[Header, memoryview], Reply]:
        operation = header.get("op")
        if type(header.get("id")) is not int:
            raise RequestError("protocol", "a request needs an integer 'id'")
        if not isinstance(operation, str) or operation not in self._handlers:
            raise RequestError("protocol", f"unknown operation {str(operation)[:80]!r}")
        return self._handlers[operation]

    def _have(self, header: Header, _payload: memoryview) -> Reply:
        return {"op": "have", "present": self._store.has(header.get("sha256"))}, []

    def _put(self, header: Header, payload: memoryview) -> Reply:
        sha256 = header.get("sha256")
        self._store.path(sha256)
        done = self._store.put(str(sha256), header.get("offset"), header.get("total"), payload)
        return {"op": "put", "complete": done}, []

    def _facts(self, _header: Header, _payload: memoryview) -> Reply:
        return {"op": "facts", "facts": conditions.static_facts(), "conditions": conditions.conditions()}, []

    def _bye(self, _header: Header, _payload: memoryview) -> Reply:
        self.ended = True
        return {"op": "bye"}, []

    def _load(self, header: Header, _payload: memoryview) -> Reply:
        if self._engine is not None:
            raise RequestError("protocol", "this agent has a model already; start one agent for each")
        path = self._store.find(header.get("sha256"))
        options = _load_options(header)
        start = time.perf_counter_ns()
        engine = engines.load(path, options)
        elapsed = time.perf_counter_ns() - start
        self._engine = engine
        return {
            "op": "load",
            "engine": engine.name,
            "engine_version": engine.version,
            "variant": engine.variant,
            "inputs": engine.inputs,
            "outputs": engine.outputs,
            "placement": engine.placement(),
            "load_ns": elapsed,
        }, []

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise RequestError("protocol", "no model is loaded")
        return self._engine

    def _run(self, header: Header, payload: memoryview) -> Reply:
        engine = self._loaded()
        samples, columns = _inputs(engine, header, payload)
        collected = [Column(samples, spec["shape"]) for spec in engine.outputs]
        elapsed: List[int] = []
        for sample in range(samples):
            engine.reset()
            engine.set_inputs([column[sample] for column in columns])
            elapsed.append(self._timed_invoke(engine))
            for position, results in enumerate(collected):
                results.add(engine.output(position))
        return _outputs(engine, collected, elapsed)

    def _timed_invoke(self, engine: Engine) -> int:
        start = time.perf_counter_ns()
        try:
            engine.invoke()
        except (RuntimeError, ValueError) as error:
            raise EngineError("model", f"inference failed: {error}") from error
        elapsed = time.perf_counter_ns() - start
        if self._first_ns is None:
            self._first_ns = elapsed
        return elapsed

    def _measure(self, header: Header, payload: memoryview) -> Reply:
        engine = self._loaded()
        runs, batch = _whole(header, "runs", 1, 1_000_000), _whole(header, "batch", 1, 1_000_000)
        settle, max_ns = _whole(header, "settle", 0, 1000), _whole(header, "max_ns", 0, 1 << 62)
        if "tensors" in header:
            samples, columns = _inputs(engine, header, payload)
            if samples != 1:
                raise RequestError("protocol", "measure takes exactly one sample")
            engine.reset()
            engine.set_inputs([column[0] for column in columns])
        if self._first_ns is None:
            self._timed_invoke(engine)
        try:
            series = timed_runs(engine.invoke, runs=runs, batch=batch, settle=settle, max_ns=max_ns)
        except (RuntimeError, ValueError) as error:
            raise EngineError("model", f"inference failed: {error}") from error
        tensors = [describe("samples_ns", "int64", [len(series)], "timing")]
        reply = {"op": "measure", "tensors": tensors, "first_ns": self._first_ns}
        return reply, [memoryview(series).cast("B")]


def _error(kind: str, message: str) -> Header:
    return {"op": "error", "kind": kind, "message": message[:20_000]}


def _whole(header: Header, name: str, low: int, high: int) -> int:
    value = header.get(name)
    if type(value) is not int or not low <= value <= high:
        raise RequestError("protocol", f"'{name}' must be a whole number from {low} to {high}, not {value!r}")
    return value


def _load_options(header: Header) -> LoadOptions:
    options = header.get("delegate_options", {})
    engine, delegate = header.get("engine", ""), header.get("delegate", "default")
    if not isinstance(options, dict) or not isinstance(engine, str) or not isinstance(delegate, str):
        raise RequestError("protocol", "'engine', 'delegate' and 'delegate_options' must be strings and an object")
    texts = {str(key): str(value) for key, value in options.items()}
    fallback = bool(header.get("allow_fallback", False))
    return LoadOptions(engine, delegate, texts, _whole(header, "threads", 1, 1024), fallback)


def _inputs(engine: Engine, header: Header, payload: memoryview) -> Tuple[int, List[Any]]:
    """The request's tensors as arrays of shape (samples, *model shape), in the engine's order of inputs."""
    import numpy as np

    samples = _whole(header, "samples", 1, 1 << 32)
    parts = {part.name: part for part in split_tensors(header, payload)}
    if sorted(parts) != sorted(spec["name"] for spec in engine.inputs) or len(parts) != len(header["tensors"]):
        raise RequestError("input", f"inputs are {[spec['name'] for spec in engine.inputs]}, got {sorted(parts)}")
    columns = []
    for spec in engine.inputs:
        part = parts[spec["name"]]
        shape = part.shape
        if part.dtype != spec["dtype"]:
            raise RequestError("input", f"input {part.name!r} has dtype {spec['dtype']}, got {part.dtype}")
        if len(shape) != len(spec["shape"]) + 1 or shape[0] != samples or not _fits(shape[1:], spec["shape"]):
            raise RequestError("input", f"input {part.name!r} has shape {spec['shape']} a sample, got {list(shape)}")
        columns.append(np.frombuffer(part.data, dtype=part.dtype).reshape(shape))
    return samples, columns


def _fits(shape: Tuple[int, ...], pattern: List[int]) -> bool:
    return all(want in (-1, size) for size, want in zip(shape, pattern))


def _outputs(engine: Engine, collected: List[Column], elapsed: List[int]) -> Reply:
    """Outputs stacked along a new first axis; one entry a sample where the shapes vary."""
    import numpy as np

    tensors: List[Header] = []
    buffers: List[Buffer] = []
    for spec, column in zip(engine.outputs, collected):
        role = "sample" if column.varies else "tensor"
        for array in column.arrays:
            tensors.append(describe(spec["name"], spec["dtype"], array.shape, role))
            buffers.append(_bytes(array))
    times = np.asarray(elapsed, dtype=np.int64)
    tensors.append(describe("inference_ns", "int64", times.shape, "timing"))
    buffers.append(_bytes(times))
    return {"op": "run", "samples": len(elapsed), "tensors": tensors}, buffers


def _bytes(array: Any) -> memoryview:
    import numpy as np

    # a view as bytes, because memoryview cannot cast every dtype (float16, complex) nor empty arrays
    flat: Any = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return memoryview(flat)
