"""The full closeness report against ``numpy.testing.assert_allclose``, interleaved in one run.

    python -m benchmarks.compare [--elements 10000000] [--rounds 9]

Prints the ratio of the medians and of the minima; goal: at most 1.5.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.pairs import interleave
from pytest_edgedevice.metrics.closeness import compare

if TYPE_CHECKING:
    from collections.abc import Callable

GOAL = 1.5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()

    random = np.random.default_rng(7)
    reference = random.standard_normal((100, options.elements // 100), dtype=np.float32)
    actual = reference + random.normal(0, 1e-6, reference.shape).astype(np.float32)

    def ours() -> None:
        assert compare(actual, reference, atol=1e-4, rtol=1e-3).close

    def numpys() -> None:
        np.testing.assert_allclose(actual, reference, atol=1e-4, rtol=1e-3)

    load = os.getloadavg()[0]
    print(f"{reference.size:,} float32 elements, {options.rounds} rounds A B, load average {load:.2f}")
    taken = interleave([ours, numpys], options.rounds)
    for name, times in zip(("compare, full report", "assert_allclose"), taken, strict=True):
        print(f"  {name:22} min {min(times) * 1e3:7.1f} ms   median {statistics.median(times) * 1e3:7.1f} ms")
    mid, low = (kind(taken[0]) / kind(taken[1]) for kind in (statistics.median, min))
    peaks = [_peak_mb(call) for call in (ours, numpys)]
    print(f"  extra memory: compare {peaks[0]:.1f} MB, assert_allclose {peaks[1]:.1f} MB")
    print(f"ratio: median {mid:.2f}, min {low:.2f} (goal: at most {GOAL})")
    return 0 if mid <= GOAL else 1


def _peak_mb(call: Callable[[], None]) -> float:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    raise SystemExit(main())
