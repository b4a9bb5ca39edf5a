"""The one event loop in which the phones' library works, in a thread of its own; a forked child gets another.

Its coroutines and sockets belong to the loop that they were made in, and our callers have no loop, or one of their own.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_edgedevice.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

GRACE_S = 5.0
"""What a coroutine may take beyond its deadline to close what it opened; one that takes longer never comes back."""
END_S = 2.0

_log = logging.getLogger(__name__)
_guard = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []
"""The last one is in use; those before it are stuck, or a parent's: kept, so that nobody collects them."""
_own = False
_thread: threading.Thread | None = None


def finished(make: Callable[[], Coroutine[Any, Any, T]], *, timeout_s: float) -> T:
    """What a coroutine comes back with; it is cancelled when its time is up, or when somebody interrupts us.

    Args:
        make: Makes the coroutine, in the loop's thread.
        timeout_s: Deadline, seconds.

    Raises:
        DeadlineError: It was not done in time.
    """

    async def bounded() -> T:
        async with asyncio.timeout(max(timeout_s, 0)):
            return await make()

    loop = _running()
    future = asyncio.run_coroutine_threadsafe(bounded(), loop)
    try:
        return future.result(max(timeout_s, 0) + GRACE_S)
    except TimeoutError:
        if not future.done():
            _abandon(loop)
        raise DeadlineError(f"no answer came within {timeout_s:.3g} s") from None
    finally:
        future.cancel()


def _running() -> asyncio.AbstractEventLoop:
    global _own, _thread  # noqa: PLW0603 - there is one for the whole process
    with _guard:
        if not _own:
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(_noted)
            _loops.append(loop)
            _thread = threading.Thread(target=loop.run_forever, name="edgedevice-usbmux", daemon=True)
            _thread.start()
            _own = True
        return _loops[-1]


def _abandon(loop: asyncio.AbstractEventLoop) -> None:
    """Somebody blocks the loop: whoever comes next gets another one."""
    global _own  # noqa: PLW0603
    with _guard:
        if _own and loop is _loops[-1]:
            _own = False


def _noted(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What broke behind a connection that is given up: whoever asked was told already, and a log is the user's own."""
    _log.debug("in the loop for phones: %s", context.get("message"))


def _forget() -> None:
    """A forked child has none of its parent's threads, so that nobody runs the loop there."""
    global _own, _guard  # noqa: PLW0603
    _own = False
    _guard = threading.Lock()


async def _stopped(loop: asyncio.AbstractEventLoop) -> None:
    """Have what is under way close what it opened, as somebody may have interrupted us, and stop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        if not task.cancelling():  # whoever is cancelled already is closing
            task.cancel()
    if others:
        await asyncio.wait(others, timeout=END_S / 2)
    loop.stop()


def _end() -> None:
    global _own  # noqa: PLW0603
    with _guard:
        if not _own or _thread is None:
            return
        loop, thread = _loops.pop(), _thread
        kept: list[asyncio.Task[None]] = []  # a loop keeps none of its tasks itself
        _own = False
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(lambda: kept.append(loop.create_task(_stopped(loop))))
    thread.join(END_S)
    if not thread.is_alive():
        loop.close()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
