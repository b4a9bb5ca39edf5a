"""Memory and processor time of the agent's own process, and what becomes of a system that tells none."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.agent import engines, resources
from pytest_edgedevice.agent.energy import Meter
from pytest_edgedevice.agent.engines.base import LoadOptions
from pytest_edgedevice.agent.resources import MemoryWatch, work

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20


@pytest.fixture
def status(tmp_path: Path) -> Path:
    path = tmp_path / "status"
    path.write_text("Name:\tagent\nVmHWM:\t   90000 kB\nVmRSS:\t   50000 kB\n")
    return path


def watch(status: Path, clear_refs: Path) -> MemoryWatch:
    return MemoryWatch(str(status), str(clear_refs))


def test_the_peak_is_told_beside_what_was_there_before(status: Path, tmp_path: Path) -> None:
    reset = tmp_path / "clear_refs"
    reset.touch()
    memory = watch(status, reset)
    memory.begin()
    status.write_text("VmHWM:\t   70000 kB\nVmRSS:\t   60000 kB\n")
    assert memory.told() == (
        {
            "peak_bytes": 70000 * 1024,
            "before_load_bytes": 50000 * 1024,
            "counter": "VmHWM since the load began",
        },
        "",
    )
    assert reset.read_bytes() == b"5"


def test_a_peak_that_cannot_be_reset_is_said_to_be_of_the_whole_process(status: Path, tmp_path: Path) -> None:
    memory = watch(status, tmp_path / "absent" / "clear_refs")
    memory.begin()
    told, _ = memory.told()
    assert told is not None
    assert (told["counter"], told["peak_bytes"]) == ("VmHWM since the agent started", 90000 * 1024)


def test_what_was_there_before_is_never_above_the_peak(status: Path, tmp_path: Path) -> None:
    memory = watch(status, tmp_path / "x" / "y")
    memory.begin()
    status.write_text("VmHWM:\t   40000 kB\n")
    told, _ = memory.told()
    assert told is not None
    assert told["before_load_bytes"] == told["peak_bytes"] == 40000 * 1024


@pytest.mark.parametrize("content", ["", "VmHWM:\nVmRSS:\n", "VmHWM: many kB\nVmRSS: few kB\n"])
def test_another_counter_is_used_where_the_status_tells_nothing(status: Path, tmp_path: Path, content: str) -> None:
    status.write_text(content)
    memory = watch(status, tmp_path / "x" / "y")
    memory.begin()
    told, problem = memory.told()
    assert told is not None
    assert (told["counter"], problem) == ("ru_maxrss since the agent started", "")
    assert MIB < told["before_load_bytes"] <= told["peak_bytes"] < 1 << 40


def test_a_system_without_any_counter_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    memory = watch(tmp_path / "absent", tmp_path / "x" / "y")
    memory.begin()
    assert memory.told() == (None, "this system tells neither VmHWM nor ru_maxrss of a process")


def test_nothing_is_told_before_a_load(status: Path, tmp_path: Path) -> None:
    assert watch(status, tmp_path / "x").told()[0] is None


def test_a_real_process_grows_by_what_it_takes() -> None:
    memory = MemoryWatch()
    memory.begin()
    ballast = b"x" * (64 * MIB)
    told, _ = memory.told()
    assert told is not None
    assert told["peak_bytes"] - told["before_load_bytes"] >= 0.9 * len(ballast)


@pytest.mark.parametrize(("system", "expected"), [("Darwin", 4096), ("Linux", 4096 * 1024)])
def test_units_of_the_other_counter_are_the_systems(
    monkeypatch: pytest.MonkeyPatch, system: str, expected: int
) -> None:
    import os
    import resource
    import types

    monkeypatch.setattr(os, "uname", lambda: types.SimpleNamespace(sysname=system))
    monkeypatch.setattr(resource, "getrusage", lambda _: types.SimpleNamespace(ru_maxrss=4096))
    assert resources._max_rss() == expected


@dataclass
class Ticking(Meter):
    """Counts its ticks as microjoules."""

    seen: list[int] = field(default_factory=list)

    def start(self, now_ns: int) -> None:
        self.seen = [now_ns]

    def tick(self, now_ns: int) -> None:
        self.seen.append(now_ns)

    def stop(self, now_ns: int) -> tuple[int | None, str]:
        return len(self.seen), ""


class Steps:
    """A clock that moves by the same step at each reading."""

    def __init__(self, step_ns: int) -> None:
        self.now = 0
        self._step_ns = step_ns

    def __call__(self) -> int:
        self.now += self._step_ns
        return self.now


def test_work_ends_after_its_runs() -> None:
    ran: list[int] = []
    meter = Ticking()
    done = work(lambda: ran.append(1), runs=4, max_ns=10**9, meter=meter, clock=Steps(100), cpu_clock=Steps(30))
    assert (done.inferences, len(ran), done.wall_ns, done.cpu_ns, done.energy_uj) == (4, 4, 400, 30, 5)
    assert meter.seen == [100, 200, 300, 400, 500]


def test_work_ends_after_its_time_but_not_before_the_first_run() -> None:
    done = work(lambda: None, runs=1000, max_ns=250, meter=Meter("no"), clock=Steps(100), cpu_clock=Steps(1))
    assert (done.inferences, done.energy_uj, done.energy_problem) == (3, None, "no")
    assert work(lambda: None, runs=9, max_ns=0, meter=Meter(), clock=Steps(1), cpu_clock=Steps(1)).inferences == 1


def test_a_clock_that_stands_still_gives_no_time_of_zero() -> None:
    done = work(lambda: None, runs=2, max_ns=1, meter=Meter(), clock=Steps(0), cpu_clock=Steps(-5))
    assert (done.wall_ns, done.cpu_ns) == (1, 0)


def test_an_engine_that_does_not_import_is_told_by_the_load_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "installed", lambda: {"litert": "1"})
    monkeypatch.setitem(engines.MODULES, "litert", "no.such.module")
    engines.warm(LoadOptions())


@pytest.mark.parametrize("options", [LoadOptions(delegate="gpu"), LoadOptions(engine="warp"), LoadOptions()])
def test_warming_an_engine_never_fails(options: Any) -> None:
    engines.warm(options)
