"""Devices that fail again and again are set aside, so that they fail no innocent tests.

One small file a device, beside its lock; like every record there it may be torn,
rubbish or unfriendly, and then counts as absent: nothing that is written there can
set a device aside for longer than an hour from now. The second error in a row
sets a device aside, for a minute at first. After that it is on probation: one
more error sets it aside at once, for twice as long. Any success ends the count.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import lock_folder, ready_folder, safe_name
from pytest_edgedevice.leases.holder import duration, one_line
from pytest_edgedevice.leases.lockfile import LockFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ERRORS_IN_A_ROW = 2
FIRST_S, LONGEST_S = 60.0, 3600.0
MAX_COUNT = 99
_MAX_NAME, _MAX_REASON = 200, 400
_CLOCK_STEP_S = 60.0  # a record from further in the future than that was written under a wrong clock, or to annoy
_BOOKKEEPING_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Infrastructure errors of a device, in a row.

    Attributes:
        name: What people call it.
        reason: The last error, one line; empty when it said nothing.
        since: When the last error was noted, seconds since the epoch.
        count: Errors in a row, from 1; more than 99 count as 99.
    """

    name: str
    reason: str
    since: float
    count: int

    @property
    def until(self) -> float:
        """When it may be tried again, seconds since the epoch."""
        if self.count < ERRORS_IN_A_ROW:
            return self.since
        return self.since + min(FIRST_S * 2.0 ** min(self.count - ERRORS_IN_A_ROW, 16), LONGEST_S)

    @property
    def active(self) -> bool:
        """Whether it must not be used now."""
        return self.count >= ERRORS_IN_A_ROW and self.since - _CLOCK_STEP_S <= time.time() < self.until

    @property
    def probation(self) -> bool:
        """Whether it was set aside and may be used again; the next error sets it aside for longer."""
        return self.count >= ERRORS_IN_A_ROW and not self.active

    def __str__(self) -> str:
        """Fits behind ``NAME is``: ``quarantined after 2 errors in a row, for 42 s more: the link broke``."""
        errors = f"{self.count} errors in a row" if self.count != 1 else "1 error"
        reason = self.reason or "no reason was given"
        if self.active:
            return f"quarantined after {errors}, for {duration(self.until - time.time())} more: {reason}"
        return f"{'on probation' if self.probation else 'under watch'} after {errors}: {reason}"


def quarantine_of(key: str) -> Quarantine | None:
    """What is counted against a device, in quarantine or not; None when nothing is, or it cannot be read."""
    path = _path(lock_folder(), key)
    with contextlib.suppress(LeaseError, OSError), LockFile(path, look_only=True) as file:
        return _read(file.read())
    return None


def note_fault(key: str, *, name: str, reason: str) -> Quarantine:
    """Count an infrastructure error against a device; called by who holds it.

    Args:
        key: Hardware identity of the device.
        name: What people call it.
        reason: What happened; its first line is kept.

    Raises:
        LeaseError: It cannot be written down.
    """
    with _alone(ready_folder(), key) as file:
        before = _read(file.read())
        count = min(before.count + 1, MAX_COUNT) if before else 1
        found = Quarantine(one_line(name, _MAX_NAME), _first_line(reason), time.time(), count)
        content = {"schema": 1, "key": one_line(key, _MAX_NAME), **dataclasses.asdict(found)}
        file.write(json.dumps(content).encode() + b"\n")
    return found


def note_health(key: str) -> None:
    """Say that a device works: the count starts anew. Writes only where there is one.

    Raises:
        LeaseError: Its file cannot be written.
    """
    if quarantine_of(key) is not None:
        lift(key)


def lift(key: str) -> bool:
    """End a quarantine, or forget a first error; whether there was any count.

    Raises:
        LeaseError: Its file cannot be written.
    """
    if quarantine_of(key) is None:
        return False
    with _alone(ready_folder(), key) as file:
        found = _read(file.read()) is not None
        file.write(b"")
    return found


def _path(folder: Path, key: str) -> Path:
    return folder / f"{safe_name(key)}.sick"


@contextlib.contextmanager
def _alone(folder: Path, key: str) -> Iterator[LockFile]:
    """The file, while nobody else counts; after a bounded wait all the same, as a miscount is the lesser evil."""
    deadline = time.monotonic() + _BOOKKEEPING_WAIT_S
    with LockFile(_path(folder, key)) as file:
        while not file.try_lock() and time.monotonic() < deadline:
            time.sleep(0.002)
        yield file


def _first_line(text: str) -> str:
    lines = (line.strip() for line in text.splitlines())
    return one_line(next((line for line in lines if line), ""), _MAX_REASON)


def _read(record: bytes) -> Quarantine | None:
    try:
        content = json.loads(record.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    name, reason, since, count = (content.get(part.name) for part in dataclasses.fields(Quarantine))
    if not (isinstance(name, str) and isinstance(reason, str) and _is_number(since) and _is_number(count)):
        return None
    # an int may be too long for a float: comparing the two is exact, converting is not
    if not (isinstance(count, int) and count >= 1 and 0 <= since <= time.time() + _CLOCK_STEP_S):
        return None
    return Quarantine(one_line(name, _MAX_NAME), _first_line(reason), float(since), min(count, MAX_COUNT))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
