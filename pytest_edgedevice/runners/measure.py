"""Take a latency series from an agent until a verdict can be given.

Warm-up until two windows agree, then blocks of timed runs; after each look at
the growing series the order statistics decide, or more runs are taken.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.wire import TensorPart, WireError, split_tensors
from pytest_edgedevice.errors import InputError
from pytest_edgedevice.metrics.latency import (
    Judgement,
    bounds,
    judge_batches,
    look_confidence,
    quantile_name,
    runs_needed,
    sample_quantile,
    steady,
)
from pytest_edgedevice.runners.replies import read_conditions
from pytest_edgedevice.runners.samples import Batch, packed
from pytest_edgedevice.values import Timing, Verdict

if TYPE_CHECKING:
    from pytest_edgedevice.runners.client import AgentClient

WINDOW_NS = 20_000_000
"""A warm-up window lasts about this long, so that a moment's disturbance does not decide."""
MAX_WINDOWS = 25
MAX_WARMUP_S = 10.0
BATCH_BELOW_TICKS = 50
"""Inferences of fewer ticks of the device's clock are timed several at once."""
FIRST_LOOK_RUNS = 100
FIRST_LOOK_NS = 500_000_000
"""No verdict before so much was observed, where the runs allowed suffice: a short series never saw the slow spells."""
BLOCK_NS = 1_000_000_000
SETTLE_NS = 1_000_000
MIN_TICKS = 20
MAX_REPLY_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked for, checked."""

    budget_ns: float | None
    quantile: float
    confidence: float
    looks: tuple[int, ...]
    max_s: float


def measure(
    client: AgentClient,
    sample: Batch,
    *,
    budget_ms: float | None,
    quantile: float,
    confidence: float,
    min_runs: int,
    max_runs: int,
    max_s: float,
    load_ms: float,
    timeout_s: float,
) -> Timing:
    """See ``LoadedModel.measure``."""
    plan = _plan(budget_ms, quantile, confidence=confidence, min_runs=min_runs, max_runs=max_runs, max_s=max_s)
    tick_ns = client.hello.get("clock_tick_ns")
    if plan.budget_ns is not None and isinstance(tick_ns, int) and plan.budget_ns < MIN_TICKS * tick_ns:
        raise InputError(
            f"a budget of {budget_ms:g} ms is under {MIN_TICKS} ticks of the device's clock ({tick_ns} ns)",
            hint="give a budget for several inferences, or for a larger model",
        )
    series = _Series(client, timeout_s)
    before = series.conditions()
    warmup_runs, settled = series.warm_up(sample)
    verdict, reason, confidence_used = series.decide(plan)
    if verdict is not None and not settled and not _all_over(plan, series.samples):
        verdict, reason = "inconclusive", f"the latency never settled in {warmup_runs} warm-up runs"
    samples = series.samples
    lower, upper = bounds(samples, quantile=quantile, confidence=confidence_used)
    return Timing(
        verdict=verdict,
        samples_ns=tuple(samples),
        batch=series.batch,
        p50_ms=sample_quantile(samples, 0.5) / 1e6,
        p90_ms=sample_quantile(samples, 0.9) / 1e6,
        p95_ms=sample_quantile(samples, 0.95) / 1e6,
        p99_ms=sample_quantile(samples, 0.99) / 1e6,
        lower_ms=None if lower is None else lower / 1e6,
        upper_ms=None if upper is None else upper / 1e6,
        budget_ms=budget_ms,
        quantile=quantile,
        confidence=confidence,
        load_ms=load_ms,
        first_ms=series.first_ns / 1e6,
        warmup_runs=warmup_runs,
        steady=settled,
        reason=reason,
        conditions={"before": before, "after": series.conditions()},
    )


def _plan(
    budget_ms: float | None, quantile: float, *, confidence: float, min_runs: int, max_runs: int, max_s: float
) -> _Plan:
    """Check the arguments and lay out the looks: each doubles the series.

    Raises:
        InputError: One is out of range, or no series that short can decide.
    """
    for name, value in (("quantile", quantile), ("confidence", confidence)):
        if not (_is_number(value) and 0 < value < 1):
            raise InputError(f"{name} must lie between 0 and 1, e.g. 0.95, not {value!r}")
    if budget_ms is not None and not (_is_number(budget_ms) and budget_ms > 0):
        raise InputError(f"a latency budget must be a positive number of milliseconds, not {budget_ms!r}")
    if not (_is_number(max_s) and max_s > 0):
        raise InputError(f"max_s must be a positive number of seconds, not {max_s!r}")
    if type(min_runs) is not int or type(max_runs) is not int or not 0 <= min_runs <= max_runs or max_runs < 1:
        raise InputError(f"min_runs and max_runs must be whole numbers, 0 <= {min_runs!r} <= {max_runs!r}, 1 at least")
    least = runs_needed(quantile, confidence)
    if budget_ms is not None and max_runs < least:
        raise InputError(
            f"{max_runs} runs cannot show {quantile_name(quantile)} with {confidence * 100:g} % confidence",
            hint=f"allow at least max_runs={least}",
        )
    needed = runs_needed(quantile, look_confidence(confidence, 1, 8))
    first = max(FIRST_LOOK_RUNS, needed, min_runs)
    if budget_ms is None:
        return _Plan(None, quantile, confidence, (min(2 * first if not min_runs else first, max_runs),), max_s)
    looks = [min(first, max_runs)]
    while looks[-1] < max_runs:
        looks.append(min(2 * looks[-1], max_runs))
    return _Plan(budget_ms * 1e6, quantile, confidence, tuple(looks), max_s)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _all_over(plan: _Plan, samples: list[int]) -> bool:
    """Whether not a single run was within the budget: then it matters little that the series never settled."""
    return plan.budget_ns is not None and min(samples) > plan.budget_ns


class _Series:
    """The growing series and the agent that it comes from."""

    def __init__(self, client: AgentClient, timeout_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._typical_ns = 1
        self.samples: list[int] = []
        self.batch = 1
        self.first_ns = 0

    def conditions(self) -> dict[str, Any]:
        """Conditions of the device now."""
        return read_conditions(self._client, self._client.request("facts", timeout_s=self._timeout_s).header)

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
        tick_ns = self._client.hello.get("clock_tick_ns")
        shortest_ns = BATCH_BELOW_TICKS * max(tick_ns, 1) if isinstance(tick_ns, int) else 0
        if self._typical_ns < shortest_ns:
            self.batch = math.ceil(shortest_ns / self._typical_ns)
        return runs, steady(windows)

    def decide(self, plan: _Plan) -> tuple[Verdict | None, str, float]:
        """Take runs and look, until a verdict or the cap: verdict, reason, confidence of that look."""
        end = time.monotonic() + plan.max_s
        judgement = None
        confidence = plan.confidence
        for look, wanted in enumerate(plan.looks, start=1):
            self._grow(wanted, end)
            if plan.budget_ns is None:
                return None, "", plan.confidence
            if sum(self.samples) * self.batch < FIRST_LOOK_NS and look < len(plan.looks) and time.monotonic() < end:
                continue
            confidence = look_confidence(plan.confidence, look, len(plan.looks))
            judgement = self._judge(plan, plan.budget_ns, confidence)
            if judgement.verdict != "inconclusive" or time.monotonic() >= end:
                break
        assert judgement is not None
        return judgement.verdict, judgement.reason, confidence

    def _judge(self, plan: _Plan, budget_ns: float, confidence: float) -> Judgement:
        """Judge the series; of inferences timed together, a pass must hold even if one of them took all the time."""
        return judge_batches(
            self.samples,
            self.batch,
            budget_ns=budget_ns,
            quantile=plan.quantile,
            confidence=confidence,
            overall=plan.confidence,
        )

    def _grow(self, wanted: int, end: float) -> None:
        while len(self.samples) < wanted and (time.monotonic() < end or not self.samples):
            each_ns = self._typical_ns * self.batch
            runs = max(1, min(wanted - len(self.samples), BLOCK_NS // each_ns))
            left_ns = max(int((end - time.monotonic()) * 1e9), 0)
            settle = min(20, SETTLE_NS // self._typical_ns + 1) if each_ns < BLOCK_NS // 10 else 0
            self.samples += self._take(runs, batch=self.batch, settle=settle, max_ns=left_ns)

    def _take(
        self,
        runs: int,
        *,
        sample: Batch | None = None,
        batch: int = 1,
        settle: int = 0,
        max_ns: int = BLOCK_NS * 4,
    ) -> list[int]:
        fields: dict[str, Any] = {"runs": runs, "batch": batch, "settle": settle, "max_ns": max_ns}
        views: list[memoryview] = []
        if sample is not None:
            entries, views = packed(sample.arrays)
            fields |= {"samples": 1, "tensors": entries}
        reply = self._client.request(
            "measure",
            fields,
            views,
            timeout_s=self._timeout_s + max_ns / 1e9,
            max_reply_bytes=min(8 * runs, MAX_REPLY_BYTES),
        )
        self.first_ns = reply.header.get("first_ns", 0)
        try:
            parts = split_tensors(reply.header, reply.payload)
        except WireError as error:
            raise self._client.broken(f"cannot be read: {error}") from error
        return self._check(parts, runs)

    def _check(self, parts: list[TensorPart], runs: int) -> list[int]:
        if len(parts) != 1 or parts[0].dtype != "int64" or len(parts[0].shape) != 1 or type(self.first_ns) is not int:
            raise self._client.broken("is not one series of 64-bit times")
        series = np.frombuffer(parts[0].data, np.int64)
        if not 1 <= len(series) <= runs or int(series.min()) < 0:
            raise self._client.broken(f"has {len(series)} times, or negative ones, instead of {runs}")
        return [int(value) for value in series]
