from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import Holder, Waiting, acquire, queue
from pytest_edgedevice.leases import waiting as lease_module

if TYPE_CHECKING:
    from pathlib import Path

ME = Holder(user="ada", pid=1)


def queued(folder: Path) -> int:
    return len(list(queue.live_tickets(folder)))


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


def test_an_old_wait_polls_calmly(folder: Path) -> None:
    waiting = lease_module._Acquisition(folder, ("phone",), ME, shared=False, on_wait=None, wanted="phone")
    eager = waiting._pause_s(0)
    waiting._started = time.monotonic() - 60
    assert eager < waiting._pause_s(0) < waiting._pause_s(50) <= 0.1


def test_the_first_notice_comes_within_a_second(folder: Path) -> None:
    """By the schedule of notices, not by a clock: the machine that runs this may be slow."""
    told = lease_module._FIRST_NOTICE_S + lease_module._Acquisition(
        folder, ("phone",), ME, shared=False, on_wait=None, wanted=""
    )._pause_s(1000)
    assert told < 1
    assert lease_module._NOTICE_EVERY_S == 10
