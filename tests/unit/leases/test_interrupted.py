"""Ctrl-C, threads and careless callers: a lock never stays without somebody who can let go of it."""

from __future__ import annotations

import os
import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_edgedevice.leases import Holder, Lease, acquire, lease, queue, who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ME = Holder(user="ada", pid=12, host="lab1")


@pytest.fixture(autouse=True)
def _no_words_on_unclosed_files() -> Iterator[None]:
    """That a file was closed by nobody is what these tests are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


def interrupted(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


def take() -> Lease:
    return acquire("phone", holder=ME, wait_s=0)


def test_ctrl_c_when_the_lock_was_just_taken_frees_the_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(lease, "Lease", interrupted)
        with pytest.raises(KeyboardInterrupt):
            take()
    with take() as taken:
        assert [one.user for one in taken.crashed] == ["ada"]


def test_ctrl_c_while_a_waiter_leaves_the_line_with_its_device_frees_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = take()
    monkeypatch.setattr(queue.Ticket, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        acquire("phone", holder=ME, wait_s=60, on_wait=lambda _: held.release())
    assert who("phone") is None


def test_a_lease_that_nobody_has_any_more_ends(folder: Path) -> None:
    take()
    with take() as again:
        assert again.held


def test_interrupted_attempts_leave_no_open_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take().release()
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - that of pathlib reads them one by one
    with monkeypatch.context() as patched:
        patched.setattr(lease, "Lease", interrupted)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                take()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_an_update_while_another_thread_hands_back_leaves_no_record(folder: Path) -> None:
    held = take()
    updating = threading.Thread(target=lambda: held.update(test="late"))

    def meanwhile(close: Callable[[], None]) -> None:
        updating.start()
        updating.join(0.2)  # it ends within that where it does not have to wait for us
        close()

    close = held._traces.close
    held._traces.close = lambda: meanwhile(close)  # type: ignore[method-assign]
    held.release()
    updating.join()
    with take() as taken:
        assert taken.crashed == ()
