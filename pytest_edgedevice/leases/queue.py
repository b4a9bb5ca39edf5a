"""First come, first served: numbered tickets, each locked by the one who waits with it.

A ticket is a slot file that its waiter keeps locked, so a dead waiter's ticket
vanishes with it and the slot is used again. Numbers are given out under one
short lock. A process that is stopped (SIGSTOP, a debugger) keeps its locks, so two waits
are bounded: one who sits in the bookkeeping is passed after ``BOOKKEEPING_WAIT_S``, and
a waiter that shows no sign of life for ``ASLEEP_AFTER_S`` is overtaken, but keeps
its place for when it wakes. Order can suffer from that; exclusiveness never
does, as it rests on the device's own lock alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import unusable
from pytest_edgedevice.leases.lockfile import LockFile

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

BOOKKEEPING_WAIT_S = 2.0
ASLEEP_AFTER_S = 5.0
MAX_WAITERS = 1000
_MAX_SPOILT = 3  # one bad slot may be somebody's rubbish; three are a folder that does not work
_BEAT_S = 0.5
_PREFIX = "ticket-"
_SHARED = "+"  # before a key that is wanted together with others


@dataclass(frozen=True, slots=True)
class Seen:
    """Another waiter's live ticket, as read from its file.

    Attributes:
        order: Number and slot; lower is earlier.
        wants: Short hashes of the keys it waits for.
        shared: Whether it would hold a device together with others.
        awake: Whether it showed a sign of life lately.
    """

    order: tuple[int, str]
    wants: frozenset[str]
    shared: bool
    awake: bool

    def goes_before(self, *, shared: bool) -> bool:
        """Whether somebody who came later must let it pass: two who share do not hinder each other."""
        return self.awake and not (self.shared and shared)


class Ticket:
    """A place in the queue, held until ``close``; made by ``take_ticket``."""

    def __init__(self, slot: LockFile, number: int, keys: Collection[str], *, shared: bool, note: str) -> None:
        self._slot = slot
        self._shared = shared
        self._wants = frozenset(mark(key) for key in keys)
        self.order = (number, slot.path.name)
        self.note = note
        self._next_beat = 0.0
        self.beat()

    def beat(self) -> None:
        """Show a sign of life; writes at most twice a second."""
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + _BEAT_S
            wants = " ".join(f"{_SHARED if self._shared else ''}{want}" for want in sorted(self._wants))
            self._slot.write(f"{now:.3f} {self.order[0]} {wants}\n".encode())

    def ahead(self) -> list[Seen]:
        """Earlier tickets that want one of our keys and must be served before us."""
        return [
            seen
            for seen in live_tickets(self._slot.path.parent, leave_out=self._slot.path.name)
            if seen.order < self.order and seen.wants & self._wants and seen.goes_before(shared=self._shared)
        ]

    def close(self) -> None:
        """Leave the queue."""
        if self._slot.is_open:
            with contextlib.suppress(LeaseError):
                self._slot.write(b"")
        self._slot.close()


def take_ticket(folder: Path, keys: Sequence[str], *, shared: bool = False) -> Ticket:
    """Join the end of the queue.

    Raises:
        LeaseError: The folder cannot be written to, or a thousand others wait already.
    """
    with _bookkeeping(folder) as note:
        slot = _free_slot(folder)
        try:
            last = max((seen.order[0] for seen in live_tickets(folder, leave_out=slot.path.name)), default=0)
            return Ticket(slot, last + 1, keys, shared=shared, note=note)
        except BaseException:
            slot.close()
            raise


def live_tickets(folder: Path, *, leave_out: str = "") -> Iterator[Seen]:
    """Every ticket whose waiter is alive.

    Raises:
        LeaseError: The folder cannot be read, or was removed.
    """
    try:
        names = [path.name for path in folder.iterdir() if path.name.startswith(_PREFIX) and path.name != leave_out]
    except OSError as error:
        raise unusable(folder, error, folder=folder) from None
    for name in sorted(names):
        try:
            with LockFile(folder / name, look_only=True) as slot:
                seen = _read(name, slot.read()) if slot.state() != "free" else None
        except (LeaseError, OSError):
            continue  # somebody's rubbish: it holds no place
        if seen is not None:
            yield seen


def mark(key: str) -> str:
    """The short hash by which tickets name a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read(name: str, content: bytes) -> Seen | None:
    try:
        beat, number, *wants = content.decode("ascii").split()
        age_s = time.monotonic() - float(beat)
        return Seen(
            (int(number), name),
            frozenset(want.removeprefix(_SHARED) for want in wants),
            shared=all(want.startswith(_SHARED) for want in wants),
            awake=-1 < age_s < ASLEEP_AFTER_S,
        )
    except ValueError:
        return None


def _free_slot(folder: Path) -> LockFile:
    spoilt = 0
    for index in range(MAX_WAITERS):
        try:
            slot = LockFile(folder / f"{_PREFIX}{index:03d}")
        except LeaseError:
            spoilt += 1
            if spoilt == _MAX_SPOILT:
                raise
            continue
        try:
            if slot.try_lock():
                slot.write(b"")  # what a dead waiter left would count as ours
                return slot
        except BaseException:
            slot.close()
            raise
        slot.close()
    raise LeaseError(f"{MAX_WAITERS} others wait in {folder} already", hint="run fewer jobs at once")


@contextlib.contextmanager
def _bookkeeping(folder: Path) -> Iterator[str]:
    """Be alone while a number is given out; after a bounded wait go on all the same, and give a note why."""
    deadline = time.monotonic() + BOOKKEEPING_WAIT_S
    with LockFile(folder / "queue.lock") as lock:
        while not lock.try_lock():
            if time.monotonic() > deadline:
                who = lock.read()[:20].decode("ascii", "replace").strip()
                yield f"the queue's bookkeeping is stuck in process {who or 'unknown'}; is it stopped?"
                return
            time.sleep(0.002)
        lock.write(f"{os.getpid()}\n".encode())
        yield ""
