"""Who holds a device and how many wait for it, without disturbing anybody."""

from __future__ import annotations

import contextlib
import json
import os
from itertools import islice
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import LeaseError
from pytest_edgedevice.leases.folder import lock_folder, lock_path, safe_name, unusable
from pytest_edgedevice.leases.holder import MAX_TEXT, Holder, from_record, one_line
from pytest_edgedevice.leases.lockfile import LockFile
from pytest_edgedevice.leases.queue import live_tickets, mark
from pytest_edgedevice.leases.slots import sharing

if TYPE_CHECKING:
    from pathlib import Path

MOST_FILES = 5000


def holders(key: str) -> list[Holder]:
    """Everybody who holds a device now; a ``Holder`` of unknowns stands for who left no record.

    Raises:
        LeaseError: The lock cannot be read.
    """
    folder = lock_folder()
    path = lock_path(folder, key)
    if not os.path.lexists(path):
        return []
    with LockFile(path, look_only=True) as lock:
        state, record = lock.state(), lock.read()
    if state == "free":
        return []
    found = list(sharing(folder, key)) if state == "shared" else [from_record(record) or Holder()]
    return found or [Holder()]


def who(key: str) -> Holder | None:
    """Who holds a device now; one of them where it is shared, None when it is free.

    Raises:
        LeaseError: The lock cannot be read.
    """
    return next(iter(holders(key)), None)


def waiters(key: str) -> int:
    """How many wait for a device now and are awake.

    Raises:
        LeaseError: The lock folder cannot be read.
    """
    folder = lock_folder()
    if not folder.is_dir():
        return 0
    try:
        return sum(seen.awake and mark(key) in seen.wants for seen in live_tickets(folder))
    except OSError as error:
        raise unusable(folder, error, folder=folder) from None


def recorded() -> dict[str, str]:
    """Devices of which the lock folder has a record, by key: what people call them, empty where no record says so.

    For devices that no file here names: a conftest contributes them, or they are somebody else's. A record is
    believed only where the name of its own file proves the key.
    """
    found: dict[str, str] = {}
    paths: list[Path] = []
    with contextlib.suppress(LeaseError, OSError):
        paths = sorted(islice(lock_folder().iterdir(), MOST_FILES))
    for path in paths:
        if path.suffix in {".lock", ".sick"} or path.suffix.startswith(".shared-"):
            key, name = _claims(path)
            if key and path.stem == safe_name(key):
                found[key] = name or found.get(key, "")
    return found


def _claims(path: Path) -> tuple[str, str]:
    """Key and name in a record; empty where there is none."""
    content = None
    with contextlib.suppress(LeaseError, OSError, ValueError, RecursionError), LockFile(path, look_only=True) as file:
        content = json.loads(file.read().split(b"\n", 1)[0])
    if not isinstance(content, dict):
        return "", ""
    key, name = content.get("key"), content.get("name")
    return key if isinstance(key, str) else "", one_line(name, MAX_TEXT) if isinstance(name, str) else ""
