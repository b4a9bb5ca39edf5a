"""Where the time of a model goes, by operator: LiteRT's own profiler in a process of its own.

The agent's interpreter has no profiler, so the model is compiled once more by
libLiteRt.so with the same delegate and threads. That happens in a child, so
that neither a crash nor the second copy's memory is the agent's; the child
ends with the agent. Its answer is the library's text: the host reads it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any, Dict

from pytest_edgedevice.agent.engines.base import EngineError, LoadOptions, Profiled

CHILD = "import json,sys;sys.path[:]=json.loads(sys.argv[1]);import {0} as p;p.child()"
DIE_WITH_PARENT = 1
MOST_SAID = 400
LEAST_VERSION = (2, 2)
CPU = 1


def check_profilable(engine: str, version: str, delegate: str) -> None:
    """Refuse what the profiler would not show as it runs here.

    Raises:
        EngineError: Why not.
    """
    why = ""
    if engine != "litert":
        why = f"the engine {engine!r} has no profiler; 'litert' has"
    elif tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < LEAST_VERSION:
        why = f"LiteRT {version} has no profiler that is known here; 2.2 or later is needed"
    elif delegate == "reference":
        why = "libLiteRt.so would profile built-in kernels where reference ones are asked for"
    elif delegate.startswith("external:"):
        why = "libLiteRt.so takes no external delegates, so its profiler cannot see them"
    if why:
        raise EngineError("model", why)


def profile(
    path: str, inputs: Dict[int, bytes], options: LoadOptions, *, signature: str, runs: int, max_ns: int
) -> Profiled:
    """Profile a model.

    Args:
        path: Its file.
        inputs: One sample, by the tensor's index in the graph.
        options: As it was loaded with.
        signature: Name of the one that runs the main graph; empty for a model without any.
        runs: Inferences at most.
        max_ns: No inference is started later than this after the first, nanoseconds.

    Raises:
        EngineError: It cannot be profiled, and why.
    """
    asked = {
        "path": path,
        "kernels": "builtin" if options.delegate == "cpu" else "delegate",
        "accelerators": {"gpu": 2, "npu": 4}.get(options.delegate, 1) | (options.allow_fallback and CPU),
        "threads": options.threads,
        "signature": signature,
        "runs": runs,
        "max_ns": max_ns,
        "parent": os.getpid(),
        "inputs": [[index, len(content)] for index, content in inputs.items()],
    }
    command = [sys.executable, "-c", CHILD.format(__name__), json.dumps([part for part in sys.path if part])]
    given = json.dumps(asked).encode() + b"\n" + b"".join(inputs.values())
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False)
    except OSError as error:
        raise EngineError("model", f"the profiler's process cannot be started: {error}") from error
    head, _, summary = done.stdout.partition(b"\n")
    with contextlib.suppress(ValueError, TypeError, KeyError):
        told = json.loads(head)
        if done.returncode == 0 and type(told["runs"]) is int:
            return Profiled(summary, told["runs"])
        raise EngineError("model", f"the profiler cannot run this model: {str(told['problem'])[:MOST_SAID]}")
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    raise EngineError("model", f"the profiler's process ended with {how}: {''.join(said)[:MOST_SAID]}")


def child() -> None:
    """The child's side: one model, one answer on standard output, where nothing else is let through."""
    sink = os.dup(1)
    os.dup2(2, 1)
    _die_with_parent()
    asked = json.loads(sys.stdin.buffer.readline())
    if os.getppid() != asked["parent"]:
        os._exit(1)  # it was gone before it could be followed
    try:
        told, summary = _profiled(asked)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent is told
        told, summary = {"problem": f"{error}" or type(error).__name__}, b""
    with os.fdopen(sink, "wb") as file:
        file.write(json.dumps(told).encode() + b"\n" + summary)
    os._exit(0 if "runs" in told else 1)  # the runtime's threads are not waited for


def _profiled(asked: Dict[str, Any]) -> Any:
    from pytest_edgedevice.agent.engines.litert_library import ProfiledModel, library_path

    inputs: Dict[int, bytes] = {index: sys.stdin.buffer.read(size) for index, size in asked["inputs"]}
    with open(asked["path"], "rb") as file:
        content = file.read()
    options = {name: asked[name] for name in ("kernels", "accelerators", "threads")}
    model = ProfiledModel(library_path(), content, **options)
    model.prepare(inputs, key=asked["signature"])
    model.run()  # the first inference prepares what the others find
    model.start()
    runs, begin = 0, time.perf_counter_ns()
    while runs < asked["runs"] and time.perf_counter_ns() - begin <= asked["max_ns"]:
        model.run()
        runs += 1
    return {"runs": runs}, model.summary()


def _die_with_parent() -> None:
    """Linux ends the child when the agent is gone; elsewhere ``max_ns`` bounds it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
