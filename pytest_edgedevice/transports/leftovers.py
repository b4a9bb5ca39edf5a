"""What a session that crashed left on this machine, and the proof that it may be removed.

Where a folder is said to be, is a claim that anybody may have written. What is
touched is a real directory with a session's name, of our own user, whose owner's lock
nobody holds; it is opened once, and all that follows goes through that descriptor.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shlex
import shutil
import stat
import time
from pathlib import Path
from typing import NamedTuple

from pytest_edgedevice.errors import DeadlineError
from pytest_edgedevice.transports.orphans import LOOK, OWNER, Orphan, end, has_owner, orphans_of

PREFIX = "edgedevice-session-"
_NAME = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_]{1,64}")
_MOST_SHOWN = 200


class Cleared(NamedTuple):  # no dataclass: see Orphan
    """What was done to the leftovers of a session, and what could not be; clauses for a report."""

    done: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class _Kept(Exception):  # noqa: N818 - no fault, an answer
    """Why a folder is left alone; a clause."""


def clear(path: str, *, deadline: float) -> Cleared:
    """End the processes of a dead session, and remove its folder.

    Args:
        path: Its folder, as somebody claims.
        deadline: By when, on the monotonic clock.

    Raises:
        DeadlineError: A process does not end, or the folder is too large to be removed in time.
    """
    place = Path(path)
    if str(place) != path or ".." in place.parts or not place.is_absolute() or not _NAME.fullmatch(place.name):
        return Cleared(kept=(f"left {_shown(path)} alone: that is no session's folder",))
    done: list[str] = []
    try:
        with contextlib.ExitStack() as held:
            foreign = _clear(place, held, done, deadline)
    except _Kept as reason:
        return Cleared(tuple(done), (f"left {_shown(path)} alone: {reason}",))
    except (OSError, ValueError, RecursionError) as error:  # ValueError: a name that no file can have
        reason_text = getattr(error, "strerror", None) or str(error)
        return Cleared(tuple(done), (f"left {_shown(path)} alone: {reason_text}",))
    return Cleared(tuple(done), foreign)


def _clear(path: Path, held: contextlib.ExitStack, done: list[str], deadline: float) -> tuple[str, ...]:
    parent = _open_parent(path, held)
    folder = None if parent is None else _open_folder(path, parent, held)
    if parent is None or folder is None:  # wiped by one of its agents; another may be stopped
        return _end_processes(path, os.geteuid(), done, deadline)
    uid = os.fstat(folder).st_uid
    if os.geteuid() not in (uid, 0):
        raise _Kept(_foreign(path, uid))
    proven = _is_free(folder, held)
    foreign = _end_processes(path, uid, done, deadline)
    if not proven and not done:
        if _is_gone(path, parent):
            return foreign
        raise _Kept(f"it holds no {OWNER}, so that it may be anybody's")
    _remove(path.name, parent, folder, deadline)
    done.append(f"removed {_shown(path)}")
    return foreign


def _open_parent(path: Path, held: contextlib.ExitStack) -> int | None:
    flags = getattr(os, "O_PATH", os.O_RDONLY)  # it need not be readable
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return _hold(os.open(path.parent, flags | os.O_DIRECTORY | os.O_CLOEXEC), held)
    return None


def _open_folder(path: Path, parent: int, held: contextlib.ExitStack) -> int | None:
    name = path.name
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            raise _Kept("it is no folder")
        return _hold(os.open(name, LOOK | os.O_DIRECTORY, dir_fd=parent), held)
    except FileNotFoundError:
        return None
    except PermissionError:
        # the parent is closed to us, or the folder is: in both cases somebody else's
        with contextlib.suppress(PermissionError):
            raise _Kept(_foreign(path, os.stat(name, dir_fd=parent, follow_symlinks=False).st_uid)) from None
        raise _Kept(_foreign(path, os.fstat(parent).st_uid)) from None


def _hold(descriptor: int, held: contextlib.ExitStack) -> int:
    held.callback(os.close, descriptor)
    return descriptor


def _is_free(folder: int, held: contextlib.ExitStack) -> bool:
    """Whether there is an owner's lock that nobody holds; from here on none can, while ``held`` is open."""
    try:
        lock = _hold(os.open(OWNER, LOOK, dir_fd=folder), held)
    except FileNotFoundError:
        return False
    except OSError as error:  # a link, a socket
        raise _Kept(f"its {OWNER} is none: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(lock).st_mode):
        raise _Kept(f"its {OWNER} is no file")
    if has_owner(lock):
        raise _Kept("its session is alive")
    return True


def _is_gone(path: Path, parent: int) -> bool:
    """Whether its own agent has wiped it meanwhile."""
    try:
        os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return True
    return False


def _end_processes(path: Path, uid: int, done: list[str], deadline: float) -> tuple[str, ...]:
    """End a dead session's processes that belong to a user; clauses for those that belong to another."""
    found = orphans_of(path)
    ours = [one for one in found if one.uid == uid]
    end(ours, deadline=deadline)
    if ours:
        done.append(f"ended {len(ours)} process{'es' if len(ours) > 1 else ''}")
    return tuple(_left_running(one) for one in found if one not in ours)


def _left_running(one: Orphan) -> str:
    return f"left process {one.pid} of {_user(one.uid)} alone: sudo kill -9 {one.pid}"


def _remove(name: str, parent: int, folder: int, deadline: float) -> None:
    """Remove a folder that is open; its lock goes last, so that what is cut short can still be told for dead."""
    for entry in sorted(os.listdir(folder), key=lambda entry: (entry == OWNER, entry)):
        if time.monotonic() > deadline:
            raise DeadlineError("removing what a session that crashed left did not end in time")
        with contextlib.suppress(FileNotFoundError):  # another sweeper was faster
            try:
                os.unlink(entry, dir_fd=folder)
            except (IsADirectoryError, PermissionError):
                shutil.rmtree(entry, ignore_errors=True, dir_fd=folder)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)  # removes nothing but an empty folder, whoever put it there


def _foreign(path: Path, uid: int) -> str:
    command = f"sudo rm -r {shlex.quote(str(path))}" if str(path) == _shown(path) else "have them remove it"
    return f"it belongs to {_user(uid)}: {command}"


def _user(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"


def _shown(path: Path | str) -> str:
    whole = str(path)
    short = whole if len(whole) <= _MOST_SHOWN else whole[: _MOST_SHOWN - 3] + "..."
    return "".join(char if char.isprintable() else "?" for char in short)
