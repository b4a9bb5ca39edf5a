"""What sessions that were killed left on this machine; the next session clears it away, so nothing is wrong."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
from itertools import islice
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding
from pytest_edgedevice.cli.checks.storage import session_roots
from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import lock_folder
from pytest_edgedevice.leases.holder import Holder, from_record
from pytest_edgedevice.leases.lockfile import LockFile
from pytest_edgedevice.transports.leftovers import PREFIX
from pytest_edgedevice.transports.orphans import LOOK, OWNER, has_owner, orphans_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_edgedevice.inventory import Inventory

MOST_ENTRIES = 5000
MOST_NAMED = 3
MOST_SEARCHED = 20
TRACE = b"!"  # in front of a record that the next holder was told of and did not live to clean up


def check_leftovers(inventory: Inventory) -> Iterator[Finding]:
    """Folders and processes of crashed sessions, and devices that were not handed back."""
    found = [*_uncleaned()]
    for root in session_roots(inventory):
        found += _folders(root)
    yield from found or [Finding("leftovers", "ok", "no session crashed and left something here")]


def _folders(root: Path) -> Iterator[Finding]:
    with contextlib.suppress(OSError):
        dead = [folder for folder in islice(root.glob(f"{PREFIX}*"), MOST_ENTRIES) if _is_dead(folder)]
        if not dead:
            return
        pids = sorted({one.pid for folder in dead[:MOST_SEARCHED] for one in orphans_of(folder)})
        size_bytes = sum(_size_bytes(folder) for folder in dead)
        count = "a crashed session" if len(dead) == 1 else f"{len(dead)} crashed sessions"
        text = f"{count} left {size_bytes / 1e6:.1f} MB in {root}"
        if pids:
            text += f" and {'process' if len(pids) == 1 else 'processes'} {', '.join(map(str, pids))}"
        commands = [f"kill -9 {' '.join(map(str, pids))}"] if pids else []
        if len(dead) <= MOST_NAMED:
            commands.append("rm -r " + " ".join(shlex.quote(str(folder)) for folder in dead))
        yield Finding("leftovers", "ok", f"{text}; the next session removes it", "; ".join(commands))


def _is_dead(folder: Path) -> bool:
    """Whether the lock that a session keeps on its folder is free."""
    try:
        descriptor = os.open(folder / OWNER, LOOK)
    except OSError:
        return False  # being made, or not ours to look into
    try:
        return not has_owner(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _size_bytes(folder: Path) -> int:
    total = 0
    for entry in islice(folder.rglob("*"), MOST_ENTRIES):
        with contextlib.suppress(OSError):
            total += entry.lstat().st_size
    return total


def _uncleaned() -> Iterator[Finding]:
    """Locks that are free though a holder's record lies in them: that holder crashed."""
    paths: list[Path] = []
    with contextlib.suppress(OSError):
        for pattern in ("*.lock", "*.shared-*"):
            paths += islice(lock_folder().glob(pattern), MOST_ENTRIES)
    for path in sorted(paths):
        last = _last(path)
        if last is not None and last.user:  # the queue's own lock has no user in it
            holder = dataclasses.replace(last, since=0.0)  # how long it held the device says nothing now
            text = f"a holder crashed: {holder}; the next session cleans its device first"
            yield Finding("leftovers", "ok", text)


def _last(path: Path) -> Holder | None:
    with contextlib.suppress(LeaseError, OSError), LockFile(path, look_only=True) as lock:
        if lock.state() == "free":
            return from_record(lock.read().removeprefix(TRACE))
    return None
