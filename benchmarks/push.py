"""Bring a 50 MB model to the local device, against ``cp``.

python -m benchmarks.push [--rounds 15]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.pairs import interleave, ratio, row
from pytest_edgedevice.transports.local import LocalTransport

SIZE_BYTES = 50_000_000


def seconds(start: float) -> float:
    return time.perf_counter() - start


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_known_args()[0].rounds
    with tempfile.TemporaryDirectory() as folder:
        model, copy = Path(folder) / "model.tflite", Path(folder) / "copy"
        model.write_bytes(os.urandom(SIZE_BYTES))
        with LocalTransport(base=Path(folder) / "device") as transport:

            def push() -> None:
                Path(transport.folder, transport.push(model, timeout_s=60).sha256).unlink()

            def cp() -> None:
                subprocess.run(["cp", str(model), str(copy)], check=True)
                copy.unlink()

            ours, theirs = interleave([push, cp], rounds)
            transport.push(model, timeout_s=60)
            beyond = []
            for _ in range(rounds):
                start = time.perf_counter()
                with model.open("rb") as file:
                    hashlib.file_digest(file, "sha256")
                hashing = seconds(start)
                start = time.perf_counter()
                assert transport.push(model, timeout_s=60).sent_bytes == 0
                beyond.append((seconds(start) - hashing) * 1e3)
    cold, unchanged = ratio(ours, theirs), statistics.median(beyond)
    return all(
        [
            row("50 MB model, cold: push / `cp`", f"{cold:.2f}", "at most 1.5", met=cold <= 1.5),
            row(
                "50 MB model, unchanged: push - hashing it",
                f"{unchanged:+.1f} ms",
                "at most 20 ms",
                met=unchanged <= 20,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
