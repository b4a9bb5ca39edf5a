"""Series that are like those of devices, and what the gate makes of thousands of them.

Streams are of ``RandomState``: numpy promises that they stay as they are, so the
figures here are the same everywhere and forever.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.drift import drift
from pytest_edgedevice.metrics.gate import Gate
from pytest_edgedevice.metrics.latency import bounds
from pytest_edgedevice.metrics.looks import plan_looks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.metrics.series import Floats

    Family = Callable[[np.random.RandomState, int, int], Floats]

TYPICAL_NS = 20e6
MAX_RUNS = 2000
SERIES = 400
LOOKS = plan_looks(quantile=0.95, confidence=0.95, min_runs=0, max_runs=MAX_RUNS)
Z95 = 1.6448536269514722


def white(random: np.random.RandomState, series: int, runs: int) -> Floats:
    return np.asarray(np.exp(0.05 * random.standard_normal((series, runs))))


def autoregressive(rho: float) -> Family:
    def make(random: np.random.RandomState, series: int, runs: int) -> Floats:
        steps = random.standard_normal((runs, series))
        steps[1:] *= math.sqrt(1 - rho**2)
        for now in range(1, runs):
            steps[now] += rho * steps[now - 1]
        return np.asarray(np.exp(0.05 * steps.T))

    return make


def bimodal(random: np.random.RandomState, series: int, runs: int) -> Floats:
    """Every twelfth run or so takes half as long again."""
    slow = random.random_sample((series, runs)) < 0.08
    return white(random, series, runs) * np.where(slow, 1.5, 1.0)


def spells(mean_runs: int) -> Family:
    """Slow spells of so many runs on average, a fifth of the time."""

    def make(random: np.random.RandomState, series: int, runs: int) -> Floats:
        change = random.random_sample((runs, series))
        slow = np.empty((runs, series), bool)
        slow[0] = change[0] < 0.2
        for now in range(1, runs):
            slow[now] = np.where(slow[now - 1], change[now] >= 1 / mean_runs, change[now] < 1 / (4 * mean_runs))
        return white(random, series, runs) * np.where(slow.T, 1.5, 1.0)

    return make


def heavy(random: np.random.RandomState, series: int, runs: int) -> Floats:
    """A tail with infinite variance, above a floor."""
    return np.asarray(1 + 0.02 * random.random_sample((series, runs)) ** (-1 / 1.8))


def drifting(random: np.random.RandomState, series: int, runs: int) -> Floats:
    """Up by 4 % over the longest run that is allowed."""
    return white(random, series, runs) * (1 + 0.04 * np.arange(runs) / MAX_RUNS)


FAMILIES: Mapping[str, Family] = {
    "white noise": white,
    "AR(1), rho 0.5": autoregressive(0.5),
    "AR(1), rho 0.8": autoregressive(0.8),
    "bimodal": bimodal,
    "slow spells": spells(8),
    "heavy-tailed": heavy,
    "drifting by 4 %": drifting,
}


@dataclass(frozen=True)
class Shares:
    """Shares of the series that passed, failed and stayed open, and the runs that this took on average."""

    passed: float
    failed: float
    runs: float


@lru_cache(maxsize=3)
def drawn(family: Family, seed: int) -> Floats:
    """Series of a family, (series, runs), nanoseconds; drawing them takes longer than looking at them does."""
    return family(np.random.RandomState(seed), SERIES, MAX_RUNS) * TYPICAL_NS


@lru_cache
def true_p95(family: Family) -> float:
    return float(np.quantile(family(np.random.RandomState(77), 500, MAX_RUNS), 0.95))


def verdicts(family: Family, ratio: float) -> Shares:
    """What the gate says where the true p95 is ``ratio`` times the budget."""
    budget = TYPICAL_NS * true_p95(family) / ratio
    passed = failed = runs = 0
    for samples in drawn(family, 4):
        gate = Gate(budget, quantile=0.95, confidence=0.95, looks=LOOKS)
        for length in gate.looks:
            if found := gate.look(samples[:length]):
                break
        passed += found is not None and found.verdict == "pass"
        failed += found is not None and found.verdict == "fail"
        runs += length
    return Shares(passed / SERIES, failed / SERIES, runs / SERIES)


def coverage(family: Family, runs: int = 1000) -> float:
    """Share of the series whose interval holds the true p95; each bound has 97.5 %, the interval 95 %."""
    held, truth = 0, TYPICAL_NS * true_p95(family)
    for samples in drawn(family, 5):
        lower, upper = bounds(samples[-runs:] if family is not drifting else samples, quantile=0.95, confidence=0.975)
        held += (lower is None or lower <= truth) and (upper is None or upper >= truth)
    return held / SERIES


def changed(how: str, runs: int = MAX_RUNS) -> Floats:
    """Factors of a run of a device that gets 10 % slower: not at all, evenly, or all at once."""
    at = np.arange(runs) / runs
    return {
        "no": np.ones(runs),
        "slope": 1 + 0.1 * at,
        "step at 1/2": np.where(at < 1 / 2, 1.0, 1.1),
        "step at 3/4": np.where(at < 3 / 4, 1.0, 1.1),
    }[how]


def flagged(family: Family, how: str) -> float:
    """Share of the series of which it is said that the device got slower."""
    series = drawn(family, 6) * changed(how)
    return sum(drift(samples).slower for samples in series) / SERIES


def passed_too_late() -> float:
    """Share of the drifting series on the budget that passed although the p95 was over it by then."""
    truth, late = true_p95(drifting), 0
    for samples in drawn(drifting, 4):
        gate = Gate(TYPICAL_NS * truth, quantile=0.95, confidence=0.95, looks=LOOKS)
        for length in gate.looks:
            if found := gate.look(samples[:length]):
                break
        now = math.exp(0.05 * Z95) * (1 + 0.04 * length / MAX_RUNS)
        late += found is not None and found.verdict == "pass" and now > truth
    return late / SERIES


DRIFT_FAMILIES: Mapping[str, Family] = {
    **{name: family for name, family in FAMILIES.items() if family is not drifting},
    "slow spells of 40 runs": spells(40),
}
CHANGES = ("no", "slope", "step at 1/2", "step at 3/4")


def percent(share: float) -> str:
    return f"{share * 100:.4g}"


def verdict_table() -> list[str]:
    """What the gate says, a family a row, in percent of the series."""
    lines = [
        "| series | 0.95: pass | fail | runs | 1.00: pass | fail | 1.05: pass | fail | runs | coverage |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, family in FAMILIES.items():
        below, at, above = (verdicts(family, ratio) for ratio in (0.95, 1.0, 1.05))
        cells = [
            *(percent(below.passed), percent(below.failed), f"{below.runs:.0f}"),
            *(percent(at.passed), percent(at.failed)),
            *(percent(above.passed), percent(above.failed), f"{above.runs:.0f}"),
            percent(coverage(family)),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def drift_table() -> list[str]:
    """What the drift test says, a family a row, in percent of the series."""
    lines = [f"| series | {' | '.join(CHANGES)} |", "|---" * (len(CHANGES) + 1) + "|"]
    for name, family in DRIFT_FAMILIES.items():
        lines.append(f"| {name} | {' | '.join(percent(flagged(family, how)) for how in CHANGES)} |")
    return lines


def main() -> None:
    """Print the tables as the documentation has them."""
    print("\n".join([*verdict_table(), "", *drift_table(), "", percent(passed_too_late())]))


if __name__ == "__main__":
    main()
