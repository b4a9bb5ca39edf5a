"""What reporting costs a run of 500 trivial device tests: records, history and a file of them, against none.

Runs differ by more from each other than reporting costs, so what counts is what the hooks that report take
of the run that they are in; beside it, runs with all of it against runs with none.

python -m benchmarks.reporting [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.pairs import interleave, ratio, row
from benchmarks.startup import OTHERS

TESTS = 500
GOAL = 1.02
SOURCE = f"""
import pytest

@pytest.mark.parametrize("number", range({TESTS}))
def test_it(edge_device, edge_check, number):
    edge_check.metric("number", number)
"""
CONFTEST = """
import functools, time
from pathlib import Path
from pytest_edgedevice.plugin import closing, reporting  # whose own imports take place when they are called

spent = []

def timed(room, name):
    function = getattr(room, name)

    @functools.wraps(function)
    def wrapped(*arguments):
        begun = time.process_time()
        try:
            return function(*arguments)
        finally:
            spent.append(time.process_time() - begun)

    setattr(room, name, wrapped)

timed(reporting, "finish")
timed(closing, "summarize")

def pytest_unconfigure():
    Path("spent").write_text(f"{sum(spent) / (time.process_time() - sum(spent))}")
"""
PLAIN = ["--device", "local", *OTHERS]
NONE = ("-q", "--edge-history", "off", "--no-summary")
WAYS = {
    "history and table": (),
    "history and JSON report, `-q`": ("-q", "--edge-report", "json=edge.jsonl"),
    "history, JSON report and table": ("--edge-report", "json=edge.jsonl"),
}
CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    whole: dict[tuple[str, ...], list[float]] = {}
    shares: dict[tuple[str, ...], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(SOURCE, encoding="utf-8")
        Path(folder, "conftest.py").write_text(CONFTEST, encoding="utf-8")

        def run(*more: str) -> None:
            command = [sys.executable, "-m", "pytest", *PLAIN, "--rootdir", folder, folder, *more]
            before = processor_s()
            subprocess.run(command, check=True, capture_output=True, cwd=folder, env=CACHED)
            whole.setdefault(more, []).append(processor_s() - before)
            shares.setdefault(more, []).append(float(Path(folder, "spent").read_text(encoding="utf-8")))

        interleave([partial(run, *way) for way in (*WAYS.values(), NONE)], rounds)
    met = []
    for parts, way in WAYS.items():
        found = 1 + statistics.median(shares[way][1:])
        said = f"{found:.3f} ({ratio(whole[way][1:], whole[NONE][1:]):.3f} of whole runs with none)"
        what = f"{TESTS} trivial device tests, {parts}: processor time / without what these take"
        met.append(row(what, said, f"at most {GOAL}", met=found <= GOAL))
    return all(met)


def processor_s() -> float:
    """Of all programs that ended: other work on the machine is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(not main())
