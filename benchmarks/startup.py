"""What the plugin costs a project without device tests, and how soon the command line answers.

python -m benchmarks.startup [--rounds 41]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.pairs import interleave, row

HEAVY = ("numpy", "PIL", "ai_edge_litert", "tflite_runtime", "adbutils", "pymobiledevice3")
CONFTEST = f"""
import sys
def pytest_unconfigure(config):
    print("HEAVY", [name for name in {HEAVY!r} if name in sys.modules])
"""
# without a cache pytest compiles every plugin's modules anew at each start, which is nothing that users do
CACHED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
HELP = "import sys; sys.argv = ['edgedevice', '--help']; from pytest_edgedevice.cli import main; main()"
OTHERS = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:playwright", "-p", "no:xdist"]


def python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=CACHED)


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=41)
    rounds = parser.parse_known_args()[0].rounds
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "conftest.py").write_text(CONFTEST, encoding="utf-8")
        Path(folder, "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "--rootdir", folder, *OTHERS, folder]

        def run(*more: str) -> str:
            done = subprocess.run([*command, *more], check=True, capture_output=True, text=True, cwd=folder, env=CACHED)
            return done.stdout

        ours, theirs = interleave([run, lambda: run("-p", "no:edgedevice")], rounds)
        clean = "HEAVY []" in run()
    help_, bare = interleave([lambda: python("-c", HELP), lambda: python("-c", "")], rounds)
    told = statistics.median(help_) * 1e3
    # of pairs that ran one after the other: what the machine does meanwhile moves both
    cost = statistics.median(a - b for a, b in zip(ours, theirs, strict=True)) * 1e3
    return all(
        [
            row("pytest start-up with the plugin - without it", f"{cost:+.1f} ms", "at most 10 ms", met=cost <= 10),
            row("numpy, PIL and runtimes in `sys.modules`", "absent" if clean else "present", "absent", met=clean),
            row(
                f"`edgedevice --help` (Python alone: {statistics.median(bare) * 1e3:.0f} ms)",
                f"{told:.0f} ms",
                "at most 150 ms",
                met=told <= 150,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
