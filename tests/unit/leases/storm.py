"""A storm over the leases; what it did to them is judged by ``witness.py``.

One process forks workers, kills and stops them at random, and notes each death. The
workers acquire random devices, now and then shared, and say so in one append-only log.
At the end somebody looks at every device, so that no crash can hide behind the last lease.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[3]
LIMIT_S = 3600.0  # an end for a storm that hangs; a sound one is over long before


def run_storm(
    folder: Path, *, processes: int, devices: int, acquisitions: int, seed: int, limit_s: float = LIMIT_S
) -> Any:
    """Let the storm rage until so many acquisitions were made, or its time is over; give what the witness saw."""
    environment = {**os.environ, "EDGEDEVICE_LOCKS": str(folder / "locks"), "PYTHONPATH": str(ROOT)}
    numbers = [str(number) for number in (processes, devices, acquisitions, seed, limit_s)]
    # a process of its own, small and with one thread: it forks, which is much cheaper than starting Python anew
    subprocess.run([sys.executable, __file__, str(folder), *numbers], env=environment, check=True)
    deaths = json.loads((folder / "deaths.json").read_text())
    return _witness().judge((folder / "log.txt").read_text().splitlines(), **deaths)


def _witness() -> Any:
    spec = importlib.util.spec_from_file_location("lease_witness", Path(__file__).with_name("witness.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["lease_witness"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def rage(folder: Path, processes: int, devices: int, acquisitions: int, seed: int, limit_s: float) -> None:
    rng = random.Random(seed)
    log = folder / "log.txt"
    log.touch()
    deaths: dict[int, int] = {}
    stops = 0

    def start() -> int:
        own_seed = rng.random()
        return _fork(lambda: work(folder, devices, own_seed))

    def kill(pid: int) -> None:
        deaths[pid] = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), "a worker ended by itself, with the error above"

    workers = [start() for _ in range(processes)]
    deadline = time.monotonic() + limit_s
    got = _Counter(log)
    while time.monotonic() < deadline and got.count() < acquisitions:
        time.sleep(rng.uniform(0.02, 0.1))
        index = rng.randrange(processes)
        if rng.random() < 0.4:
            kill(workers[index])
            workers[index] = start()
        else:
            os.kill(workers[index], signal.SIGSTOP)
            time.sleep(rng.uniform(0.01, 0.1))
            os.kill(workers[index], signal.SIGCONT)
            stops += 1
    kills = len(deaths)
    for worker in workers:
        kill(worker)
    _, status = os.waitpid(_fork(lambda: look(folder, devices)), 0)
    assert status == 0, "the devices could not be looked at"
    told = {"deaths": {str(pid): ns for pid, ns in deaths.items()}, "kills": kills, "stops": stops}
    (folder / "deaths.json").write_text(json.dumps(told))


class _Counter:
    """Counts acquisitions in the growing log, reading each part of it once."""

    def __init__(self, log: Path) -> None:
        self._file = log.open("rb")
        self._found = 0

    def count(self) -> int:
        self._found += self._file.read().count(b" got ")  # lines are written whole, by one call each
        return self._found


def _fork(part: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            part()
        except BaseException:  # noqa: BLE001  # nothing may leave a forked child
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


class _Worker:
    def __init__(self, folder: Path) -> None:
        from pytest_edgedevice.leases import Holder, waiting

        waiting._FIRST_NOTICE_S = 0.0  # be told at once, so that the log knows who stood in line
        self._log = os.open(folder / "log.txt", os.O_WRONLY | os.O_APPEND)
        self._me = Holder.here()

    def say(self, what: str, *rest: str) -> None:
        os.write(self._log, " ".join([str(os.getpid()), what, str(time.monotonic_ns()), *rest, "\n"]).encode())

    def hold(self, keys: list[str], *, shared: bool, for_s: float) -> None:
        from pytest_edgedevice.leases import acquire

        self.say("call", "shared" if shared else "alone", *keys)
        lease = acquire(keys, holder=self._me, wait_s=600, on_wait=lambda _: self.say("visible"), shared=shared)
        self.say("got", lease.key, repr(lease.holder.since), *(str(holder.pid) for holder in lease.crashed))
        time.sleep(for_s)
        self.say("end")
        lease.release()


def work(folder: Path, devices: int, seed: float) -> NoReturn:
    rng = random.Random(seed)
    names = [f"device{number}" for number in range(devices)]
    worker = _Worker(folder)
    while True:
        keys = rng.sample(names, rng.choice([1, 1, 1, 2, devices]))
        worker.hold(keys, shared=rng.random() < 0.3, for_s=rng.choice([0, 0.001, 0.005, 0.05]))


def look(folder: Path, devices: int) -> None:
    worker = _Worker(folder)
    for number in range(devices):
        worker.hold([f"device{number}"], shared=False, for_s=0)


if __name__ == "__main__":
    from pytest_edgedevice.leases import acquire  # noqa: F401  # once, before all forks

    several, many, enough, start_at = map(int, sys.argv[2:6])
    rage(Path(sys.argv[1]), several, many, enough, start_at, float(sys.argv[6]))
