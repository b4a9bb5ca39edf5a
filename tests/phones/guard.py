"""Runs a program until standard input ends, and kills it then: ``guard.py PROGRAM [ARGUMENT ...]``.

Whoever started this holds the other end of that input; when it is killed, the kernel closes it. When this is killed,
the kernel kills the program. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
from functools import partial

PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


def _end_with(parent: int) -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended before that
        os._exit(1)


def main() -> int:
    """Run it; the exit code is the program's."""
    # preexec_fn is not for programs with threads, and this has none
    bound = partial(_end_with, os.getpid())
    program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, preexec_fn=bound)  # noqa: PLW1509
    ended = os.pidfd_open(program.pid)
    ready, _, _ = select.select([sys.stdin.fileno(), ended], [], [])
    if ended not in ready:
        program.kill()
    return program.wait()


if __name__ == "__main__":
    sys.exit(main())
