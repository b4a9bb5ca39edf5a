"""What a phone says of a program that failed: its own lines of the log, and its tombstone where that may be read.

Only our own processes' lines: a log holds other people's secrets. Pure but for the scripts' texts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_BYTES = 64 << 10
"""Longest log and longest tombstone that are kept."""
LOG = 'exec logcat -d -v threadtime -v epoch -b main,system,crash -T "$1" 2>/dev/null'
TOMBSTONE = r"""
command -v grep >/dev/null || exit 0
for F in /data/tombstones/tombstone_*; do
    case $F in *.pb) continue ;; esac
    [ -r "$F" ] || continue
    for P; do grep -q "^pid: $P, tid: " "$F" && N=$F; done
done
[ -z "$N" ] || exec cat "$N"
"""
_LINE = re.compile(r"\s*(?P<time>\d{1,12}\.\d{3,9})\s+(?P<pid>\d{1,10})\s+\d{1,10}\s+[VDIWEFS]\s(?P<rest>.*)")
_CRASH = re.compile(r"DEBUG\s*: .*\bpid: (\d{1,10}), tid: ")


def own_lines(log: str, pids: Collection[int], *, since_s: float = 0.0) -> str:
    """The lines that our processes wrote, and those that Android's crash reporter wrote about them; the last ones.

    Args:
        log: As logcat says it with ``-v threadtime -v epoch``.
        pids: Numbers of our processes on the device.
        since_s: Lines from before are left out, seconds since the epoch on the device's clock: a number may
            have been another's.
    """
    lines = [(match, line) for line in log.splitlines() if (match := _LINE.fullmatch(line))]
    about = {int(match["pid"]) for match, _ in lines if _is_about(match["rest"], pids)}
    wanted = {*pids, *about}
    kept = [line for match, line in lines if int(match["pid"]) in wanted and float(match["time"]) >= since_s]
    return cut("\n".join(kept), last=True)


def _is_about(rest: str, pids: Collection[int]) -> bool:
    """Whether a line begins the crash reporter's report of one of our processes; it is a process of its own."""
    match = _CRASH.match(rest)
    return match is not None and int(match[1]) in pids


def cut(text: str, *, last: bool = False) -> str:
    """A text that is cut to a size, at its end or at its beginning, and holds nothing that moves a cursor."""
    clean = "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
    if len(clean) <= MOST_BYTES:
        return clean
    left_out = f"[{len(clean) - MOST_BYTES} characters left out]"
    return f"{left_out}\n{clean[-MOST_BYTES:]}" if last else f"{clean[:MOST_BYTES]}\n{left_out}"
