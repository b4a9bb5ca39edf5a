from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases import Holder, Waiting, acquire, queue
from pytest_edgedevice.leases import lease as lease_module
from pytest_edgedevice.leases.lockfile import LockFile

if TYPE_CHECKING:
    from pathlib import Path

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
        assert acquire(["a", "b"], holder=ME, wait_s=0).key == "b"


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


def test_a_waiter_is_told_place_holder_test_and_age(folder: Path) -> None:
    seen: list[Waiting] = []
    with (
        acquire("phone", holder=Holder(user="bob", pid=7, host="lab", test="t.py::t"), wait_s=0),
        pytest.raises(DeviceBusyError),
    ):
        acquire("phone", holder=ME, wait_s=1.0, on_wait=seen.append)
    (only,) = seen
    assert (only.keys, only.place, only.sibling) == (("phone",), 1, False)
    assert only.waited_s < 1
    assert str(only).startswith(
        "waiting for the device 'phone': place 1, held by bob (pid 7 on lab), test t.py::t, for "
    )


def test_a_waiter_is_told_again_and_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "_FIRST_NOTICE_S", 0.0)
    monkeypatch.setattr(lease_module, "_NOTICE_EVERY_S", 0.0)
    seen: list[Waiting] = []
    with acquire("phone", holder=ME, wait_s=0), pytest.raises(DeviceBusyError):
        acquire("phone", holder=ME, wait_s=0.2, on_wait=seen.append)
    assert len(seen) > 1


def test_a_listener_that_raises_leaves_the_line(folder: Path) -> None:
    def interrupt(_: Waiting) -> None:
        raise KeyboardInterrupt

    with acquire("phone", holder=ME, wait_s=0), pytest.raises(KeyboardInterrupt):
        acquire("phone", holder=ME, wait_s=30, on_wait=interrupt)
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


def test_one_spoilt_slot_is_passed_over(folder: Path) -> None:
    (folder / "ticket-000").mkdir(parents=True)
    with acquire("phone", holder=ME, wait_s=0), pytest.raises(DeviceBusyError):
        acquire("phone", holder=ME, wait_s=0.05)


def test_a_folder_of_spoilt_slots_is_an_error(folder: Path) -> None:
    for index in range(3):
        (folder / f"ticket-00{index}").mkdir(parents=True)
    with acquire("phone", holder=ME, wait_s=0), pytest.raises(LeaseError, match="Is a directory"):
        acquire("phone", holder=ME, wait_s=0.05)


def test_a_line_without_end_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MAX_WAITERS", 0)
    with acquire("phone", holder=ME, wait_s=0), pytest.raises(LeaseError, match="0 others wait"):
        acquire("phone", holder=ME, wait_s=0.05)


def test_an_old_wait_polls_calmly(folder: Path) -> None:
    waiting = lease_module._Acquisition(folder, ("phone",), ME, on_wait=None, wanted="phone")
    eager = waiting._pause_s(0)
    waiting._started = time.monotonic() - 60
    assert eager < waiting._pause_s(0) < waiting._pause_s(50) <= 0.1
