"""The loop in which the library for iPhones works: deadlines, interrupts, forks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from pytest_edgedevice.errors import DeadlineError
from pytest_edgedevice.testing.device import in_forked_child
from pytest_edgedevice.transports.usbmux import loop
from pytest_edgedevice.transports.usbmux.loop import finished

LONG_S = 60.0


async def at_once() -> threading.Thread:
    return threading.current_thread()


def test_all_of_it_is_done_in_one_thread_that_ends_with_the_process() -> None:
    first, second = (finished(at_once, timeout_s=LONG_S) for _ in range(2))
    assert (first is second, first.daemon, first is threading.main_thread()) == (True, True, False)


def test_whoever_has_a_loop_can_use_it() -> None:
    async def caller() -> threading.Thread:
        return finished(at_once, timeout_s=LONG_S)

    assert asyncio.run(caller()).daemon


def test_what_takes_too_long_is_cancelled_and_may_clean_up() -> None:
    cleaned = threading.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(LONG_S)
        finally:
            cleaned.set()

    with pytest.raises(DeadlineError, match=r"no answer came within 0\.05 s"):
        finished(slow, timeout_s=0.05)
    assert cleaned.wait(LONG_S)


def test_an_error_comes_through() -> None:
    async def wrong() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        finished(wrong, timeout_s=LONG_S)


def test_whoever_blocks_the_loop_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "GRACE_S", 0.05)
    over = threading.Event()

    async def blocking() -> None:
        over.wait(LONG_S)

    stuck = finished(at_once, timeout_s=LONG_S)
    try:
        with pytest.raises(DeadlineError):
            finished(blocking, timeout_s=0.05)
        assert finished(at_once, timeout_s=LONG_S) is not stuck
    finally:
        over.set()


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    finished(at_once, timeout_s=LONG_S)
    assert in_forked_child(lambda: finished(at_once, timeout_s=LONG_S).is_alive())


def test_an_interrupt_ends_the_wait_and_what_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    began, cleaned = threading.Event(), threading.Event()

    async def slow() -> None:
        began.set()
        try:
            await asyncio.sleep(LONG_S)
        finally:
            cleaned.set()

    def interrupted(*_: object) -> None:
        assert began.wait(LONG_S)
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finished(slow, timeout_s=LONG_S)
    assert cleaned.wait(LONG_S)


def test_what_breaks_behind_a_given_up_connection_is_for_a_log_only(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "gone"})

    finished(breaks, timeout_s=LONG_S)
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_whoever_comes_after_the_end_gets_another_loop() -> None:
    first = finished(at_once, timeout_s=LONG_S)
    loop._end()
    loop._end()
    assert not first.is_alive()
    assert finished(at_once, timeout_s=LONG_S) is not first


def test_a_process_that_used_it_ends_without_a_word() -> None:
    program = (
        "from pytest_edgedevice.transports.usbmux.loop import finished\n"
        "async def nothing(): pass\n"
        "finished(nothing, timeout_s=60)\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", program], capture_output=True, timeout=LONG_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_was_interrupted_may_close_what_it_opened_before_the_end() -> None:
    """Closing takes a while, and an interrupted program ends at once."""
    closed = []
    begun = threading.Event()

    async def closing() -> None:
        try:
            begun.set()
            await asyncio.sleep(600)
        finally:
            await asyncio.sleep(0.05)
            closed.append(True)

    asked = asyncio.run_coroutine_threadsafe(closing(), loop._running())
    assert begun.wait(LONG_S)
    asked.cancel()
    loop._end()
    assert closed == [True]
