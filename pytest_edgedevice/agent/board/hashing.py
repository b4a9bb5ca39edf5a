"""A hash that is taken in a thread, behind whoever writes or sends a file: for both ends of a transfer.

It reads the file again: that is cheaper than to keep what went by, and memory stays what it was.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from typing import Any, Optional

PIECE_BYTES = 1 << 20
MOST_BEHIND_BYTES = 16 << 20


class Hashing:
    """SHA-256 of a file's content, up to where somebody has come.

    Args:
        descriptor: The file; nobody's position in it is moved. It must stay open until ``end``.
        digest: What was hashed before; owned from here on.
        start: Where that ended.
    """

    def __init__(self, descriptor: int, digest: Optional[Any] = None, *, start: int = 0) -> None:
        self._descriptor = descriptor
        self._digest = digest if digest is not None else hashlib.sha256()
        self._at = self._reached = start
        self._over = False
        self._error: Optional[OSError] = None
        self._news = threading.Condition()
        self._thread: Optional[threading.Thread] = None

    def reach(self, end: int, *, last: bool = False) -> None:
        """Hash up to here; waits only for a thread that is far behind.

        Args:
            end: Offset in the file.
            last: Whether all is there with it; a thread is not worth it then.
        """
        if self._thread is None and last:
            self._reached = end
            self._hash(end)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        with self._news:
            self._reached = end
            self._news.notify_all()
            while end - self._at > MOST_BEHIND_BYTES and self._error is None:
                self._news.wait()

    def _work(self) -> None:
        while True:
            with self._news:
                while self._reached - self._at < PIECE_BYTES and not self._over:
                    self._news.wait()
                end = self._reached
            self._hash(end)
            with self._news:
                self._news.notify_all()
                if self._error is not None or (self._over and self._at == self._reached):
                    return

    def _hash(self, end: int) -> None:
        buffer = memoryview(bytearray(min(PIECE_BYTES, max(end - self._at, 0))))
        try:
            while self._at < end:
                count = os.preadv(self._descriptor, [buffer[: end - self._at]], self._at)
                if not count:
                    self._error = OSError(errno.ENODATA, "it became shorter meanwhile")
                    return
                self._digest.update(buffer[:count])
                self._at += count
        except OSError as error:
            self._error = error

    def hexdigest(self) -> str:
        """The hash of all up to the place that was reached last, once the thread has come there.

        Raises:
            OSError: The file cannot be read.
        """
        self.end()
        if self._error is not None:
            raise self._error
        return str(self._digest.hexdigest())

    def end(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            with self._news:
                self._over = True
                self._news.notify_all()
            self._thread.join()  # it does nothing but hash what is there
            self._thread = None
