"""A group of processes that the kernel gives little memory, and kills for want of more; in either kind of group.

``python -m tests.peers.little_memory`` tells tests/run whether one can be made here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = Path("/sys/fs/cgroup")
DEADLINE_S = 30.0


@contextlib.contextmanager
def little_memory(most_bytes: int) -> Iterator[Path]:
    """A group whose processes get so much memory from now on; write a process's number to the file that is given.

    Raises:
        OSError: There is no memory controller that we may use.
    """
    old = GROUPS / "memory"
    modern = (GROUPS / "cgroup.controllers").exists()
    if modern:
        (GROUPS / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
    group = (GROUPS if modern else old) / f"edgedevice-test-{os.getpid()}-{time.monotonic_ns()}"
    limits = {"memory.max": most_bytes, "memory.swap.max": 0}
    if not modern:
        limits = {"memory.limit_in_bytes": most_bytes, "memory.swappiness": 0}
    group.mkdir()
    try:
        most, swap = limits
        (group / most).write_text(str(limits[most]), encoding="ascii")
        with contextlib.suppress(FileNotFoundError):  # a kernel without swap has no limit for it
            (group / swap).write_text(str(limits[swap]), encoding="ascii")
        yield group / "cgroup.procs"
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        for pid in (group / "cgroup.procs").read_text(encoding="ascii").split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        with contextlib.suppress(OSError):  # somebody is dying in it
            group.rmdir()
            return
        assert time.monotonic() < deadline, f"{group} is still in use"
        time.sleep(0.01)


if __name__ == "__main__":
    try:
        with little_memory(64 << 20):
            pass
    except OSError as error:
        sys.exit(f"tests.peers.little_memory: nobody may limit memory here, as in most containers: {error}")
