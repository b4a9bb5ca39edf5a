"""Pipes that hold much: whoever reads or writes them may rest meanwhile, instead of being woken for each page."""

from __future__ import annotations

import contextlib
import fcntl

F_SETPIPE_SZ, F_GETPIPE_SZ = 1031, 1032
PIPE_BYTES = 1 << 20
FASTEST_BYTES_PER_S = 1e9
"""No connection empties or fills a pipe faster."""


def enlarge(descriptor: int) -> float:
    """Have a pipe hold a mebibyte, where the system allows it.

    Returns:
        How long it is not empty for sure once it was full, and not full once it was empty, seconds: 0 for no pipe.
    """
    with contextlib.suppress(OSError):  # not Linux, or over the user's limit
        fcntl.fcntl(descriptor, F_SETPIPE_SZ, PIPE_BYTES)
    with contextlib.suppress(OSError):
        return fcntl.fcntl(descriptor, F_GETPIPE_SZ) / FASTEST_BYTES_PER_S
    return 0.0
