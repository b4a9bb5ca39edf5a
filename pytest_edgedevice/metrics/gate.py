"""The gate: looks at a growing series until a verdict can be given.

The same object decides a measurement and the simulations that prove it. Knows
numpy and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.latency import Judgement, Series, explained, judge_run
from pytest_edgedevice.metrics.looks import FIRST_LOOK_NS, alone, enough_seen, spent
from pytest_edgedevice.metrics.order_statistics import runs_needed

if TYPE_CHECKING:
    from collections.abc import Sequence


class Gate:
    """Looks at one series again and again and shares the error between the looks.

    Args:
        budget_ns: Budget, nanoseconds.
        quantile: The quantile that it is for.
        confidence: What the verdict as a whole shall have.
        looks: Lengths of the series at which it wants to be shown it; see ``plan_looks``.

    Attributes:
        looks: As given.
        confidence_used: Confidence of each bound at the last look; with it the verdict can be computed again.
    """

    def __init__(self, budget_ns: float, *, quantile: float, confidence: float, looks: Sequence[int]) -> None:
        self.looks = tuple(looks)
        self.confidence_used = confidence
        self._budget_ns = budget_ns
        self._quantile = quantile
        self._confidence = confidence
        self._number = 0
        self._looked = False

    def look(self, samples_ns: Series, batch: int = 1, *, time_is_up: bool = False) -> Judgement | None:
        """Look at the series as it is now.

        Args:
            samples_ns: All of it, in order, nanoseconds.
            batch: Inferences averaged in each entry.
            time_is_up: Whether it cannot grow any more.

        Returns:
            The judgement that ends it; None to grow it to the next length.
        """
        self._number = min(self._number + 1, len(self.looks))
        last = time_is_up or self._number == len(self.looks)
        observed_ns = float(np.sum(samples_ns)) * batch
        if not last and observed_ns < FIRST_LOOK_NS:
            return None  # and nothing is spent
        self.confidence_used = self._spend(len(samples_ns), last=last, time_is_up=time_is_up)
        self._looked = True
        found = judge_run(
            samples_ns,
            batch,
            budget_ns=self._budget_ns,
            quantile=self._quantile,
            confidence=self.confidence_used,
            overall=self._confidence,
        )
        if last:
            return explained(
                found,
                samples_ns,
                budget_ns=self._budget_ns,
                quantile=self._quantile,
                confidence=self._confidence if found.upper_ns is None else self.confidence_used,
            )
        seen = enough_seen(observed_ns, budget_ns=self._budget_ns, lower_ns=found.lower_ns, upper_ns=found.upper_ns)
        return found if seen and found.verdict != "inconclusive" else None

    def _spend(self, runs: int, *, last: bool, time_is_up: bool) -> float:
        few = runs < runs_needed(self._quantile, self._confidence)
        if time_is_up and few:
            last = False  # a handful of runs is no ground for spending much
        if last and not self._looked:
            return alone(self._confidence, quantile=self._quantile, runs=runs)
        return spent(self._confidence, self._number, len(self.looks), last=last)
