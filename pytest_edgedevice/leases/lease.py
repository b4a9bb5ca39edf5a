"""A lease, and the one way to get it: the device's lock in the kernel, then the record beside it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any, Self

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import lock_path
from pytest_edgedevice.leases.holder import Holder, is_record, to_record
from pytest_edgedevice.leases.kernel import kernel
from pytest_edgedevice.leases.lockfile import LockFile, guard
from pytest_edgedevice.leases.slots import Traces, free_slot

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Lease:
    """Use of one device until ``release``, the end of the ``with`` block, or of the process.

    Attributes:
        key: The device that was got.
        shared: Whether others may hold it at the same time; False is alone.
        crashed: Everybody who crashed while holding it, and whose leftovers are ours to clean up before use;
            mostly empty. No other lease is told of them, unless we end without cleaning up.
    """

    def __init__(
        self, key: str, lock: LockFile, record: LockFile, holder: Holder, *, shared: bool, traces: Traces
    ) -> None:
        self.key = key
        self.shared = shared
        self.crashed = traces.crashed
        self._lock = lock
        self._record = record
        self._holder = holder
        self._traces = traces

    @property
    def dirty(self) -> Holder | None:
        """Who held it last, if that one crashed; the first of ``crashed``, None when there is none."""
        return self.crashed[0] if self.crashed else None

    @property
    def held(self) -> bool:
        """False once released, and in a forked child: a lease belongs to the process that acquired it."""
        return self._lock.is_open

    @property
    def holder(self) -> Holder:
        """What others are told about us."""
        return self._holder

    def check(self) -> None:
        """Make sure that others still see our lock.

        Raises:
            LeaseError: Its file was removed or replaced, so that somebody else may hold the device as well.
        """
        with guard:
            if self.held and not self._lock.is_in_place():
                raise LeaseError(
                    f"the lock {self._lock.path} was removed or replaced while we held it; others may use the device",
                    hint="nothing may clean up that folder while tests run; end this run and start it again",
                )

    def update(self, **changes: Any) -> None:
        """Tell waiters what the device is being used for now; a full disk keeps the old text.

        Args:
            changes: Fields of ``Holder``: ``test``, ``expected_end``, ``folder``.
        """
        with guard:  # a record written by one thread while another hands back would look like a crash
            self._holder = dataclasses.replace(self._holder, **changes)
            if self.held:
                with contextlib.suppress(LeaseError):
                    self._record.write(to_record(self._holder, key=self.key))

    def release(self, *, clean: bool = True, untouched: bool = False) -> None:
        """Hand the device back; does nothing the second time, or in a forked child.

        Args:
            clean: False leaves our record, so that the next holder cleans the device as after a crash,
                also of what we were told of ourselves.
            untouched: We did nothing to the device, so that there is nothing of ours to clean up; what we were
                told of is cleaned up as little as before.
        """
        with guard:
            if self.held and (clean or untouched):
                # an empty record over a free lock says: handed back in good order
                for file in (*(() if untouched else self._traces.slots), self._record):
                    with contextlib.suppress(LeaseError):
                        file.write(b"")
            self._traces.close()
            self._record.close()
            self._lock.close()  # last: who gets it must find the others free

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<Lease of {self.key!r}, {'held' if self.held else 'released'}>"


def take(folder: Path, key: str, holder: Holder, *, shared: bool) -> Lease | None:
    """Get a device if it is free, whoever waits for it; None when it is not.

    Raises:
        LeaseError: The folder cannot be written to.
    """
    shared = shared and kernel.can_share
    with contextlib.ExitStack() as opened:
        lock = opened.enter_context(LockFile(lock_path(folder, key)))
        if not lock.try_lock(shared=shared):
            return None
        traces = Traces(folder, key)
        opened.callback(traces.close)
        if not _claim(lock, traces, shared=shared):
            return None
        record = opened.enter_context(free_slot(folder, key)) if shared else lock
        holder = dataclasses.replace(holder, since=time.time())
        record.write(to_record(holder, key=key))
        opened.pop_all()
        return Lease(key, lock, record, holder, shared=shared, traces=traces)


def _claim(lock: LockFile, traces: Traces, *, shared: bool) -> bool:
    """Find out who crashed with the device; False when another one was faster and the lock is lost."""
    if not is_record(lock.read()):
        traces.claim(alone=not shared)
        return True
    # for a moment alone, so that of many who share it only one is told
    if shared and not lock.try_lock():
        return False
    traces.claim(alone=True)
    if is_record(left := lock.read()):
        traces.move(left)
        lock.write(b"")
    return not shared or lock.try_lock(shared=True)
