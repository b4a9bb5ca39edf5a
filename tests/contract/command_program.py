"""A program for the runner ``command`` that runs .tflite models: the agent's own engines behind the file contract.

Started on the device by a script that hands over to it; told by its manifest, as
pytest_edgedevice/runners/command/COMMAND.md says.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pytest_edgedevice.agent.engines import load, warm
from pytest_edgedevice.agent.engines.base import Engine, EngineError, LoadOptions
from tests.contract.handing_over import serve


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
    warm(LoadOptions())
    serve(sys.argv[1], main)
