"""The board's own lock, taken for the host beside the helper's other work."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, Callable, Optional

if TYPE_CHECKING:
    from pytest_edgedevice.agent.board.line import Line
    from pytest_edgedevice.agent.wire import Header

Hold = Callable[..., Any]
"""Called with the holder's record, ``folder``, ``wait_s`` and ``tell``; gives a lease with ``crashed`` and ``release``.

It gives None when the host holds this very lock already, as it does where both ends are one machine.
"""


MOST_CRASHED = 16


class Guard:
    """At most one lock, waited for in a thread.

    Attributes:
        wake: Readable when ``tell`` has something to say.
    """

    def __init__(self, hold: Hold, folder: str) -> None:
        self._hold = hold
        self._folder = folder
        self._lease: Optional[Any] = None
        self._asked = False
        self._news: queue.Queue[Header] = queue.Queue()
        self.wake, self._waker = os.pipe()

    def take(self, number: int, record: bytes, wait_s: float) -> None:
        """Begin to wait; the news of it comes by ``tell``.

        Raises:
            ValueError: That was asked before.
        """
        if self._asked:
            raise ValueError("the lock was asked for already")
        self._asked = True
        threading.Thread(target=self._wait, args=(number, record, wait_s), daemon=True).start()

    def _wait(self, number: int, record: bytes, wait_s: float) -> None:
        def tell(text: object) -> None:
            self._say({"op": "waiting", "id": number, "text": str(text)[:2000]})

        try:
            self._lease = self._hold(record, folder=self._folder, wait_s=wait_s, tell=tell)
        except Exception as error:  # noqa: BLE001 - whatever it is, the host must hear of it
            self._asked = False
            busy = type(error).__name__ == "DeviceBusyError"
            message, hint = str(getattr(error, "message", error))[:2000], str(getattr(error, "hint", ""))[:500]
            kind = "busy" if busy else "lease"
            self._say({"op": "failed", "id": number, "kind": kind, "message": message, "hint": hint})
            return
        crashed = list(getattr(self._lease, "crashed", ()))[:MOST_CRASHED]
        told = [{"who": str(one)[:2000], "folder": str(one.folder)[:4096]} for one in crashed]
        self._say({"op": "guarded", "id": number, "crashed": told})

    def _say(self, news: Header) -> None:
        self._news.put(news)
        os.write(self._waker, b"!")

    def tell(self, line: Line) -> None:
        """Send the news."""
        os.read(self.wake, 64)
        with contextlib.suppress(queue.Empty):
            while True:
                line.send(self._news.get_nowait())

    def release(self) -> None:
        """Hand the lock back, in good order."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None
