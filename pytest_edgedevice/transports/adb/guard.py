"""A device's own lock, held by its keeper, and what sessions that died left there."""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import DeviceBusyError, LeaseError
from pytest_edgedevice.transports.adb.keeper import SESSION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.transports.adb.session import Session

ASK_S = 10.0
SWEEP_S = 30.0
LOOK_S = 0.1
NEWS_S = 2.0
MOST_RECORD_BYTES = 16_000
MOST_TEXT = 200


def take(session: Session, record: bytes, *, wait_s: float, on_wait: Callable[[str], None] | None) -> tuple[str, ...]:
    """Take the lock, or wait in its line, first come, first served; see ``Transport.guard``."""
    started = time.monotonic()
    told_s = -NEWS_S
    request = f"lock {base64.b64encode(record[:MOST_RECORD_BYTES]).decode()}"
    while True:
        said = session.ask(request, "lock", timeout_s=ASK_S)[-1][1:]
        what, before = said[0] if said else "", who(said[1]) if len(said) > 1 else ""
        if what == "taken":
            done = [f"taken over from {before}"] if before and not _same(said[1], record) else []
            return (*done, *_swept(session.ask("sweep", "sweep", timeout_s=SWEEP_S)))
        if what == "none":
            return _swept(session.ask("sweep", "sweep", timeout_s=SWEEP_S))
        if what != "busy":
            raise LeaseError(
                f"{session}: its lock cannot be used: {' '.join(said)[:MOST_TEXT]}",
                hint="it must be a plain file that its shell may write to; look at it, and remove it",
            )
        waited_s = time.monotonic() - started
        holder = before or "an unknown user"
        if waited_s >= wait_s:
            raise DeviceBusyError(
                f"{session} is held by {holder} through another adb server or host; waited {waited_s:.0f} s",
                hint="wait longer with wait_s=SECONDS, or use another device",
            )
        if on_wait is not None and waited_s - told_s >= NEWS_S:
            told_s = waited_s
            on_wait(f"place {said[2][:9] if len(said) > 2 else '?'}, held by {holder}")
        time.sleep(min(LOOK_S, max(wait_s - waited_s, 0)))


def clean(session: Session, left: str, *, timeout_s: float) -> tuple[str, ...]:
    """End what a dead session left; see ``Transport.clean``."""
    if not left:
        return ()
    folder, name = posixpath.split(left)
    shown = "".join(char if char.isprintable() else "?" for char in left[:MOST_TEXT])
    if folder != posixpath.dirname(session.folder) or not SESSION.fullmatch(name):
        return (f"left {shown} alone: that is no session's folder",)
    answers = session.ask(f"clean {name}", "clean", timeout_s=timeout_s)
    if answers[-1][1:] == ["2"]:
        return (f"left {shown} alone: its session is alive",)
    return _swept(answers, folder)


def _swept(answers: Sequence[Sequence[str]], folder: str = "") -> tuple[str, ...]:
    done: list[str] = []
    for answer in answers:
        if answer[0] == "swept" and len(answer) == 3 and SESSION.fullmatch(answer[1]):
            count = int(answer[2]) if answer[2].isdecimal() and len(answer[2]) < 9 else 0
            if count:
                done.append(f"ended {count} process{'es' if count > 1 else ''}")
            done.append(f"removed {posixpath.join(folder, answer[1])}")
    return tuple(done)


def _same(word: str, record: bytes) -> bool:
    """Whether the holder before had this very lease, by a link that was lost: see ``onboard``."""
    claimed, ours = _read(word), _read(base64.b64encode(record).decode())
    names = ("pid", "user", "host", "since")
    return bool(ours.get("since")) and all(claimed.get(name) == ours.get(name) for name in names)


def who(word: str) -> str:
    """The holder in a record, for people; empty when there is none. Whoever wrote it is not trusted."""
    if word == "-":
        return ""
    if not (content := _read(word)):
        return "an unknown user"
    user, host, test = (_text(content.get(name)) for name in ("user", "host", "test"))
    pid = content.get("pid")
    place = f"pid {pid}" if type(pid) is int and 0 < pid < 1 << 31 else "pid unknown"
    place += f" on {host}" if host else ""
    return f"{user or 'an unknown user'} ({place})" + (f", test {test}" if test else "")


def _read(word: str) -> dict[str, Any]:
    """What a record holds; nothing where it is none."""
    try:
        content: Any = json.loads(base64.b64decode(word[: 2 * MOST_RECORD_BYTES], validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _text(value: object) -> str:
    return "".join(char if char.isprintable() else "?" for char in value[:MOST_TEXT]) if isinstance(value, str) else ""
