"""One conversation: requests in, replies out, at most one model loaded.

Knows nothing of file descriptors or threads; ``main`` feeds it frames.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from typing import Any, Callable, Dict, List, Optional

from pytest_edgedevice.agent import PROTOCOL_VERSION, conditions, engines, instruments
from pytest_edgedevice.agent.at_work import EngineAtWork
from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions
from pytest_edgedevice.agent.measuring import clock_tick_ns, timed_runs
from pytest_edgedevice.agent.resources import MemoryWatch
from pytest_edgedevice.agent.store import Store, StoreError
from pytest_edgedevice.agent.tensors import Reply, RequestError, read_inputs, whole, write_outputs
from pytest_edgedevice.agent.wire import Frame, Header, WireError, describe

WINDOW = 8
"""Requests a host may have in flight."""


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
        self._memory = MemoryWatch()
        self.ended = False
        self._handlers: Dict[str, Callable[[Header, memoryview], Reply]] = {
            "bye": self._bye,
            "facts": self._facts,
            "have": self._have,
            "load": self._load,
            "measure": self._measure,
            "profile": self._profile,
            "put": self._put,
            "resources": self._resources,
            "run": self._run,
            "stages": self._stages,
            "stream": self._stream,
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
            "delegates": engines.delegates(),
            "window": WINDOW,
            "clock_tick_ns": clock_tick_ns(),
            "emulated": conditions.emulated(),
            "folders": True,
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
        except Exception as error:  # noqa: BLE001 - a fault of ours: the host must hear of it
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

    def _bye(self, header: Header, _payload: memoryview) -> Reply:
        self.ended = True
        self._store.drop_folder()
        if header.get("wipe") is True:
            self._store.wipe()
        return {"op": "bye"}, []

    def _load(self, header: Header, _payload: memoryview) -> Reply:
        if self._engine is not None:
            raise RequestError("protocol", "this agent has a model already; start one agent for each")
        options = _load_options(header)
        path = self._model_path(header)
        engines.warm(options, path)
        self._memory.begin()
        start = time.perf_counter_ns()
        try:
            with EngineAtWork("load"):
                engine = engines.load(path, options)
                elapsed = time.perf_counter_ns() - start  # to ask where it runs may take as long again
                placement = engine.placement()
        except BaseException:
            self._store.drop_folder()
            raise
        self._engine = engine
        return {
            "op": "load",
            "engine": engine.name,
            "engine_version": engine.version,
            "variant": engine.variant,
            "inputs": engine.inputs,
            "outputs": engine.outputs,
            "placement": placement,
            "load_ns": elapsed,
        }, []

    def _model_path(self, header: Header) -> str:
        folder = header.get("folder", False)
        if type(folder) is not bool:
            raise RequestError("protocol", "'folder' must be true or false")
        return self._store.build(header.get("sha256")) if folder else self._store.find(header.get("sha256"))

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise RequestError("protocol", "no model is loaded")
        return self._engine

    def _run(self, header: Header, payload: memoryview) -> Reply:
        engine = self._loaded()
        samples, columns = read_inputs(engine, header, payload)
        collected: List[List[Any]] = [[] for _ in engine.outputs]
        elapsed: List[int] = []
        with EngineAtWork("inputs") as work:
            for sample in range(samples):
                work.what = "inputs"
                engine.reset()
                engine.set_inputs([column[sample] for column in columns])
                work.what = "inference"
                elapsed.append(self._timed_invoke(engine))
                work.what = "outputs"
                for position, results in enumerate(collected):
                    results.append(engine.output(position))
        return write_outputs(engine, collected, elapsed)

    def _timed_invoke(self, engine: Engine) -> int:
        start = time.perf_counter_ns()
        engine.invoke()
        elapsed = time.perf_counter_ns() - start
        if self._first_ns is None:
            self._first_ns = elapsed
        return elapsed

    def _measure(self, header: Header, payload: memoryview) -> Reply:
        engine = self._loaded()
        runs, batch = whole(header, "runs", 1, 1_000_000), whole(header, "batch", 1, 1_000_000)
        settle, max_ns = whole(header, "settle", 0, 1000), whole(header, "max_ns", 0, 1 << 62)
        self._take_sample(engine, header, payload)
        with EngineAtWork("inference"):
            series = timed_runs(engine.invoke, runs=runs, batch=batch, settle=settle, max_ns=max_ns)
        tensors = [describe("samples_ns", "int64", [len(series)], "timing")]
        reply = {"op": "measure", "tensors": tensors, "first_ns": self._first_ns}
        return reply, [memoryview(series).cast("B")]

    def _take_sample(self, engine: Engine, header: Header, payload: memoryview) -> None:
        """The sample to run from now on, where the request has one; the model has run at least once then."""
        if "tensors" in header:
            samples, columns = read_inputs(engine, header, payload)
            if samples != 1:
                raise RequestError("protocol", f"{header['op']} takes exactly one sample")
            with EngineAtWork("inputs"):
                engine.reset()
                engine.set_inputs([column[0] for column in columns])
        if self._first_ns is None:
            with EngineAtWork("inference"):
                self._timed_invoke(engine)

    def _resources(self, header: Header, payload: memoryview) -> Reply:
        engine = self._loaded()
        self._take_sample(engine, header, payload)
        with EngineAtWork("inference"):
            return instruments.watch_resources(engine, self._memory, header)

    def _stream(self, header: Header, payload: memoryview) -> Reply:
        engine = self._loaded()
        with EngineAtWork("inference"):
            return instruments.feed_frames(engine, header, payload, lambda: self._timed_invoke(engine))

    def _stages(self, header: Header, payload: memoryview) -> Reply:
        engine, path = self._loaded(), self._store.find(header.get("sha256"))
        with EngineAtWork("inference"):
            return instruments.time_stages(engine, path, header, payload, lambda: self._timed_invoke(engine))

    def _profile(self, header: Header, payload: memoryview) -> Reply:
        return instruments.take_profile(self._loaded(), header, payload, lambda: EngineAtWork("profiling"))


def _error(kind: str, message: str) -> Header:
    return {"op": "error", "kind": kind, "message": message[:20_000]}


def _load_options(header: Header) -> LoadOptions:
    options = header.get("delegate_options", {})
    engine, delegate = header.get("engine", ""), header.get("delegate", "default")
    if not isinstance(options, dict) or not isinstance(engine, str) or not isinstance(delegate, str):
        raise RequestError("protocol", "'engine', 'delegate' and 'delegate_options' must be strings and an object")
    texts = {str(key): str(value) for key, value in options.items()}
    fallback = bool(header.get("allow_fallback", False))
    return LoadOptions(engine, delegate, texts, whole(header, "threads", 1, 1024), fallback)
