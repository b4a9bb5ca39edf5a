"""A latency series while it grows: warm-up, blocks of timed runs, looks, and a run for a given time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.gate import Gate
from pytest_edgedevice.metrics.latency import explained, judge_run
from pytest_edgedevice.metrics.looks import alone, looks_of, settled, steady

if TYPE_CHECKING:
    from pytest_edgedevice.runners.measure import Plan, TimingSource
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.values import Fact, Verdict

WINDOW_NS = 20_000_000
"""A warm-up window lasts about this long, so that a moment's disturbance does not decide."""
MAX_WINDOWS = 25
MAX_WARMUP_S = 10.0
BATCH_BELOW_TICKS = 50
"""Inferences of fewer ticks of the device's clock are timed several at once."""
BLOCK_NS = 1_000_000_000
SETTLE_NS = 1_000_000
MOST_SUSTAINED = 20_000
"""Entries of a sustained series; a shorter inference is timed now and then only, and runs untimed in between."""
CONDITIONS_AFTER_S = 15.0
"""When the device is asked for its conditions between two blocks, and then after half as long again each time: it
takes a moment, in which the device may cool."""
MOST_UNTIMED = 1000
"""Untimed inferences before a block, as the protocol allows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a series came to.

    Attributes:
        verdict: None without a budget.
        reason: Why it is not ``pass``; empty otherwise.
        confidence: Of each bound.
        lower_ns, upper_ns: Bounds of the quantile; None where there is no budget, or too few runs.
        needed: What would have decided it, where it is inconclusive.
    """

    verdict: Verdict | None
    reason: str
    confidence: float
    lower_ns: float | None = None
    upper_ns: float | None = None
    needed: str = ""


class GrowingSeries:
    """The series and where it comes from.

    Attributes:
        samples: Timed runs in order, nanoseconds.
        batch: Inferences averaged in each.
        first_ns: The very first inference.
        during: Conditions of the device while the series grew; none of a short one.
    """

    def __init__(self, source: TimingSource) -> None:
        self._source = source
        self._typical_ns = 1
        self.samples: list[int] = []
        self.batch = 1
        self.first_ns = 0
        self.during: list[dict[str, Fact]] = []
        self._asked_s = math.inf
        self._pause_s = CONDITIONS_AFTER_S

    def warm_up(self, sample: Batch) -> tuple[int, bool]:
        """Give the sample and run until two windows agree; the number of runs, and whether they did."""
        start = time.monotonic()
        self._typical_ns = max(self._take(1, sample=sample)[0], 1)
        runs = 2  # the first inference, and the one that was timed to plan the windows
        windows: list[list[int]] = []
        while len(windows) < MAX_WINDOWS and (len(windows) < 2 or time.monotonic() - start < MAX_WARMUP_S):
            window = self._take(max(5, min(WINDOW_NS // self._typical_ns, 2000)))
            self._typical_ns = max(int(np.median(window)), 1)
            windows.append(window)
            runs += len(window)
            if steady(windows):
                break
        shortest_ns = BATCH_BELOW_TICKS * self._source.tick_ns
        if self._typical_ns < shortest_ns:
            self.batch = math.ceil(shortest_ns / self._typical_ns)
        return runs, settled(windows)

    def decide(self, plan: Plan) -> Decision:
        """Take runs and look, until a verdict or the cap."""
        self._asked_s = time.monotonic()
        if plan.sustained_s:
            return self._sustain(plan)
        end = time.monotonic() + plan.max_s
        if plan.budget_ns is None:
            self._grow(plan.looks[0], end)
            return Decision(None, "", plan.confidence)
        looks = looks_of(plan.looks, each_ns=self._typical_ns * self.batch)
        gate = Gate(plan.budget_ns, quantile=plan.quantile, confidence=plan.confidence, looks=looks)
        found = None
        for wanted in looks:
            self._grow(wanted, end)
            found = gate.look(self.samples, self.batch, time_is_up=time.monotonic() >= end)
            if found is not None:
                break
        assert found is not None  # the last look always gives one
        return Decision(found.verdict, found.reason, gate.confidence_used, found.lower_ns, found.upper_ns, found.needed)

    def _sustain(self, plan: Plan) -> Decision:
        """Run for the time asked for, and judge what is left of the speed in the last third."""
        end = time.monotonic() + plan.sustained_s
        each_ns = self._typical_ns * self.batch
        share = min(1.0, MOST_SUSTAINED * each_ns / (plan.sustained_s * 1e9))
        most = max(1, BLOCK_NS // each_ns)
        untimed = 0
        if share < 1:
            most = max(1, min(most, math.ceil(MOST_UNTIMED * share / (1 - share) / self.batch)))
            untimed = MOST_UNTIMED
        while not self.samples or (time.monotonic() < end and len(self.samples) < 2 * MOST_SUSTAINED):
            self._grow(len(self.samples) + most, end, settle=untimed)
        if plan.budget_ns is None:
            return Decision(None, "", plan.confidence)
        last = self.samples[-max(len(self.samples) // 3, 1) :]
        sure = alone(plan.confidence, quantile=plan.quantile, runs=len(last))
        asked = {"budget_ns": plan.budget_ns, "quantile": plan.quantile, "confidence": sure}
        found = explained(judge_run(last, self.batch, overall=plan.confidence, **asked), last, **asked)
        return Decision(found.verdict, found.reason, sure, found.lower_ns, found.upper_ns, found.needed)

    def _grow(self, wanted: int, end: float, *, settle: int = 0) -> None:
        while len(self.samples) < wanted and (time.monotonic() < end or not self.samples):
            each_ns = self._typical_ns * self.batch
            runs = max(1, min(wanted - len(self.samples), BLOCK_NS // each_ns))
            left_ns = max(int((end - time.monotonic()) * 1e9), 0)
            few = min(20, SETTLE_NS // self._typical_ns + 1) if each_ns < BLOCK_NS // 10 else 0
            self.samples += self._take(runs, batch=self.batch, settle=max(settle, few), max_ns=left_ns)
            if time.monotonic() - self._asked_s > self._pause_s:
                self.during.append(self._source.conditions())
                self._asked_s = time.monotonic()
                self._pause_s *= 1.5

    def _take(
        self,
        runs: int,
        *,
        sample: Batch | None = None,
        batch: int = 1,
        settle: int = 0,
        max_ns: int = BLOCK_NS * 4,
    ) -> list[int]:
        self.first_ns, series = self._source.take(runs, sample=sample, batch=batch, settle=settle, max_ns=max_ns)
        return series
