from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder, Waiting, acquire, queue
from pytest_edgedevice.leases.lockfile import LockFile

ROOT = Path(__file__).parents[3]
Start = Callable[..., Any]
ME = Holder(user="ada", pid=1)


def test_waiters_are_served_in_the_order_in_which_they_came(folder: Path, actor: Start) -> None:
    with acquire("phone", holder=ME, wait_s=0):
        waiters = []
        for place in range(1, 5):
            waiters.append(actor("phone", "--wait-s", "60"))
            assert waiters[-1].until("waiting") == ["waiting", str(place)]
    for number, waiter in enumerate(waiters):
        waiter.until("got")
        assert queued(folder) == len(waiters) - number - 1
        waiter.release()


def queued(folder: Path) -> int:
    return len(list(queue.live_tickets(folder)))


def test_a_newcomer_does_not_overtake_a_waiter(folder: Path, actor: Start) -> None:
    """Also when the device becomes free at that very moment: the waiter is stopped, but still fresh."""
    with acquire("phone", holder=ME, wait_s=0):
        waiter = actor("phone", "--wait-s", "60")
        waiter.until("waiting")
        waiter.process.send_signal(signal.SIGSTOP)
    with pytest.raises(DeviceBusyError, match="wanted by others who came first"):
        acquire("phone", holder=ME, wait_s=0)
    waiter.process.send_signal(signal.SIGCONT)
    waiter.until("got")


def test_a_dead_waiter_vanishes(folder: Path, actor: Start) -> None:
    with acquire("phone", holder=ME, wait_s=0):
        first = actor("phone", "--wait-s", "60")
        first.until("waiting")
        second = actor("phone", "--wait-s", "60")
        assert second.until("waiting") == ["waiting", "2"]
        first.process.kill()
        first.process.wait()
    second.until("got")
    third = actor("phone", "--wait-s", "60")
    assert third.until("waiting") == ["waiting", "1"]
    # its slot is used again: the folder does not grow with every crash
    assert len(list(folder.glob("ticket-*"))) <= 2


def test_a_stopped_waiter_is_overtaken_after_a_while_and_keeps_its_place(folder: Path, actor: Start) -> None:
    with acquire("phone", holder=ME, wait_s=0):
        first = actor("phone", "--wait-s", "60")
        first.until("waiting")
        first.process.send_signal(signal.SIGSTOP)
    with acquire("phone", holder=ME, wait_s=30):
        third = actor("phone", "--wait-s", "60")
        third.until("waiting")
        first.process.send_signal(signal.SIGCONT)
        for _ in range(6000):
            if all(seen.awake for seen in queue.live_tickets(folder)):
                break
            threading.Event().wait(0.01)
    first.until("got")


def test_a_process_stopped_in_the_bookkeeping_is_passed_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "BOOKKEEPING_WAIT_S", 0.05)
    seen: list[Waiting] = []
    with acquire("phone", holder=ME, wait_s=0), LockFile(folder / "queue.lock") as stuck:
        assert stuck.try_lock()
        stuck.write(b"4711\n")
        with pytest.raises(DeviceBusyError):
            acquire("phone", holder=ME, wait_s=1.0, on_wait=seen.append)
    assert "stuck in process 4711" in seen[0].note
    assert "stuck in process 4711" in str(seen[0])


def test_of_a_pool_the_one_that_becomes_free_is_taken(folder: Path, actor: Start) -> None:
    with acquire("a", holder=ME, wait_s=0):
        b = acquire("b", holder=ME, wait_s=0)
        waiter = actor("a", "b", "--wait-s", "60")
        waiter.until("waiting")
        b.release()
        assert waiter.until("got")[1] == "b"


def test_who_wants_another_device_is_not_held_up(folder: Path, actor: Start) -> None:
    with acquire("a", holder=ME, wait_s=0):
        waiter = actor("a", "--wait-s", "60")
        waiter.until("waiting")
        with acquire(["a", "b"], holder=ME, wait_s=0) as lease:
            assert lease.key == "b"


def test_an_earlier_waiter_for_a_pool_goes_before_a_later_one_for_a_part_of_it(folder: Path, actor: Start) -> None:
    a = acquire("a", holder=ME, wait_s=0)
    b = acquire("b", holder=ME, wait_s=0)
    pool = actor("a", "b", "--wait-s", "60")
    pool.until("waiting")
    single = actor("b", "--wait-s", "60")
    assert single.until("waiting") == ["waiting", "2"]
    b.release()
    assert pool.until("got")[1] == "b"
    a.release()
    pool.release()
    single.until("got")


def test_a_time_out_names_the_holder_and_the_place(folder: Path) -> None:
    with (
        acquire("phone", holder=ME, wait_s=0),
        pytest.raises(DeviceBusyError, match=r"held by ada \(pid 1\), for \d s; waited \d s, place 1 in line"),
    ):
        acquire("phone", holder=ME, wait_s=0.05)
    assert queued(folder) == 0


def test_waiting_for_a_sibling_worker_is_not_counted(folder: Path) -> None:
    seen: list[Waiting] = []
    sibling = acquire("phone", holder=Holder(pid=1, run_id="r"), wait_s=0)

    def hand_over(waiting: Waiting) -> None:
        seen.append(waiting)
        sibling.release()

    with acquire("phone", holder=Holder(pid=2, run_id="r"), wait_s=0, on_wait=hand_over) as lease:
        assert lease.held
    assert seen[0].sibling


def test_waiting_for_a_sibling_worker_has_a_bound_too(folder: Path) -> None:
    with acquire("phone", holder=Holder(pid=1, run_id="r"), wait_s=0), pytest.raises(DeviceBusyError):
        acquire("phone", holder=Holder(pid=2, run_id="r"), wait_s=0, sibling_wait_s=0.05)


def test_waiting_for_oneself_counts(folder: Path) -> None:
    mine = Holder(pid=1, run_id="r")
    with acquire("phone", holder=mine, wait_s=0), pytest.raises(DeviceBusyError):
        acquire("phone", holder=mine, wait_s=0.05)


def test_a_waiter_in_another_thread_is_served(folder: Path) -> None:
    lease = acquire("phone", holder=ME, wait_s=0)
    waiting = threading.Event()
    got: list[str] = []

    def wait() -> None:
        with acquire("phone", holder=ME, wait_s=30, on_wait=lambda _: waiting.set()) as mine:
            got.append(mine.key)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waiting.wait(30)
    lease.release()
    thread.join(30)
    assert got == ["phone"]


def test_a_real_process_stopped_in_the_bookkeeping_holds_up_nobody_for_long(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "BOOKKEEPING_WAIT_S", 0.05)
    folder.mkdir()
    seen: list[Waiting] = []
    code = (
        "import os, signal; from pathlib import Path\n"
        "if 'EDGEDEVICE_TEST_POSIXLESS' in os.environ: import posixless\n"
        "from pytest_edgedevice.leases import queue\n"
        "with queue._bookkeeping(Path(os.environ['EDGEDEVICE_LOCKS'])):\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as stopped:
        _, status = os.waitpid(stopped.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        with acquire("phone", holder=ME, wait_s=0), pytest.raises(DeviceBusyError):
            acquire("phone", holder=ME, wait_s=1.0, on_wait=seen.append)
        stopped.kill()
    assert f"stuck in process {stopped.pid}" in seen[0].note


def test_waiters_for_pools_are_served_in_order(folder: Path, actor: Start) -> None:
    held = {key: acquire(key, holder=ME, wait_s=0) for key in "abc"}
    line = []
    for place, keys in enumerate(["ab", "bc", "abc", "c"], start=1):
        line.append(actor(*keys, "--wait-s", "60"))
        # the last one does not want what the first one wants
        assert line[-1].until("waiting") == ["waiting", str(place if place < 4 else 3)]
    held["c"].release()
    assert line[1].until("got")[1] == "c"
    line[1].release()
    assert line[2].until("got")[1] == "c"
    line[2].release()
    assert line[3].until("got")[1] == "c"
    held["b"].release()
    assert line[0].until("got")[1] == "b"
    held["a"].release()
