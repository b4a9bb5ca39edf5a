"""Folders that models are copied to: the temporary one, and those that the device file names."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory

FREE_LEAST_BYTES = 200_000_000
TRIAL_BYTES = 4096


def check_storage(inventory: Inventory) -> Iterator[Finding]:
    """Whether they can be written to, and have room."""
    yield _temporary()
    for entry in inventory.devices.values():
        if entry.spec.kind == "local" and entry.folder:
            yield _tried(entry.name, Path(entry.folder), "choose another 'folder' in edgedevice.toml")


def session_roots(inventory: Inventory) -> list[Path]:
    """Folders in which sessions make theirs, whether they exist or not.

    Raises:
        OSError: There is no temporary folder.
    """
    named = [Path(entry.folder) for entry in inventory.devices.values() if entry.spec.kind == "local" and entry.folder]
    return list(dict.fromkeys([_own_root(), *named]))


def _own_root() -> Path:
    return Path(tempfile.gettempdir()) / f"edgedevice-{os.getuid()}"


def _temporary() -> Finding:
    remedy = "set TMPDIR to a folder that you may write to"
    try:
        own = _own_root()
    except OSError as error:
        return Finding("temp folder", "wrong", str(error), remedy)
    if os.path.lexists(own):
        found = own.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, os.getuid()}:
            quoted = shlex.quote(str(own))
            return Finding("temp folder", "wrong", f"{own} is not a folder of ours", f"sudo rm -r {quoted}")
        return _tried("temp folder", own, remedy)
    return _tried("temp folder", own.parent, remedy)


def _tried(about: str, folder: Path, remedy: str) -> Finding:
    """Write a file there that has no name and is gone at once; where there is no folder yet, where it would be made."""
    there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(TRIAL_BYTES))
            file.flush()
        free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(about, "wrong", f"{there} cannot be written to: {error.strerror or error}", remedy)
    if free_bytes < FREE_LEAST_BYTES:
        hint = "models are copied there: free space, set TMPDIR, or set 'folder' in edgedevice.toml"
        return Finding(about, "wrong", f"{folder} has only {free_bytes / 1e6:.0f} MB free", hint)
    made = "is writable" if there == folder else "can be made"
    return Finding(about, "ok", f"{folder} {made} and has {free_bytes / 1e9:.1f} GB free")
