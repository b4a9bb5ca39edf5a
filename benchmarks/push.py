"""Bring a 50 MB model to the local device, against ``cp``.

python -m benchmarks.push [--rounds 15]

Two figures of a cold push: until ``push`` comes back (the bytes are on the device), and
until the hash of what was placed is known, which nothing can hurry: one core takes SHA-256 of 50 MB in
the time that is printed below it. ``Device.load`` starts its agent meanwhile.
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
from typing import TYPE_CHECKING

from benchmarks.pairs import interleave, ratio, row
from pytest_edgedevice.transports.local import LocalTransport

if TYPE_CHECKING:
    from pytest_edgedevice.transports.base import Pushed

SIZE_BYTES = 50_000_000


def seconds(start: float) -> float:
    return time.perf_counter() - start


def hashing(model: Path) -> float:
    """Seconds to hash a file, and no more."""
    start = time.perf_counter()
    with model.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return seconds(start)


def cold(transport: LocalTransport, model: Path, copy: Path, rounds: int) -> tuple[float, float]:
    """Ratios to ``cp``: until a push comes back, and until its hash is known; A B B A, tidied between."""
    returned: list[Pushed] = []

    def push() -> None:
        returned.append(transport.push(model, timeout_s=60))

    def cp() -> None:
        subprocess.run(["cp", str(model), str(copy)], check=True)

    def tidy() -> None:
        if returned:
            pushed = returned.pop()
            Path(transport.folder, pushed.sha256).unlink()
        copy.unlink(missing_ok=True)

    ours, theirs = interleave([push, cp], rounds, after=tidy)

    def push_and_hash() -> None:
        push()
        assert returned[-1].sha256

    known, copied = interleave([push_and_hash, cp], rounds, after=tidy)
    return ratio(ours, theirs), ratio(known, copied)


def unchanged(transport: LocalTransport, model: Path, rounds: int) -> float:
    """Milliseconds that a push of what is there takes beyond hashing it, median."""
    assert transport.push(model, timeout_s=60).sha256
    beyond = []
    for _ in range(rounds):
        hashed = hashing(model)
        start = time.perf_counter()
        assert transport.push(model, timeout_s=60).sent_bytes == 0
        beyond.append((seconds(start) - hashed) * 1e3)
    return statistics.median(beyond)


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_known_args()[0].rounds
    with tempfile.TemporaryDirectory() as folder:
        model, copy = Path(folder) / "model.tflite", Path(folder) / "copy"
        model.write_bytes(os.urandom(SIZE_BYTES))
        with LocalTransport(base=Path(folder) / "device") as transport:
            back, known = cold(transport, model, copy, rounds)
            beyond = unchanged(transport, model, rounds)
        hash_ms = statistics.median(hashing(model) for _ in range(rounds)) * 1e3
    what = "50 MB model, cold: push"
    return all(
        [
            row(f"{what} / `cp`, until its bytes are there", f"{back:.2f}", "at most 1.5", met=back <= 1.5),
            row(
                f"{what} / `cp`, until its hash is known",
                f"{known:.2f}",
                f"none; SHA-256 alone takes {hash_ms:.0f} ms",
                met=True,
            ),
            row(
                "50 MB model, unchanged: push - hashing it",
                f"{beyond:+.1f} ms",
                "at most 20 ms",
                met=beyond <= 20,
            ),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(not main())
