"""``edgedevice release``: end a quarantine, or ask a process of one's own to hand a device back.

A lock is never taken from anybody: its holder is asked to end, as by Ctrl-C, and
hands the device back itself.
"""

from __future__ import annotations

import os
from pathlib import Path

from pytest_edgedevice.cli.state import Use, counted, find, quarantined
from pytest_edgedevice.cli.terminal import agreed, is_terminal
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.errors import DeviceBusyError
from pytest_edgedevice.leases import ask_holder, holder_pid, lift

WAIT_S = 30.0


def release(name: str, config: Path | None, *, yes: bool, wait_s: float) -> bool:
    """Do what can be done so that a device can be used; say what was done.

    Args:
        name: The device.
        config: The device file; None to search for it.
        yes: Ask the holder to end without asking the user first.
        wait_s: How long the holder may take to end, seconds.

    Returns:
        False when the device was left as it was because the user said no, or because it changed hands.

    Raises:
        DeviceBusyError: It is held by another user, or did not end in time, or nobody can be asked here.
        EdgeDeviceError: There is no such device, its lock cannot be read, or it changed hands at the last moment.
    """
    device = find(name, config)
    sick = device.use.quarantine
    if sick is not None and (sick.active or not device.use.holders):
        lift(device.key)
        print(f"{'lifted the quarantine of' if sick.active else 'ended the probation of'} {name}")
        print(f"  it was {printable(quarantined(sick) if sick.active else f'after {counted(sick)}')}")
        _tell(name, device.key)
        return True
    pid = holder_pid(device.key) if device.use.holders else None
    if pid is None:
        print(f"{name} is free and healthy: there is nothing to release")
        return True
    _check_is_ours(name, pid, device.use)
    return _end_holder(name, device.key, pid, use=device.use, wait_s=wait_s, yes=yes)


def _end_holder(name: str, key: str, pid: int, *, use: Use, wait_s: float, yes: bool) -> bool:
    held = _held(name, pid, use)
    if not yes:
        if not is_terminal():
            raise DeviceBusyError(held, hint=f"to ask it to end, run: edgedevice release {name} --yes")
        if not agreed(f"{held}. Ask {'that process' if len(use.holders) == 1 else 'them'} to end? [y/N] "):
            print(f"nothing was done: {name} is held still")
            return False
        now = Use.of(key)
        if holder_pid(key) != pid or _marks(now) != _marks(use):
            print(f"nothing was done: {name} changed hands meanwhile")
            _tell(name, key)
            return not now.holders
    if not ask_holder(key, wait_s=wait_s, expected=pid):
        raise DeviceBusyError(
            f"{held}: it did not let go within {wait_s:g} s after it was asked to end",
            hint=f"it is stopped, as by Ctrl-Z; let it run on: kill -CONT {pid}"
            if _is_stopped(pid)
            else f"wait longer with --wait SECONDS, or end it yourself: kill {pid}",
        )
    print(f"asked {'process ' + str(pid) if len(use.holders) == 1 else 'all of them'} to end: {name} was let go")
    _tell(name, key)
    return True


def _check_is_ours(name: str, pid: int, use: Use) -> None:
    """Refuse before the user is asked; whoever asks the holder checks again.

    Raises:
        DeviceBusyError: The process belongs to another user.
    """
    try:
        owner = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return  # gone by itself
    if os.geteuid() not in {0, owner}:
        text = f"{_held(name, pid, use)}, a process of another user"
        raise DeviceBusyError(text, hint=f"ask them to end it, or wait: edgedevice who {name}")


def _is_stopped(pid: int) -> bool:
    """Whether a process that was asked cannot hear it before somebody continues it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"T", "t"}


def _held(name: str, pid: int, use: Use) -> str:
    """Who holds it; where the kernel knows of another process than the record, both are named."""
    claims = "; ".join(f"held by {printable(str(holder))}" for holder in use.holders)
    if any(holder.pid == pid for holder in use.holders):
        return f"{name} is {claims}"
    return f"{name} is held by process {pid}; its record says: {claims}"


def _marks(use: Use) -> set[tuple[int, float]]:
    return {(holder.pid, holder.since) for holder in use.holders}


def _tell(name: str, key: str) -> None:
    """Say how things are now: somebody may have waited for it."""
    for clause in Use.of(key).clauses:
        print(f"{name} is {printable(clause)}")
