"""What a lease costs, against ``filelock`` in the same run, and how fast a crash frees a device.

python benchmarks/leases.py             # about half a minute
python benchmarks/leases.py --storm     # and 10,000 acquisitions by 16 processes under kills and stops
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.leases import Holder, Waiting, acquire

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
HOLD = (
    "import time; from pytest_edgedevice.leases import Holder, acquire\n"
    "lease = acquire('phone', holder=Holder.here(), wait_s=60); print('got', flush=True); time.sleep(600)"
)


def percentile_us(samples_ns: list[int], share: float) -> float:
    ordered = sorted(samples_ns)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1e3


def time_ns(action: Callable[[], None]) -> int:
    started = time.perf_counter_ns()
    action()
    return time.perf_counter_ns() - started


def ours() -> None:
    acquire("phone", holder=Holder(user="ada", pid=1), wait_s=0).release()


def theirs(folder: Path) -> Callable[[], None] | None:
    if importlib.util.find_spec("filelock") is None:
        return None
    import filelock

    def once() -> None:
        with filelock.FileLock(folder / "filelock.lock", timeout=0):
            pass

    return once


def uncontended(folder: Path, rounds: int = 3000) -> None:
    other = theirs(folder)
    lease_ns: list[int] = []
    filelock_ns: list[int] = []
    for _ in range(rounds):  # interleaved, so that both see the same machine
        lease_ns.append(time_ns(ours))
        if other is not None:
            filelock_ns.append(time_ns(other))
    print(f"acquire and release, uncontended: p50 {percentile_us(lease_ns, 0.5):.0f} us", end="")
    print(f", p99 {percentile_us(lease_ns, 0.99):.0f} us (bounds 1,000 and 10,000)")
    if filelock_ns:
        ratio = percentile_us(lease_ns, 0.5) / percentile_us(filelock_ns, 0.5)
        print(f"  filelock in the same run: p50 {percentile_us(filelock_ns, 0.5):.0f} us", end="")
        print(f", p99 {percentile_us(filelock_ns, 0.99):.0f} us; ratio {ratio:.2f}")
    else:
        print("  filelock is not installed: pip install filelock")


def sigkill_to_next_holder(rounds: int = 50) -> None:
    delays_ns: list[int] = []
    for _ in range(rounds):
        holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, env=os.environ, cwd=ROOT)
        assert holder.stdout is not None
        holder.stdout.readline()
        killed_ns = 0

        def kill(_: Waiting, victim: subprocess.Popen[bytes] = holder) -> None:
            nonlocal killed_ns
            killed_ns = time.perf_counter_ns()
            victim.kill()

        with acquire("phone", holder=Holder(), wait_s=60, on_wait=kill):
            delays_ns.append(time.perf_counter_ns() - killed_ns)
        holder.wait()
        holder.stdout.close()
    p50_ms, p99_ms = percentile_us(delays_ns, 0.5) / 1e3, percentile_us(delays_ns, 0.99) / 1e3
    print(f"SIGKILL to next holder, {rounds} rounds: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms (bound 100)")


def storm(folder: Path, acquisitions: int) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "unit" / "leases"))
    module: Any = importlib.import_module("storm")
    started, seed = time.monotonic(), time.time_ns() % 2**32
    seen = module.run_storm(folder, processes=16, devices=4, acquisitions=acquisitions, seed=seed)
    print(f"storm {seed}: {seen.acquisitions} acquisitions ({seen.shared} shared)", end="")
    print(f" by 16 processes on 4 devices in {time.monotonic() - started:.0f} s", end="")
    print(f", {seen.kills} kills ({seen.kills_while_holding} of a holder), {seen.stops} stops:", end="")
    print(f" {len(seen.overlaps)} overlaps, {len(seen.overtaken)} overtaken,", end="")
    print(f" {len(seen.unnoticed_crashes)} crashes unnoticed, {len(seen.told_twice)} told twice", end="")
    print(f"; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if seen.acquisitions < acquisitions:
        print(f"  only {seen.acquisitions} of {acquisitions}: its time was over")
    for fault in (seen.overlaps + seen.overtaken + seen.unnoticed_crashes + seen.told_twice)[:10]:
        print(f"  {fault}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--storm", action="store_true", help="also run the storm (some minutes)")
    parser.add_argument("--acquisitions", type=int, default=10_000, help="how long the storm lasts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        folder = Path(place)
        os.environ["EDGEDEVICE_LOCKS"] = str(folder / "locks")
        uncontended(folder)
        sigkill_to_next_holder()
        if args.storm:
            storm(folder, args.acquisitions)


if __name__ == "__main__":
    main()
