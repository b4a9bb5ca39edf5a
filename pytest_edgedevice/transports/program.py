"""A program that runs to its end on this machine: input in, output and errors out, within limits."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.writing import views_of, write_some
from pytest_edgedevice.errors import DeadlineError, OutputTooLongError
from pytest_edgedevice.transports.pipes import LONGEST_POLL_S

if TYPE_CHECKING:
    from collections import deque

CHUNK_BYTES = 65536


def converse(child: subprocess.Popen[bytes], stdin: bytes, *, timeout_s: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Give a child its input and take its output and its errors; ``communicate`` with a limit.

    Ends with the child: what it left running may hold its pipes for ever, and is not waited for. (Where the system
    does not tell the end of a process, the end of its output is waited for.)

    Args:
        child: Made with three pipes; the caller kills it if this raises.
        stdin: All of its input.
        timeout_s: Deadline, seconds.
        most_bytes: Longest output, and longest errors.

    Raises:
        OutputTooLongError: It says more than that.
        DeadlineError: It did not end in time.
    """
    assert child.stdin
    assert child.stdout
    assert child.stderr
    deadline = time.monotonic() + timeout_s
    unsent = views_of([stdin])
    said = {child.stdout: bytearray(), child.stderr: bytearray()}
    with selectors.DefaultSelector() as waiting, contextlib.ExitStack() as held:
        os.set_blocking(child.stdin.fileno(), False)
        waiting.register(child.stdin, selectors.EVENT_WRITE)
        for file in said:
            waiting.register(file, selectors.EVENT_READ)
        life = _life_of(child, held)
        if life is not None:
            waiting.register(life, selectors.EVENT_READ)
        ended = False
        while len(waiting.get_map()) > (life is not None and not ended):
            left_s = _left_s(deadline)
            ready = waiting.select(0 if ended else min(left_s, LONGEST_POLL_S))
            if ended and not ready:
                break  # all that it said itself is read
            for key, _ in ready:
                if key.fileobj is child.stdin:
                    over = _is_sent(key.fd, unsent)
                else:
                    over = key.fd == life or _is_read(key.fd, said[key.fileobj], most_bytes)  # type: ignore[index]
                if over:
                    waiting.unregister(key.fileobj)
                    ended = ended or key.fd == life
                if over and key.fileobj is child.stdin:
                    child.stdin.close()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(min(_left_s(deadline), LONGEST_POLL_S))
            return bytes(said[child.stdout]), bytes(said[child.stderr])


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise DeadlineError("it did not end in time")
    return left_s


def _life_of(child: subprocess.Popen[bytes], held: contextlib.ExitStack) -> int | None:
    """A descriptor that can be read when the child has ended; None where the system has none."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.pidfd_open(child.pid)
        held.callback(os.close, descriptor)
        return descriptor
    return None


def _is_read(source: int, kept: bytearray, most_bytes: int) -> bool:
    """Read what is there; whether that was the end."""
    chunk = os.read(source, CHUNK_BYTES)
    kept += chunk
    if len(kept) > most_bytes:
        raise OutputTooLongError(f"it said more than {most_bytes >> 20} MiB")
    return not chunk


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
