"""Latency that ``measure()`` reports against a bare ``invoke()`` loop, fresh processes in turn.

python -m benchmarks.latency [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs import row
from pytest_edgedevice import open_device

FIXTURES = Path(__file__).parent.parent / "fixtures"
FACE = FIXTURES / "models" / "face_detector.tflite"
TINY = FIXTURES / "models" / "digits_float32.tflite"
RUNS = 400
CLEAR_MS = 100.0


def bare(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(
            detail["index"], np.random.default_rng(0).random(detail["shape"]).astype(detail["dtype"])
        )
    return interpreter


def bare_series(interpreter: Any, runs: int = RUNS) -> list[int]:
    invoke, clock = interpreter.invoke, time.perf_counter_ns
    for _ in range(30):
        invoke()
    series = []
    for _ in range(runs):
        start = clock()
        invoke()
        series.append(clock() - start)
    return series


def quantile(series: Any, share: float) -> float:
    return float(np.quantile(series, share)) / 1e6


def bare_in_a_process(path: Path) -> list[int]:
    """A series from a fresh process: one process is up to some percent faster than the next, whoever is timed."""
    code = f"from pathlib import Path; from benchmarks.latency import *; print(bare_series(bare(Path({str(path)!r}))))"
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root)
    return [int(number) for number in done.stdout.strip("[]\n ").split(",")]


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_known_args()[0].rounds
    medians, tails, tiny, decided = [], [], [], []
    with open_device("local", wait_s=600) as device:
        for number in range(rounds):
            theirs = bare_in_a_process(FACE) if number % 2 else []
            with device.load(FACE) as model:
                timing = model.measure(min_runs=RUNS, max_runs=RUNS)
                start = time.monotonic()
                verdict = model.measure(budget_ms=CLEAR_MS).verdict
                decided.append((time.monotonic() - start, verdict))
            theirs = theirs or bare_in_a_process(FACE)
            medians.append(timing.p50_ms / quantile(theirs, 0.5))
            tails.append(timing.p95_ms / quantile(theirs, 0.95))
            with device.load(TINY) as model:
                small = model.measure(min_runs=RUNS, max_runs=RUNS)
            tiny.append((small.p50_ms - quantile(bare_in_a_process(TINY), 0.5)) * 1e3)
    median, tail, gap = (statistics.median(values) for values in (medians, tails, tiny))
    seconds = statistics.median(took for took, _ in decided)
    return all(
        [
            row(
                f"BlazeFace, about 1 ms: `measure()` to a verdict on a clear budget ({CLEAR_MS:g} ms)",
                f"{seconds:.2f} s",
                "under 1 s, all pass",
                met=seconds < 1 and all(verdict == "pass" for _, verdict in decided),
            ),
            row(
                "BlazeFace: median of `measure()` / bare `invoke()` loop",
                f"{median:.3f}",
                "0.99 to 1.01",
                met=abs(median - 1) <= 0.01,
            ),
            row("BlazeFace: p95 of the same", f"{tail:.3f}", "0.95 to 1.05", met=abs(tail - 1) <= 0.05),
            row(
                "digits, under 1 us: median of `measure()` - bare loop",
                f"{gap:+.2f} us",
                "within 2 us",
                met=abs(gap) <= 2,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
