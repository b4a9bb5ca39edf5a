"""A witness of the storm that trusts nothing but clocks and the news of deaths.

A holder's interval ends before it releases, or when the kill was sent, so it lies
within the true one: intervals that overlap, not both shared, are an overlap.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEVER = 1 << 62
_LATE_NS = 30 * 10**9  # no process is stopped for so long between getting a device and saying so


@dataclass
class Attempt:
    """One call of ``acquire``, as the log tells it; times in nanoseconds of the monotonic clock.

    ``since`` is the lease's own record of when it got the device (seconds since the epoch): a
    process may be stopped between getting it and writing its line in the log.
    """

    pid: int
    keys: frozenset[str]
    called: int
    shared: bool = False
    visible: int = NEVER
    got: int = NEVER
    key: str = ""
    since: float = float("inf")
    told_of: tuple[int, ...] = ()
    end: int = NEVER
    killed: bool = False
    last: bool = False


@dataclass
class Witness:
    acquisitions: int = 0
    shared: int = 0
    kills: int = 0
    kills_while_holding: int = 0
    stops: int = 0
    overlaps: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    unnoticed_crashes: list[str] = field(default_factory=list)
    told_twice: list[str] = field(default_factory=list)


def judge(lines: Iterable[str], *, deaths: Mapping[str, int], kills: int, stops: int) -> Witness:
    """Judge a whole storm by its log."""
    return judged(_read(lines, {int(pid): ns for pid, ns in deaths.items()}), kills=kills, stops=stops)


def judged(attempts: list[Attempt], *, kills: int = 0, stops: int = 0) -> Witness:
    witness = Witness(kills=kills, stops=stops)
    held = defaultdict(list)
    for attempt in attempts:
        if attempt.got != NEVER:
            held[attempt.key].append(attempt)
            witness.acquisitions += 1
            witness.shared += attempt.shared
            witness.kills_while_holding += attempt.killed
    told_of = {pid for attempt in attempts for pid in attempt.told_of}
    for key, holders in held.items():
        holders.sort(key=lambda one: one.got)
        waiters = sorted((one for one in attempts if key in one.keys), key=lambda one: one.visible)
        _find_overlaps(holders, witness)
        _find_overtaken(holders, waiters, told_of, witness)
        _find_unnoticed(holders, witness)
    return witness


def _read(lines: Iterable[str], deaths: Mapping[int, int]) -> list[Attempt]:
    attempts: list[Attempt] = []
    current: dict[int, Attempt] = {}
    for line in lines:
        pid_text, what, ns_text, *rest = line.split()
        pid, ns = int(pid_text), int(ns_text)
        if what == "call":
            current[pid] = Attempt(pid, frozenset(rest[1:]), ns, shared=rest[0] == "shared")
            attempts.append(current[pid])
        elif what == "visible":
            current[pid].visible = ns
        elif what == "got":
            current[pid].got, current[pid].key, current[pid].since = ns, rest[0], float(rest[1])
            current[pid].told_of = tuple(int(pid) for pid in rest[2:])
        else:
            current[pid].end = ns
    for attempt in current.values():
        attempt.last = True
    for attempt in attempts:
        if attempt.end == NEVER and attempt.pid in deaths:
            attempt.end, attempt.killed = deaths[attempt.pid], True
    return attempts


def _find_overlaps(holders: list[Attempt], witness: Witness) -> None:
    latest: dict[bool, Attempt] = {}  # by whether it was shared, the earlier holder that ended last
    for holder in holders:
        for shared, before in latest.items():
            if holder.got < before.end and not (shared and holder.shared):
                witness.overlaps.append(f"{before} and {holder}")
        if holder.shared not in latest or latest[holder.shared].end < holder.end:
            latest[holder.shared] = holder


def _find_overtaken(holders: list[Attempt], waiters: list[Attempt], told_of: set[int], witness: Witness) -> None:
    waiting: list[Attempt] = []
    coming = iter(waiters)
    following = next(coming, None)
    for lucky in holders:
        while following is not None and following.visible < lucky.got:
            waiting.append(following)
            following = next(coming, None)
        waiting = [waiter for waiter in waiting if min(waiter.got, waiter.end) > lucky.got - _LATE_NS]
        witness.overtaken += [
            f"{lucky} before {waiter}"
            for waiter in waiting
            if waiter.visible < lucky.called
            and not (waiter.shared and lucky.shared)
            and _still_waited(waiter, lucky, told_of)
        ]


def _still_waited(waiter: Attempt, lucky: Attempt, told_of: set[int]) -> bool:
    if waiter.got == NEVER:
        # killed in line, or after it got a device and before it could say so
        return lucky.got < waiter.end and waiter.pid not in told_of
    return lucky.since < waiter.since


def _find_unnoticed(holders: list[Attempt], witness: Witness) -> None:
    told = defaultdict(list)
    for holder in holders:
        for pid in holder.told_of:
            told[pid].append(holder)
    for crash in (one for one in holders if one.killed):
        alone = next((one for one in holders if one.got > crash.end and not one.shared), None)
        if not told[crash.pid] or (alone is not None and told[crash.pid][0].got > alone.got):
            witness.unnoticed_crashes.append(f"{crash}, next alone {alone}")
    for pid, tellings in told.items():
        # who was told and died as well, before it had handed the device back, passes it on
        witness.told_twice += [f"{pid} by {one}" for one in tellings[:-1] if not (one.killed or one.last)]
