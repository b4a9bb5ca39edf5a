"""A storm over the leases, and a witness that trusts nothing but clocks and the kernel's news of deaths.

Workers acquire random devices and say so in one append-only log; the parent kills
and stops them at random. A holder's interval ends before it releases, or when the kill
was sent, so it lies within the true one: intervals that overlap are an overlap.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[3]
NEVER = 1 << 62


@dataclass
class Attempt:
    """One call of ``acquire``, as the log tells it; times in nanoseconds of the monotonic clock.

    ``since`` is the lease's own record of when it got the device (seconds since the epoch): a
    process may be stopped between getting it and writing its line in the log.
    """

    pid: int
    keys: frozenset[str]
    called: int
    visible: int = NEVER
    got: int = NEVER
    key: str = ""
    since: float = float("inf")
    left_by: int = 0
    end: int = NEVER
    killed: bool = False


@dataclass
class Witness:
    acquisitions: int = 0
    kills: int = 0
    kills_while_holding: int = 0
    stops: int = 0
    overlaps: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    unnoticed_crashes: list[str] = field(default_factory=list)


def run_storm(folder: Path, *, processes: int, devices: int, acquisitions: int, seed: int) -> Witness:
    """Let the storm rage until so many acquisitions were made; at most ten minutes."""
    rng = random.Random(seed)
    log = folder / "log.txt"
    log.touch()
    witness = Witness()
    deaths: dict[int, int] = {}
    workers = [_start(folder, devices, rng.random()) for _ in range(processes)]
    deadline = time.monotonic() + 600
    try:
        while time.monotonic() < deadline and log.read_bytes().count(b" got ") < acquisitions:
            time.sleep(rng.uniform(0.02, 0.1))
            index = rng.randrange(processes)
            victim = workers[index]
            if rng.random() < 0.4:
                deaths[victim.pid] = time.monotonic_ns()
                victim.kill()
                victim.wait()
                witness.kills += 1
                workers[index] = _start(folder, devices, rng.random())
            else:
                victim.send_signal(signal.SIGSTOP)
                time.sleep(rng.uniform(0.01, 0.1))
                victim.send_signal(signal.SIGCONT)
                witness.stops += 1
    finally:
        for worker in workers:
            deaths[worker.pid] = time.monotonic_ns()
            worker.kill()
            worker.wait()
    _judge(_read(log, deaths), witness)
    return witness


def _start(folder: Path, devices: int, seed: float) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "EDGEDEVICE_LOCKS": str(folder / "locks"), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, __file__, str(folder), str(devices), str(seed)], env=environment)


def _read(log: Path, deaths: dict[int, int]) -> list[Attempt]:
    attempts: list[Attempt] = []
    current: dict[int, Attempt] = {}
    for line in log.read_text().splitlines():
        pid_text, what, ns_text, *rest = line.split()
        pid, ns = int(pid_text), int(ns_text)
        if what == "call":
            current[pid] = Attempt(pid, frozenset(rest), ns)
            attempts.append(current[pid])
        elif what == "visible":
            current[pid].visible = ns
        elif what == "got":
            current[pid].got, current[pid].key = ns, rest[0]
            current[pid].since, current[pid].left_by = float(rest[1]), int(rest[2])
        else:
            current[pid].end = ns
    for attempt in attempts:
        if attempt.end == NEVER and attempt.pid in deaths:
            attempt.end, attempt.killed = deaths[attempt.pid], True
    return attempts


def _judge(attempts: list[Attempt], witness: Witness) -> None:
    held = defaultdict(list)
    crashed = {attempt.left_by for attempt in attempts}
    for attempt in attempts:
        if attempt.got != NEVER:
            held[attempt.key].append(attempt)
            witness.acquisitions += 1
            witness.kills_while_holding += attempt.killed
    for key, holders in held.items():
        holders.sort(key=lambda one: one.got)
        for before, after in pairwise(holders):
            if after.got < before.end:
                witness.overlaps.append(f"{key}: {before} and {after}")
            if before.killed and not after.left_by:
                witness.unnoticed_crashes.append(f"{key}: {before} and {after}")
        for lucky in holders:
            witness.overtaken += [
                f"{lucky} before {waiter}"
                for waiter in attempts
                if key in waiter.keys and waiter.visible < lucky.called and _still_waited(waiter, lucky, crashed)
            ]


def _still_waited(waiter: Attempt, lucky: Attempt, crashed: set[int]) -> bool:
    if waiter.got == NEVER:
        # killed in line, or after it got a device and before it could say so
        return lucky.got < waiter.end and waiter.pid not in crashed
    return lucky.since < waiter.since


def _work(folder: Path, devices: int, seed: float) -> None:
    from pytest_edgedevice.leases import Holder, acquire
    from pytest_edgedevice.leases import lease as lease_module

    lease_module._FIRST_NOTICE_S = 0.0  # be told at once, so that the log knows who stood in line
    rng = random.Random(seed)
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND)
    names = [f"device{number}" for number in range(devices)]
    me = Holder.here()

    def say(what: str, *rest: str) -> None:
        os.write(log, " ".join([str(os.getpid()), what, str(time.monotonic_ns()), *rest, "\n"]).encode())

    while True:
        keys = rng.sample(names, rng.choice([1, 1, 1, 2, devices]))
        say("call", *keys)
        lease = acquire(keys, holder=me, wait_s=300, on_wait=lambda _: say("visible"))
        say("got", lease.key, repr(lease.holder.since), str(lease.dirty.pid) if lease.dirty else "0")
        time.sleep(rng.choice([0, 0.001, 0.005, 0.05]))
        say("end")
        lease.release()


if __name__ == "__main__":
    _work(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
