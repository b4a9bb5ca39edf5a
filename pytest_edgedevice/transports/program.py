"""A program that runs to its end on this machine: input in, output and errors out, within limits."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.writing import views_of, write_some
from pytest_edgedevice.errors import DeadlineError, TransportError
from pytest_edgedevice.transports.pipes import LONGEST_POLL_S

if TYPE_CHECKING:
    from collections import deque

CHUNK_BYTES = 65536


def converse(child: subprocess.Popen[bytes], stdin: bytes, *, timeout_s: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Give a child its input and take its output and its errors, to the end of both; ``communicate`` with a limit.

    Args:
        child: Made with three pipes; the caller kills it if this raises.
        stdin: All of its input.
        timeout_s: Deadline, seconds.
        most_bytes: Longest output, and longest errors.

    Raises:
        TransportError: It says more than that.
        DeadlineError: It did not end in time.
    """
    assert child.stdin
    assert child.stdout
    assert child.stderr
    deadline = time.monotonic() + timeout_s
    unsent = views_of([stdin])
    said = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as waiting:
        os.set_blocking(child.stdin.fileno(), False)
        waiting.register(child.stdin, selectors.EVENT_WRITE)
        for file in said:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DeadlineError("it did not end in time")
            for key, _ in waiting.select(min(left_s, LONGEST_POLL_S)):
                if key.fileobj is child.stdin:
                    if not _is_sent(key.fd, unsent):
                        continue
                    waiting.unregister(child.stdin)
                    child.stdin.close()
                elif chunk := os.read(key.fd, CHUNK_BYTES):
                    kept = said[key.fileobj]  # type: ignore[index]
                    kept += chunk
                    if len(kept) > most_bytes:
                        raise TransportError(f"it said more than {most_bytes >> 20} MiB")
                else:
                    waiting.unregister(key.fileobj)
    while (left_s := deadline - time.monotonic()) > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(min(left_s, LONGEST_POLL_S))
            return bytes(said[child.stdout]), bytes(said[child.stderr])
    raise DeadlineError("it did not end in time")


def _is_sent(sink: int, unsent: deque[memoryview]) -> bool:
    """Send what fits; whether that was the rest, or nobody reads it."""
    try:
        if any(unsent):
            write_some(sink, unsent)
    except BlockingIOError:
        return False
    except BrokenPipeError:
        return True
    return not any(unsent)
