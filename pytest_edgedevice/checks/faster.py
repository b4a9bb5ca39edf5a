"""Two models against each other on one device, in turn, so that both meet the same disturbances."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.checks.faster_text import FEWEST_BLOCKS, failure_text, verdict_of
from pytest_edgedevice.checks.latency import EMULATED, is_emulated
from pytest_edgedevice.checks.latency_asked import check_confidence
from pytest_edgedevice.checks.seams import check_loaded
from pytest_edgedevice.checks.settling import Settling
from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.metrics.comparison import chance_of_excess, ratio
from pytest_edgedevice.metrics.looks import both_sides, look_confidence
from pytest_edgedevice.validity import causes, spoiling

if TYPE_CHECKING:
    from pytest_edgedevice.checks.seams import Measurable
    from pytest_edgedevice.values import Disturbance, Timing, Verdict

LOOKS = (FEWEST_BLOCKS, 16, 32)
"""Blocks of each model at which the comparison is looked at; even, as blocks are taken A B B A."""
BLOCK_MS = 50.0
FEWEST_RUNS, MOST_RUNS = 5, 200
PROBE_RUNS = 5
MOST_DISTURBANCES = 40


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models took, block by block, and what that shows.

    Attributes:
        verdict: ``pass`` iff the ratio's upper bound is at most ``at_most``, ``fail`` iff its lower one is over it.
        ratio: Estimate of new over old.
        lower, upper: Bounds of the ratio; None where there are too few blocks.
        at_most: What was asked.
        p_over, p_within: One-sided p-values: for a ratio over ``at_most``, and for one within it.
        new_ms, old_ms: Median of each block, in the order in which they were taken.
        reason: Why it is not ``pass``; empty otherwise.
        needed: What would have decided it, where it is inconclusive.
        confidence: Of the verdict.
        look_confidence: Of each bound at the last look.
    """

    verdict: Verdict
    ratio: float
    lower: float | None
    upper: float | None
    at_most: float
    p_over: float
    p_within: float
    new_ms: tuple[float, ...]
    old_ms: tuple[float, ...]
    reason: str
    needed: str
    confidence: float
    look_confidence: float


class Comparing(Settling):
    """The check that compares; ``EdgeCheck`` has it."""

    def faster(
        self,
        new: Measurable,
        old: Measurable,
        *,
        at_most: float = 1.05,
        confidence: float = 0.95,
        inputs: Any = None,
        max_s: float = 60.0,
        allow_emulated: bool = False,
    ) -> Comparison:
        """Assert that one model takes at most so many times as long as another on the same device.

        Blocks of both are taken in turn (new, old, old, new), so that heat and disturbances
        meet both. The bounds of the ratio are those of the Mann-Whitney test on block medians.

        Args:
            new: The model that shall be fast.
            old: The model that it is compared with; the same file with another delegate, for example.
            at_most: Largest ratio new / old that passes: 1.05 allows 5 % more, 0.8 asks for 20 % less.
            confidence: Confidence of the verdict.
            inputs: One sample for both, as for ``run``; each model's own choice by default.
            max_s: No new block after so long, seconds.
            allow_emulated: Judge times that an emulated device took; otherwise they are inconclusive.

        Raises:
            CheckFailed: It takes longer, or (by policy) neither could be shown.
            UsageError: They are on different devices, or a number is out of its range.
        """
        __tracebackhide__ = True
        _check(new, old, at_most=at_most, confidence=confidence, max_s=max_s)
        taken = _Blocks(new, old, inputs=inputs)
        found = taken.compare(at_most, confidence=confidence, max_s=max_s, allow_emulated=allow_emulated)
        self._settle(
            "faster",
            found.verdict,
            failure_text(new, old, found),
            taken.numbers(found),
            subject=(new.info, new.placement, new.device_name),
        )
        return found


class _Blocks:
    """Blocks of two models, taken in turn."""

    def __init__(self, new: Measurable, old: Measurable, *, inputs: Any) -> None:
        self._models = {"new": new, "old": old}
        self._inputs = inputs
        self._runs = {"new": PROBE_RUNS, "old": PROBE_RUNS}
        self._taken: dict[str, list[Timing]] = {"new": [], "old": []}

    def compare(self, at_most: float, *, confidence: float, max_s: float, allow_emulated: bool) -> Comparison:
        """Take blocks until the ratio is decided, or all were taken; an emulator's times show nothing."""
        end = time.monotonic() + max_s
        probes = [self._block(name) for name in ("new", "old")]  # also wakes both up; not compared
        for name, probe in zip(("new", "old"), probes, strict=True):
            each_ms = max(probe.p50_ms * probe.batch, 1e-6)
            self._runs[name] = int(min(max(BLOCK_MS / each_ms, FEWEST_RUNS), MOST_RUNS))
        counts = allow_emulated or not any(map(is_emulated, probes))
        for number, wanted in enumerate(LOOKS, start=1):
            while len(self._taken["new"]) < wanted and (time.monotonic() < end or not self._taken["new"]):
                for name in ("new", "old", "old", "new"):
                    self._taken[name].append(self._block(name))
            last = number == len(LOOKS) or time.monotonic() >= end or not counts
            sure = look_confidence(both_sides(confidence), len(LOOKS) if last else number, len(LOOKS))
            found = self._judged(at_most, confidence=confidence, used=sure, counts=counts)
            if last or found.verdict != "inconclusive":
                break
        return found

    def _block(self, name: str) -> Timing:
        runs = self._runs[name]
        return self._models[name].measure(inputs=self._inputs, min_runs=runs, max_runs=runs)

    def _judged(self, at_most: float, *, confidence: float, used: float, counts: bool) -> Comparison:
        new, old = (tuple(one.p50_ms for one in self._taken[name]) for name in ("new", "old"))
        new_ns, old_ns = ([value * 1e6 for value in values] for values in (new, old))
        found = ratio(new_ns, old_ns, confidence=used)
        verdict, reason, needed = verdict_of(found, at_most, confidence=confidence, blocks=len(new))
        if not counts:
            verdict, reason, needed = "inconclusive", EMULATED, ""
        elif spoiled := spoiling(met := self._disturbances()):
            verdict, reason, needed = "inconclusive", spoiled, ""
        elif verdict == "inconclusive":
            needed = "; ".join(filter(None, [needed, causes(met)]))
        over = chance_of_excess(new_ns, old_ns, factor=at_most)
        within = chance_of_excess(old_ns, new_ns, factor=1 / at_most)
        return Comparison(verdict, *found, at_most, over, within, new, old, reason, needed, confidence, used)

    def _disturbances(self) -> tuple[Disturbance, ...]:
        return tuple(one for taken in self._taken.values() for timing in taken for one in timing.disturbances)

    def numbers(self, found: Comparison) -> dict[str, Any]:
        """The comparison and every raw series, JSON-ready."""
        plain = ("ratio", "lower", "upper", "at_most", "p_over", "p_within", "confidence", "look_confidence", "needed")
        old = self._models["old"]
        return {
            **{name: getattr(found, name) for name in plain},
            "blocks": len(found.new_ms),
            "new_block_ms": list(found.new_ms),
            "old_block_ms": list(found.old_ms),
            "disturbances": list(dict.fromkeys(one.text for one in self._disturbances()))[:MOST_DISTURBANCES],
            "block_runs": dict(self._runs),
            "batch": {name: taken[0].batch for name, taken in self._taken.items()},
            "old": {
                "name": old.info.name,
                "sha256": old.info.sha256,
                "threads": old.info.threads,
                "requested": old.placement.requested,
                "proven": old.placement.shown,
            },
            **{
                f"{name}_samples_ns": [int(one) for timing in taken for one in timing.samples_ns]
                for name, taken in self._taken.items()
            },
        }


def _check(new: Measurable, old: Measurable, *, at_most: float, confidence: float, max_s: float) -> None:
    for name, model in (("new", new), ("old", old)):
        check_loaded(model, "measure", name=name)
    if new.device_name != old.device_name:
        raise UsageError(
            f"models on two devices cannot be compared: {new.device_name!r} and {old.device_name!r}",
            hint="load both on one device",
        )
    for name, value, below in (("at_most", at_most, 1e6), ("max_s", max_s, 1e6)):
        if not is_number(value) or not 0 < value < below:
            raise UsageError(f"{name} must be above 0 and below {below:g}, not {shown(value)}")
    check_confidence(confidence)
