"""What reporting costs a run of 500 trivial device tests: records, history and a file of them, against none.

python -m benchmarks.reporting [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import resource
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
PLAIN = ["-q", "--device", "local", *OTHERS]
CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(SOURCE, encoding="utf-8")

        def run(spent: list[float], *more: str) -> None:
            command = [sys.executable, "-m", "pytest", *PLAIN, "--rootdir", folder, folder, *more]
            before = processor_s()
            subprocess.run(command, check=True, capture_output=True, cwd=folder, env=CACHED)
            spent.append(processor_s() - before)

        told: list[float] = []
        quiet: list[float] = []
        interleave(
            [
                lambda: run(told, "--edge-report", "json=edge.jsonl"),
                lambda: run(quiet, "--edge-history", "off", "--no-summary"),
            ],
            rounds,
        )
    found = ratio(told[1:], quiet[1:])
    what = f"{TESTS} trivial device tests: processor time with history, JSON report and table / without"
    return row(what, f"{found:.3f} ({min(quiet):.1f} s)", f"at most {GOAL}", met=found <= GOAL)


def processor_s() -> float:
    """Of all programs that ended: other work on the machine is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    raise SystemExit(not main())
