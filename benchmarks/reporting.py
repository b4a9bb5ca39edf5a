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
    with Path("spent").open("a") as file:
        file.write(f"{sum(spent) / (time.process_time() - sum(spent))}\\n")
"""
PLAIN = ["-q", "--device", "local", *OTHERS]
CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    told: list[float] = []
    quiet: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(SOURCE, encoding="utf-8")
        Path(folder, "conftest.py").write_text(CONFTEST, encoding="utf-8")

        def run(spent: list[float], *more: str) -> None:
            command = [sys.executable, "-m", "pytest", *PLAIN, "--rootdir", folder, folder, *more]
            before = processor_s()
            subprocess.run(command, check=True, capture_output=True, cwd=folder, env=CACHED)
            spent.append(processor_s() - before)

        with_all = ["--edge-report", "json=edge.jsonl"]
        with_none = ["--edge-history", "off", "--no-summary"]
        interleave([lambda: run(told, *with_all), lambda: run(quiet, *with_none)], rounds)
        shares = [float(line) for line in Path(folder, "spent").read_text(encoding="utf-8").split()]
    found = 1 + statistics.median(share for share in shares if share > 1e-3)  # the others report nothing
    what = f"{TESTS} trivial device tests with history, JSON report and table: processor time / without what these take"
    print(f"whole runs with all of it / with none: {ratio(told[1:], quiet[1:]):.3f}", file=sys.stderr)
    return row(what, f"{found:.3f} (of {min(quiet):.1f} s)", f"at most {GOAL}", met=found <= GOAL)


def processor_s() -> float:
    """Of all programs that ended: other work on the machine is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(not main())
