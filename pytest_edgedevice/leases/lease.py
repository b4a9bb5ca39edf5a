"""Acquire a device, or the first free one of several, and wait in line for it."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.leases.folder import lock_folder, ready_folder, safe_name
from pytest_edgedevice.leases.holder import Holder, duration, from_record, to_record
from pytest_edgedevice.leases.lockfile import LockFile
from pytest_edgedevice.leases.queue import Ticket, live_tickets, mark, take_ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

SIBLING_WAIT_S = 4 * 3600.0
_FIRST_NOTICE_S = 0.3
_NOTICE_EVERY_S = 30.0
_RECORD_S = 0.3


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiter is told.

    Attributes:
        keys: The devices it waits for, any of which will do.
        place: 1 when it is next.
        holder: Who holds the first of them; None when that cannot be said.
        waited_s: How long it has waited so far.
        sibling: Whether the holder is a worker of the same pytest-xdist run, so that waiting is not counted.
        note: What is odd about the queue, e.g. a stopped process; mostly empty.
        wanted: What people call the devices; by default their keys.
    """

    keys: tuple[str, ...]
    place: int
    holder: Holder | None
    waited_s: float
    sibling: bool = False
    note: str = ""
    wanted: str = ""

    def __str__(self) -> str:
        held = f"held by {self.holder}" if self.holder else "held by somebody who left no record"
        waited = f"place {self.place}, {held}; waited {duration(self.waited_s)}"
        text = f"waiting for {self.wanted or _named(self.keys)}: {waited}"
        return f"{text} ({self.note})" if self.note else text


class Lease:
    """Exclusive use of one device until ``release``, the end of the ``with`` block, or of the process.

    Attributes:
        key: The device that was got.
        dirty: Who held it last, if that one crashed; the device must be cleaned before use. None otherwise.
    """

    def __init__(self, key: str, lock: LockFile, holder: Holder, dirty: Holder | None) -> None:
        self.key = key
        self.dirty = dirty
        self._lock = lock
        self._holder = holder

    @property
    def held(self) -> bool:
        """False once released, and in a forked child: a lease belongs to the process that acquired it."""
        return self._lock.is_open

    @property
    def holder(self) -> Holder:
        """What others are told about us."""
        return self._holder

    def update(self, *, test: str, expected_end: float = 0.0) -> None:
        """Tell waiters what the device is being used for now; a full disk keeps the old text."""
        self._holder = dataclasses.replace(self._holder, test=test, expected_end=expected_end)
        if self.held:
            with contextlib.suppress(LeaseError):
                self._lock.write(to_record(self._holder, key=self.key))

    def release(self) -> None:
        """Hand the device back; does nothing the second time, or in a forked child."""
        if self.held:
            # an empty record over a free lock says: handed back in good order
            with contextlib.suppress(LeaseError):
                self._lock.write(b"")
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<Lease of {self.key!r}, {'held' if self.held else 'released'}>"


def acquire(
    keys: str | Sequence[str],
    *,
    holder: Holder,
    wait_s: float,
    on_wait: Callable[[Waiting], None] | None = None,
    sibling_wait_s: float = SIBLING_WAIT_S,
    wanted: str = "",
) -> Lease:
    """Get exclusive use of a device, or of the first of several that is free and not waited for.

    Args:
        keys: Hardware identity of the device, or several, the preferred one first.
        holder: What others are told about us; ``since`` is set here.
        wait_s: How long to wait in line; 0 does not wait.
        on_wait: Told within a second why we wait, and again every 30 s.
        sibling_wait_s: How long to wait, beyond ``wait_s``, for workers of the same pytest-xdist run.
        wanted: What people call the device or the pool, for messages; by default the keys.

    Raises:
        DeviceBusyError: Still held at the end of the wait; the message names the holder.
        LeaseError: The lock folder cannot be used; the hint is the command that mends it.
        ValueError: No key, or a wait that is negative or without end.
    """
    unique = (keys,) if isinstance(keys, str) else tuple(dict.fromkeys(keys))
    if not unique or not all(unique):
        raise ValueError(f"a lease needs at least one key, and none may be empty, not {keys!r}")
    if not (0 <= wait_s < math.inf and 0 <= sibling_wait_s < math.inf):
        raise ValueError(f"waits must be finite and not negative, not wait_s={wait_s}, sibling_wait_s={sibling_wait_s}")
    return _Acquisition(ready_folder(), unique, holder, on_wait=on_wait, wanted=wanted or _named(unique)).run(
        wait_s, sibling_wait_s
    )


def who(key: str) -> Holder | None:
    """Who holds a device now, without disturbing anybody; a ``Holder`` of unknowns when there is no record.

    Raises:
        LeaseError: The lock cannot be read.
    """
    path = _lock_path(lock_folder(), key)
    if not os.path.lexists(path):
        return None
    with LockFile(path, look_only=True) as lock:
        return (from_record(lock.read()) or Holder()) if lock.is_locked() else None


class _Acquisition:
    """One call of ``acquire``: what it wants, how long it has waited, and whom it told."""

    def __init__(
        self,
        folder: Path,
        keys: tuple[str, ...],
        holder: Holder,
        *,
        on_wait: Callable[[Waiting], None] | None,
        wanted: str,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._holder = holder
        self._on_wait = on_wait
        self._wanted = wanted
        self._started = self._last = time.monotonic()
        self._notice_at = self._started + _FIRST_NOTICE_S
        self._counted_s = 0.0
        self._sibling_s = 0.0

    def run(self, wait_s: float, sibling_wait_s: float) -> Lease:
        # nobody waits and the device is free: no ticket is needed
        wanted_by_others = set().union(*(seen.wants for seen in live_tickets(self._folder) if seen.awake))
        lease = self._take_first(wanted_by_others)
        if lease is not None:
            return lease
        if wait_s == 0 and not self._holder_is_sibling(self._settled_holder()):
            raise self._busy(self._current_holder(), place=0)
        ticket = take_ticket(self._folder, self._keys)
        try:
            return self._wait(ticket, wait_s, sibling_wait_s)
        finally:
            ticket.close()

    def _wait(self, ticket: Ticket, wait_s: float, sibling_wait_s: float) -> Lease:
        while True:
            ticket.beat()
            ahead = ticket.ahead()
            lease = self._take_first(set().union(*(seen.wants for seen in ahead)))
            if lease is not None:
                return lease
            holder = self._current_holder()
            self._count(holder)
            if self._counted_s > wait_s or self._sibling_s > sibling_wait_s:
                raise self._busy(holder, place=len(ahead) + 1)
            self._tell(ticket, holder, place=len(ahead) + 1)
            time.sleep(self._pause_s(len(ahead)))

    def _take_first(self, wanted_by_others: set[str]) -> Lease | None:
        for key in self._keys:
            if mark(key) not in wanted_by_others and (lease := self._take(key)) is not None:
                return lease
        return None

    def _take(self, key: str) -> Lease | None:
        lock = LockFile(_lock_path(self._folder, key))
        try:
            if not lock.try_lock():
                lock.close()
                return None
            dirty = from_record(lock.read())
            holder = dataclasses.replace(self._holder, since=time.time())
            lock.write(to_record(holder, key=key))
            return Lease(key, lock, holder, dirty)
        except BaseException:
            lock.close()
            raise

    def _current_holder(self) -> Holder | None:
        """The holder of one of our keys; a sibling, if one is among them."""
        holders = [holder for key in self._keys if (holder := who(key)) is not None]
        siblings = [holder for holder in holders if self._holder_is_sibling(holder)]
        return next(iter(siblings + holders), None)

    def _settled_holder(self) -> Holder | None:
        """The holder, once its record is there: between taking the lock and writing it a sibling is a stranger."""
        deadline = time.monotonic() + _RECORD_S
        while (holder := self._current_holder()) and not holder.pid and time.monotonic() < deadline:
            time.sleep(0.01)
        return holder

    def _holder_is_sibling(self, holder: Holder | None) -> bool:
        """Whether it is another worker of our run; a wait for ourselves must count, or it would not end."""
        return bool(
            holder and holder.run_id and holder.run_id == self._holder.run_id and holder.pid != self._holder.pid
        )

    def _count(self, holder: Holder | None) -> None:
        now = time.monotonic()
        if self._holder_is_sibling(holder):
            self._sibling_s += now - self._last
        else:
            self._counted_s += now - self._last
        self._last = now

    def _tell(self, ticket: Ticket, holder: Holder | None, *, place: int) -> None:
        now = time.monotonic()
        if self._on_wait is None or now < self._notice_at:
            return
        self._notice_at = now + _NOTICE_EVERY_S
        sibling = self._holder_is_sibling(holder)
        self._on_wait(Waiting(self._keys, place, holder, now - self._started, sibling, ticket.note, self._wanted))

    def _pause_s(self, ahead: int) -> float:
        # a waiter must not disturb what is measured on this host: eager at first and in front, calm otherwise
        base_s = 0.01 if time.monotonic() - self._started < 5 else 0.04
        return min(base_s * (1 + ahead), 0.1)

    def _busy(self, holder: Holder | None, *, place: int) -> DeviceBusyError:
        waited_s = time.monotonic() - self._started
        held = f"held by {holder}" if holder else "wanted by others who came first"
        hint = "wait longer with --edge-wait SECONDS, or see who holds what: edgedevice list"
        if holder and (holder.pid, holder.host) == (os.getpid(), socket.gethostname()):
            hint = "that is this process: close the device that it opened before"
        waited = f"; waited {duration(waited_s)}, place {place} in line" if place else ""
        return DeviceBusyError(
            f"{self._wanted} {'is' if len(self._keys) == 1 else 'are all'} {held}{waited}",
            hint=hint,
        )


def _lock_path(folder: Path, key: str) -> Path:
    return folder / f"{safe_name(key)}.lock"


def _named(keys: Sequence[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:4])
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return f"{'the device' if len(keys) == 1 else 'the devices'} {shown}{more}"
