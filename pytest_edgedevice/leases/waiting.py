"""Acquire a device, or the first free one of several, and wait in line for it."""

from __future__ import annotations

import math
import os
import socket
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases.folder import ready_folder
from pytest_edgedevice.leases.holder import Holder, duration
from pytest_edgedevice.leases.lease import Lease, take
from pytest_edgedevice.leases.looking import holders
from pytest_edgedevice.leases.notice import Waiting, named
from pytest_edgedevice.leases.queue import Ticket, live_tickets, mark, take_ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pytest_edgedevice.leases.queue import Seen

SIBLING_WAIT_S = 4 * 3600.0
_FIRST_NOTICE_S = 0.3
_NOTICE_EVERY_S = 10.0
_RECORD_S = 0.3


def acquire(
    keys: str | Sequence[str],
    *,
    holder: Holder,
    wait_s: float,
    on_wait: Callable[[Waiting], None] | None = None,
    sibling_wait_s: float = SIBLING_WAIT_S,
    shared: bool = False,
    wanted: str = "",
) -> Lease:
    """Get use of a device, or of the first of several that is free and not waited for.

    Args:
        keys: Hardware identity of the device, or several, the preferred one first.
        holder: What others are told about us; ``since`` is set here.
        wait_s: How long to wait in line; 0 does not wait.
        on_wait: Told within a second why we wait, and again every ten seconds.
        sibling_wait_s: How long to wait, beyond ``wait_s``, for workers of the same pytest-xdist run.
        shared: Hold it together with others who say so too (``Lease.shared``); alone where the operating
            system's locks cannot be shared. An exclusive waiter that came before is not overtaken.
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
    return _Acquisition(
        ready_folder(), unique, holder, shared=shared, on_wait=on_wait, wanted=wanted or named(unique)
    ).run(wait_s, sibling_wait_s)


class _Acquisition:
    """One call of ``acquire``: what it wants, how long it has waited, and whom it told."""

    def __init__(
        self,
        folder: Path,
        keys: tuple[str, ...],
        holder: Holder,
        *,
        shared: bool,
        on_wait: Callable[[Waiting], None] | None,
        wanted: str,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._marks = {mark(key) for key in keys}
        self._holder = holder
        self._shared = shared
        self._on_wait = on_wait
        self._wanted = wanted
        self._started = self._last = time.monotonic()
        self._notice_at = self._started + _FIRST_NOTICE_S
        self._counted_s = 0.0
        self._sibling_s = 0.0

    def run(self, wait_s: float, sibling_wait_s: float) -> Lease:
        # nobody waits and the device is free: no ticket is needed
        lease = self._take_first(live_tickets(self._folder))
        if lease is not None:
            return lease
        if wait_s == 0 and not self._holder_is_sibling(self._current_holder()):
            lease = self._try_again()
            if lease is not None:
                return lease
            if not self._holder_is_sibling(holder := self._current_holder()):
                raise self._busy(holder, place=0)
        ticket = take_ticket(self._folder, self._keys, shared=self._shared)
        try:
            return self._wait(ticket, wait_s, sibling_wait_s)
        finally:
            ticket.close()

    def _try_again(self) -> Lease | None:
        """For a moment, while nobody is known to hold it: who took it has not written who it is, or lets go of it."""
        deadline = time.monotonic() + _RECORD_S
        while (holder := self._current_holder()) is None or not holder.pid:
            lease = self._take_first(tickets := list(live_tickets(self._folder)))
            if (
                lease is not None
                or time.monotonic() > deadline
                or (holder is None and self._marks <= self._in_the_way(tickets))
            ):
                return lease
            time.sleep(0.01)
        return None

    def _wait(self, ticket: Ticket, wait_s: float, sibling_wait_s: float) -> Lease:
        while True:
            ticket.beat()
            ahead = ticket.ahead()
            lease = self._take_first(ahead)
            if lease is not None:
                return lease
            holder = self._current_holder()
            self._count(holder)
            if self._counted_s > wait_s or self._sibling_s > sibling_wait_s:
                raise self._busy(holder, place=len(ahead) + 1)
            self._tell(ticket, holder, place=len(ahead) + 1)
            time.sleep(self._pause_s(len(ahead)))

    def _take_first(self, others: Iterable[Seen]) -> Lease | None:
        theirs = self._in_the_way(others)
        for key in self._keys:
            if mark(key) not in theirs and (lease := take(self._folder, key, self._holder, shared=self._shared)):
                return lease
        return None

    def _in_the_way(self, others: Iterable[Seen]) -> set[str]:
        """Marks of the keys that somebody must get before us."""
        return set().union(*(seen.wants for seen in others if seen.goes_before(shared=self._shared)))

    def _current_holder(self) -> Holder | None:
        """The holder of one of our keys; a sibling, if one is among them."""
        found = [holder for key in self._keys for holder in holders(key)]
        siblings = [holder for holder in found if self._holder_is_sibling(holder)]
        return next(iter(siblings + found), None)

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
        held = f"held by {holder}{self._and_more()}" if holder else "wanted by others who came first"
        hint = "wait longer with wait_s=SECONDS, or see who holds what: edgedevice list"
        if holder and (holder.pid, holder.host) == (os.getpid(), socket.gethostname()):
            hint = "that is this process: close the device that it opened before"
        waited = f"; waited {duration(waited_s)}, place {place} in line" if place else ""
        return DeviceBusyError(
            f"{self._wanted} {'is' if len(self._keys) == 1 else 'are all'} {held}{waited}",
            hint=hint,
        )

    def _and_more(self) -> str:
        more = len(holders(self._keys[0])) - 1 if len(self._keys) == 1 else 0
        return f", and {more} more" if more > 0 else ""
