"""A device's state before and after it is timed: waits that it asks for, and what the rules make of the answer.

The rules themselves are pure and in ``validity``; this asks the device, waits, and tells of it.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pytest_edgedevice.validity import Rules, causes, disturbances, spoiling, to_wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
    from pytest_edgedevice.values import Fact, Timing

Found = TypeVar("Found", "Timing", "Resources", "Stages", "Stream", "Profile")
LOOK_EVERY_S = 5.0
TELL_EVERY_S = 10.0
RECENT_S = 1.0


@dataclass(slots=True)
class Care:
    """How one device is treated when it is timed; the same for all of its models.

    Attributes:
        rules: What its owner wants.
        cores: Its processors; None where that is not known.
        tell: Given a line to show while a measurement waits, and an empty one when that is over.
    """

    rules: Rules = field(default_factory=Rules)
    cores: int | None = None
    tell: Callable[[str], None] | None = None
    _in_vain: set[str] = field(default_factory=set, repr=False)
    _last: tuple[float, Mapping[str, Fact]] | None = field(default=None, repr=False)

    def wait(self, ask: Callable[[], Mapping[str, Fact]], *, name: str, threads: int) -> float:
        """Wait until nothing is left that the rules wait for, or the time for that is over; how long, seconds.

        Whatever did not pass in that time is not waited for again until it was seen to be gone: a device that is
        always so would hold up every test.

        Args:
            ask: Gives the device's conditions now.
            name: The device, for the line that is told.
            threads: Of the model that is to be timed.
        """
        if "wait" not in (getattr(self.rules, each.name) for each in dataclasses.fields(Rules)):
            return 0.0
        started = time.monotonic()
        told_s: float | None = None
        waited_s = 0.0
        while True:
            told = self._just_told() or ask()
            left = {one.condition: one for one in to_wait_for(told, self.rules, threads=threads, cores=self.cores)}
            self._in_vain &= left.keys()
            met = tuple(one for one in left.values() if one.condition not in self._in_vain)
            remaining_s = self.rules.cool_s - waited_s
            if not met or remaining_s <= 0:
                self._in_vain |= left.keys()
                break
            if self.tell and (told_s is None or waited_s - told_s >= TELL_EVERY_S):
                told_s = waited_s
                why = causes(met).replace(" before the run", "")  # a terminal's line is short, and it is now
                self.tell(f"{name} waits, {waited_s:.0f} of {self.rules.cool_s:g} s: {why}")
            time.sleep(min(LOOK_EVERY_S, remaining_s))
            waited_s = time.monotonic() - started
        if self.tell and told_s is not None:
            self.tell("")
        return waited_s

    def _just_told(self) -> Mapping[str, Fact]:
        """What the last measurement ended with, if that was just now: blocks in turn need no question in between."""
        last, self._last = self._last, None
        return last[1] if last is not None and time.monotonic() - last[0] < RECENT_S else {}

    def noted(self, found: Found, *, threads: int, waited_s: float) -> Found:
        """What was found, with what disturbed it by its own conditions."""
        self._last = time.monotonic(), found.conditions.get("after", {})
        met = disturbances(found.conditions, self.rules, threads=threads, cores=self.cores)
        return dataclasses.replace(found, disturbances=met, waited_s=waited_s)

    def judged(self, timing: Timing, *, threads: int, waited_s: float) -> Timing:
        """The measurement with what disturbed it, and without a verdict where the rules give none."""
        timing = self.noted(timing, threads=threads, waited_s=waited_s)
        if timing.verdict is None or not (reason := spoiling(timing.disturbances)):
            return timing
        return dataclasses.replace(timing, verdict="inconclusive", reason=reason, needed="")


def cores_of(facts: Mapping[str, Fact]) -> int | None:
    """How many processors a device's facts say that it has."""
    cores = facts.get("cores")
    return cores if type(cores) is int and cores > 0 else None
