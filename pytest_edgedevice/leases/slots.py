"""Slot files beside a device's lock: what one record in the lock itself cannot tell.

A device that many share has a slot for each of them, kept locked by its holder, with
that one's record; a record in a slot that nobody has locked is therefore the
trace of a crash. Whoever gets the device next locks such a slot, which makes it
the only one who is told, and keeps it until it hands the device back clean: if it
dies before that, what it should have cleaned is told again.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import safe_name
from pytest_edgedevice.leases.holder import Holder, from_record, is_record
from pytest_edgedevice.leases.lockfile import LockFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_SLOTS = 1000
_TRACE = b"!"  # in front of the record of one who crashed, in a slot that is locked by who was told
_DYING_S = 0.5


class Traces:
    """Traces of crashes that we were told of, each in a slot that we keep locked.

    Attributes:
        crashed: Who left them, the last exclusive holder first.
        slots: Where they are.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.crashed: tuple[Holder, ...] = ()
        self.slots: list[LockFile] = []
        self._folder = folder
        self._key = key

    def claim(self, *, alone: bool) -> None:
        """Take every trace that nobody else was told of.

        Args:
            alone: Whether we hold the device exclusively. A slot that is locked all the same is that of a
                process whose end the kernel has not finished yet.
        """
        deadline = time.monotonic() + (_DYING_S if alone else 0.0)  # for all of them: they die at the same time
        for path in _slots(self._folder, self._key):
            try:
                slot = LockFile(path)
            except LeaseError:
                continue  # somebody's rubbish
            self.slots.append(slot)
            if _lock(slot, deadline) and is_record(left := slot.read()):
                self.crashed = (*self.crashed, self._noted(slot, left))
            else:
                self.slots.pop().close()

    def move(self, left: bytes) -> None:
        """Take over the record that a crashed holder left in the lock itself.

        Raises:
            LeaseError: The disk is full.
        """
        self.slots.append(free_slot(self._folder, self._key))
        self.crashed = (self._noted(self.slots[-1], left), *self.crashed)

    @staticmethod
    def _noted(slot: LockFile, left: bytes) -> Holder:
        record = left.removeprefix(_TRACE)
        slot.write(_TRACE + record)
        return from_record(record) or Holder()

    def close(self) -> None:
        """Let go of them; what is in them still will be told to the next holder."""
        for slot in self.slots:
            slot.close()


def free_slot(folder: Path, key: str) -> LockFile:
    """Lock the first slot that has neither a holder nor a trace in it.

    Raises:
        LeaseError: There is none, or the folder cannot be written to.
    """
    fault: LeaseError | None = None
    for index in range(MAX_SLOTS):
        try:
            slot = LockFile(_slot(folder, key, index))
        except LeaseError as error:
            if fault is not None:
                raise  # one bad slot may be somebody's rubbish; two are a folder that does not work
            fault = error
            continue
        try:
            if slot.try_lock() and not is_record(slot.read()):
                return slot
        except BaseException:
            slot.close()
            raise
        slot.close()
    raise LeaseError(f"{MAX_SLOTS} others share {key!r} already, or crashed with it", hint="run fewer jobs at once")


def sharing(folder: Path, key: str) -> Iterator[Holder]:
    """Everybody who holds a shared device now."""
    for path in _slots(folder, key):
        try:
            with LockFile(path, look_only=True) as slot:
                record = slot.read() if slot.state() != "free" else b""
        except (LeaseError, OSError):
            continue
        if is_record(record) and not record.startswith(_TRACE):
            yield from_record(record) or Holder()


def _slots(folder: Path, key: str) -> Iterator[Path]:
    # slots are made in order, so that a device which was never shared costs one look
    for index in range(MAX_SLOTS):
        path = _slot(folder, key, index)
        if not os.path.lexists(path):
            return
        yield path


def _slot(folder: Path, key: str, index: int) -> Path:
    return folder / f"{safe_name(key)}.shared-{index:03d}"


def _lock(slot: LockFile, deadline: float) -> bool:
    while not slot.try_lock():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.001)
    return True
