"""A program for the runner ``command`` that runs .tflite models: the agent's own engines behind the file contract.

Started as a script on the device; told by its manifest, as pytest_edgedevice/runners/command/COMMAND.md says.
Importing numpy and a runtime takes ten times as long as starting Python: what is started is a script that only
hands over to a process that has imported both, and that forks itself for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgedevice.agent.engines import load, warm
from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions

SCRIPT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as line:
    line.connect({place!r})
    socket.send_fds(line, [json.dumps([os.getcwd(), sys.argv]).encode()], [1, 2])
    sys.exit(line.recv(1)[0])
"""


def script(place: Path) -> str:
    """An executable that hands over to what serves at ``place``."""
    return SCRIPT.format(python=sys.executable, place=str(place))


def serve(place: str) -> None:
    """Be the program for every script that hands over, each in a process of its own, until somebody ends it."""
    warm(LoadOptions())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        print("up", flush=True)
        while True:
            line, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                answer(line)
            line.close()
            with contextlib.suppress(ChildProcessError):  # there is none
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def answer(line: socket.socket) -> None:
    """Be the process that one script stands for: in its folder, with its arguments and streams; then end."""
    code = 1
    try:
        told, streams, *_ = socket.recv_fds(line, 1 << 16, 2)
        folder, sys.argv = json.loads(told)
        os.chdir(folder)
        for number, stream in enumerate(streams, 1):
            os.dup2(stream, number)
        main()
        code = 0
    except Exception:  # noqa: BLE001 - it ends with a traceback and a code, as Python does
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):  # a script that was ended waits for nothing
            line.send(bytes([code]))
        os._exit(code)


def main() -> None:
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        result = answered(told)
    except EngineError as error:
        result = {"error": {"kind": error.kind, "message": str(error)}}
    result |= {"contract": 1, "nonce": told["nonce"]}
    Path(told["result"]).write_text(json.dumps(result), encoding="utf-8")


def answered(told: dict[str, Any]) -> dict[str, Any]:
    began = time.perf_counter_ns()
    options = LoadOptions(delegate=told["delegate"], threads=told["threads"], allow_fallback=told["allow_fallback"])
    engine = load(told["model"]["path"], options)
    load_ns = time.perf_counter_ns() - began
    if told["op"] == "describe":
        return {
            "engine": engine.name,
            "engine_version": engine.version,
            "variant": engine.variant,
            "model": {"inputs": engine.inputs, "outputs": engine.outputs},
            "placement": engine.placement(),
            "load_ns": load_ns,
        }
    arrays = [np.load(one["file"]) for one in told["inputs"]]
    return ran(engine, arrays, told) if told["op"] == "run" else measured(engine, arrays, told)


def ran(engine: Engine, arrays: list[Any], told: dict[str, Any]) -> dict[str, Any]:
    entries, times = [], []
    for sample in range(told["samples"]):
        engine.reset()
        engine.set_inputs([array[sample] for array in arrays])
        times.append(timed(engine))
        for position, spec in enumerate(engine.outputs):
            file = f"{sample}-{position}.npy"
            array = np.asarray(engine.output(position))
            np.save(Path(told["outputs"]) / file, array)
            entry = {"name": spec["name"], "file": file, "dtype": array.dtype.name, "sample": sample}
            entries.append({**entry, "shape": list(array.shape)})
    return {"outputs": entries, "inference_ns": times}


def measured(engine: Engine, arrays: list[Any], told: dict[str, Any]) -> dict[str, Any]:
    engine.set_inputs([array[0] for array in arrays])
    for _ in range(told["warmup"]):
        engine.invoke()
    times: list[int] = []
    begin = time.perf_counter_ns()
    while len(times) < told["runs"] and (not times or time.perf_counter_ns() - begin < told["max_ns"]):
        times.append(timed(engine))
    return {"inference_ns": times}


def timed(engine: Engine) -> int:
    began = time.perf_counter_ns()
    engine.invoke()
    return time.perf_counter_ns() - began


if __name__ == "__main__":
    serve(sys.argv[1])
