"""200 samples through ``run()`` against a bare interpreter loop, and against one process for each input.

python -m benchmarks.throughput [--rounds 11]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.latency import FACE, bare
from benchmarks.pairs import interleave, ratio, row
from pytest_edgedevice import open_device

SAMPLES = 200
ONE_PROCESS = """
import sys, numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], numpy.load(sys.argv[2]))
interpreter.invoke()
for at, detail in enumerate(interpreter.get_output_details()):
    numpy.save(sys.argv[3] + str(at), interpreter.get_tensor(detail["index"]))
"""


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_known_args()[0].rounds
    images = np.random.default_rng(0).random((SAMPLES, 128, 128, 3), dtype=np.float32)
    interpreter = bare(FACE)
    source = interpreter.get_input_details()[0]["index"]
    sinks = [detail["index"] for detail in interpreter.get_output_details()]

    def loop() -> list[list[object]]:
        outputs: list[list[object]] = [[] for _ in sinks]
        for at in range(SAMPLES):
            interpreter.set_tensor(source, images[at : at + 1])
            interpreter.invoke()
            for collected, sink in zip(outputs, sinks, strict=True):
                collected.append(interpreter.get_tensor(sink))
        return outputs

    with open_device("local", wait_s=600) as device, tempfile.TemporaryDirectory() as folder:
        model = device.load(FACE)
        ours, theirs = interleave([lambda: model.run(images), loop], rounds)
        one = Path(folder) / "one.npy"
        np.save(one, images[:1])
        command = [sys.executable, "-c", ONE_PROCESS, str(FACE), str(one), str(Path(folder) / "out")]
        single, many = interleave(
            [lambda: subprocess.run(command, check=True, capture_output=True), lambda: model.run(images)], 5
        )
    share, times = 1 / ratio(ours, theirs), ratio(single, many) * SAMPLES
    return all(
        [
            row(
                "200 BlazeFace samples: throughput of `run()` / bare loop",
                f"{share:.3f}",
                "at least 0.95",
                met=share >= 0.95,
            ),
            row(
                "the same against one process for each input",
                f"{times:.0f} times",
                "at least 20 times",
                met=times >= 20,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
