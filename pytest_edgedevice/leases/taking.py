"""Ask a live holder for its device. Nothing here takes or breaks a lock.

The only one who is signalled is a process that provably holds the lock at that
moment. It is addressed by a pidfd and proven again after that was opened, so
that a pid which was given to another process meanwhile is never hit.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases.folder import lock_folder, lock_path
from pytest_edgedevice.leases.lockfile import LockFile
from pytest_edgedevice.leases.looking import who
from pytest_edgedevice.leases.proof import PROC, holds, locking_pids

if TYPE_CHECKING:
    from collections.abc import Iterator

SEE = "see: edgedevice list"
_LOOKS = 5
_LOOK_EVERY_S = 0.02


def holder_pid(key: str) -> int | None:
    """The process that provably holds a device now, one of them where it is shared; None when it is free.

    Raises:
        DeviceBusyError: It is held by a process that cannot be seen from here, e.g. in a container of its own.
        LeaseError: The lock cannot be read, or this system does not tell who holds it.
    """
    with _open(key) as lock:
        return next(iter(_proven(lock, key)), None) if lock else None


def ask_holder(key: str, *, wait_s: float, expected: int | None = None) -> bool:
    """Send the holder of a device an interrupt, once, as Ctrl-C would; all of them where it is shared.

    Args:
        key: Hardware identity of the device.
        wait_s: How long they may take to let go of it, seconds.
        expected: A process that must be a holder still; None for whoever holds it.

    Returns:
        Whether all who were asked let go in time; another process may have got the device since.

    Raises:
        DeviceBusyError: A holder is another user's, or cannot be seen from here; nobody was signalled.
        LeaseError: Nobody holds it, or this process does, or another one than was expected, or this system cannot
            address a process safely.
        ValueError: ``wait_s`` is negative or without end.
    """
    if not 0 <= wait_s < math.inf:
        raise ValueError(f"a wait must be finite and not negative, not wait_s={wait_s}")
    with _open(key) as lock:
        pids = _proven(lock, key) if lock else []
        if lock is None or not pids:
            raise LeaseError(f"nobody holds the device {key!r}: there is nobody to ask", hint=SEE)
        if expected is not None and expected not in pids:
            raise LeaseError(f"the device {key!r} changed hands meanwhile: nobody was asked", hint=SEE)
        for pid in pids:
            _check_may_be_asked(pid, key)
        with contextlib.ExitStack() as opened:
            asked = {}
            for pid in pids:
                pidfd = _pidfd(pid)
                if pidfd is not None:
                    opened.callback(os.close, pidfd)
                    asked[pid] = pidfd
            _interrupt(lock, asked)
            return _gone(lock, asked, wait_s)


@contextlib.contextmanager
def _open(key: str) -> Iterator[LockFile | None]:
    path = lock_path(lock_folder(), key)
    if not os.path.lexists(path):
        yield None
        return
    with LockFile(path, look_only=True) as lock:
        yield lock


def _proven(lock: LockFile, key: str) -> list[int]:
    """Who holds the lock; the kernel's list and its answer on the lock may be a moment apart."""
    for _ in range(_LOOKS):
        pids = locking_pids(lock)
        if pids and pids[0] != 0:
            return pids
        if not pids and lock.state() == "free":
            return []
        time.sleep(_LOOK_EVERY_S)
    raise DeviceBusyError(
        f"the device {key!r} is held by a process that cannot be seen from here; it says to be {who(key)}",
        hint="it runs in another container or pid namespace: end it there, or run edgedevice release on the host",
    )


def _check_may_be_asked(pid: int, key: str) -> None:
    if pid == os.getpid():
        raise LeaseError(f"the device {key!r} is held by this process itself", hint="close the device")
    try:
        owner = (PROC / str(pid)).stat().st_uid
    except FileNotFoundError:
        return  # gone by itself
    if os.geteuid() not in {0, owner}:
        raise _foreign(pid, key, owner)


def _foreign(pid: int, key: str, owner: int) -> DeviceBusyError:
    import pwd

    try:
        user = pwd.getpwuid(owner).pw_name
    except KeyError:
        user = f"uid {owner}"
    return DeviceBusyError(
        f"the device {key!r} is held by process {pid} of another user, {user}; it says to be {who(key)}",
        hint=f"ask {user} to end it (as {user}: kill -INT {pid}), or run edgedevice release as root",
    )


def _pidfd(pid: int) -> int | None:
    """A handle of this very process, whoever gets its pid later; None when it has ended."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    except (OSError, AttributeError):
        raise LeaseError(
            f"process {pid} holds the device, and this system cannot address it without the risk of hitting another",
            hint=f"make sure that it is the right one, then run: kill -INT {pid}",
        ) from None


def _interrupt(lock: LockFile, asked: dict[int, int]) -> None:
    holding = set(locking_pids(lock))
    for pid, pidfd in asked.items():
        try:
            proven = pid in holding and holds(pid, lock)
        except PermissionError:
            proven = pid in holding  # not dumpable, or we are a root that may not look into others
        if proven:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGINT)


def _gone(lock: LockFile, asked: dict[int, int], wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while True:
        ended, _, _ = select.select(list(asked.values()), [], [], 0)
        left = {pid: pidfd for pid, pidfd in asked.items() if pidfd not in ended}
        if not left.keys() & set(locking_pids(lock)):
            return True
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            return False
        select.select(list(left.values()), [], [], min(_LOOK_EVERY_S, remaining_s))
