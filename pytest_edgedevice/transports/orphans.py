"""Processes that a dead session left on this machine: told by the folder that they name, and ended for good.

An agent names its session's folder on its command line; any other program that
a session started inherits it in its environment. A number alone is never
trusted: it may be another's by the time it is signalled. Finds nothing where
there is no ``/proc``; there a process that is stopped is not ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_edgedevice.errors import DeadlineError

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "EDGEDEVICE_SESSION"
"""Set for every program that a session starts, to the session's folder."""

OWNER = "owner.lock"
MOST_BYTES = 1 << 20
STEP_S = 0.005
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe would wait for its writer


class Orphan(NamedTuple):  # no dataclass: a board that imports those for it takes a quarter longer to answer
    """A process of a dead session: its number, its user, and the folder that it names."""

    pid: int
    uid: int
    folder: str


def orphans_of(folder: str | Path) -> list[Orphan]:
    """Every process that names a session's folder, which whoever asks has found to be dead or gone."""
    folder = Path(folder)
    found = []
    for pid in _pids():
        named = _session_of(pid)
        if not named.endswith(folder.name) or not (named == str(folder) or _same(Path(named), folder)):
            continue
        with contextlib.suppress(OSError):
            if not _lives_elsewhere(pid, named):
                found.append(Orphan(pid, Path(f"/proc/{pid}").stat().st_uid, named))
    return found


def end(orphans: list[Orphan], *, deadline: float) -> None:
    """Kill processes, and come back when they are gone.

    Args:
        orphans: Whom; all of them may be signalled by this user.
        deadline: By when, on the monotonic clock.

    Raises:
        DeadlineError: One is there still; only the kernel can hold it up.
    """
    gone = [_kill(orphan) for orphan in orphans]
    for orphan, is_gone in zip(orphans, gone, strict=True):
        while not is_gone():
            if time.monotonic() > deadline:
                raise DeadlineError(
                    f"process {orphan.pid} of a session that crashed does not end, although it was killed",
                    hint=f"it hangs in the kernel; see: cat /proc/{orphan.pid}/stack /proc/{orphan.pid}/status",
                )
            time.sleep(STEP_S)


def has_owner(descriptor: int) -> bool:
    """Whether somebody holds the owner's lock behind a descriptor; keeps a share of it when nobody does.

    Owners hold it alone and sweepers share it, so that a sweeper is never taken for an owner,
    however many there are and however long one of them is stopped.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _pids() -> list[int]:
    with contextlib.suppress(OSError), os.scandir("/proc") as entries:
        return [int(entry.name) for entry in entries if entry.name.isdecimal() and int(entry.name) != os.getpid()]
    return []


def _session_of(pid: int) -> str:
    """The session's folder that a process names; empty for any other process, and for one that has ended."""
    words = _read(f"/proc/{pid}/cmdline").split(b"\0")
    if b"--folder" in words[:-1]:
        return os.fsdecode(words[words.index(b"--folder") + 1])
    mark = os.fsencode(VARIABLE) + b"="
    values = [entry[len(mark) :] for entry in _read(f"/proc/{pid}/environ").split(b"\0") if entry.startswith(mark)]
    return os.fsdecode(values[0]) if values else ""


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""


def _same(one: Path, other: Path) -> bool:
    """Whether two names mean one folder: a base may be a link."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _lives_elsewhere(pid: int, folder: str) -> bool:
    """Whether the process sees a folder of that name with a live owner, as one in a container may."""
    try:
        descriptor = os.open(f"/proc/{pid}/root{folder}/{OWNER}", LOOK)
    except OSError:
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and has_owner(descriptor)
    finally:
        os.close(descriptor)


def _kill(orphan: Orphan) -> Callable[[], bool]:
    """Signal a process that is still the one that was found; a function that says whether it is gone."""
    try:
        process = os.pidfd_open(orphan.pid)
    except ProcessLookupError:
        return lambda: True
    except (OSError, AttributeError):  # an old kernel, or a sandbox that knows no such call
        with contextlib.suppress(ProcessLookupError):
            if _session_of(orphan.pid) == orphan.folder:
                os.kill(orphan.pid, signal.SIGKILL)
        return lambda: _session_of(orphan.pid) != orphan.folder
    # asked again now that the number is pinned: before, it may have become another's
    if _session_of(orphan.pid) != orphan.folder:
        os.close(process)
        return lambda: True
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)

    return _Exit(process).has_come


class _Exit:
    """The end of a process, seen through its descriptor, which is closed then or with this object."""

    def __init__(self, process: int) -> None:
        self._process = process

    def has_come(self) -> bool:
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        return bool(poll.poll(0))

    def __del__(self) -> None:
        os.close(self._process)
