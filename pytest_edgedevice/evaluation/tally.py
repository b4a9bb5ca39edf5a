"""Scores as they come, kept as sums: memory does not grow with the number of samples, but for aggregates."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.evaluation.result import Score, Worst
from pytest_edgedevice.evaluation.scoring import Aggregated, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_edgedevice.evaluation.aggregates import Aggregate
    from pytest_edgedevice.evaluation.dataset import Chunk
    from pytest_edgedevice.evaluation.scoring import Floats, Scorer

REDRAWS = 300
BLOCK = 4096
MOST_TAGS = 1000


class Sums:
    """Count, mean and spread of numbers, and whether all of them are 0 or 1.

    Numbers are added up in blocks of one size, so that it makes no difference in which chunks they came.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.not_finite = 0
        self.ones = 0
        self.only_zero_and_one = True
        self._left: Floats = np.empty(0)
        self._moments = Moments()

    def add(self, scores: Floats) -> None:
        """Take some more."""
        finite = scores[np.isfinite(scores)]
        self.samples += len(scores)
        self.not_finite += len(scores) - len(finite)
        ones = int((finite == 1).sum())
        self.ones += ones
        self.only_zero_and_one &= ones + int((finite == 0).sum()) == len(finite)
        self._left = np.concatenate([self._left, finite])
        while len(self._left) >= BLOCK:
            self._moments = self._moments.with_block(self._left[:BLOCK])
            self._left = self._left[BLOCK:]

    def score(self, scorer: Scorer) -> Score:
        """What they add up to."""
        found = self._moments.with_block(self._left) if len(self._left) else self._moments
        value = math.nan if self.not_finite or not self.samples else found.mean
        if scorer.always_rate or (self.only_zero_and_one and not scorer.never_rate):
            value = value if math.isnan(value) else self.ones / self.samples
            return Score("rate", self.samples, value, successes=self.ones, not_finite=self.not_finite)
        deviation = math.sqrt(found.squares / (found.samples - 1)) if found.samples > 1 else None
        return Score("mean", self.samples, value, deviation=deviation, not_finite=self.not_finite)


class Moments(NamedTuple):
    """Count, mean, and sum of squared distances from it."""

    samples: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_block(self, values: Floats) -> Moments:
        """With some more, by Chan's update."""
        with np.errstate(over="ignore"):  # an infinite mean has no bounds, and is told as no number
            mean = float(values.mean())
        count, change = self.samples + len(values), mean - self.mean
        with np.errstate(over="ignore", invalid="ignore"):
            squares = float(((values - mean) ** 2).sum()) + change * change * self.samples * len(values) / count
        return Moments(count, self.mean + change * len(values) / count, self.squares + squares)


class Kept:
    """What an aggregate keeps of each sample."""

    def __init__(self, aggregate: Aggregate) -> None:
        self._aggregate = aggregate
        self._kept: list[Any] = []

    def add(self, observations: Sequence[Any]) -> None:
        """Take some more."""
        self._kept.extend(observations)

    def score(self) -> Score:
        """The aggregate over all of them, and over as many drawn from them again and again."""
        count = len(self._kept)
        value = self._result(self._kept)
        generator = np.random.default_rng(0)
        redrawn = [self._redrawn(generator.integers(0, count, count)) for _ in range(REDRAWS if count > 1 else 0)]
        finite = sorted(one for one in redrawn if math.isfinite(one))
        return Score("aggregate", count, value, redrawn=tuple(finite), not_finite=int(not math.isfinite(value)))

    def _redrawn(self, places: npt.NDArray[np.int64]) -> float:
        return self._result([self._kept[at] for at in places])

    def _result(self, kept: Sequence[Any]) -> float:
        try:
            return float(self._aggregate.result(kept))
        except Exception as error:
            text = f"metric {name_of(self._aggregate)!r} failed over {len(kept):,} samples: "
            raise UsageError(f"{text}{type(error).__name__}: {error}"[:600],
                             hint="result(observations) gives one number") from error  # fmt: skip


class Tally:
    """The scores of a data set: in all, by tag, and the worst.

    Args:
        scorer: What made them.
        worst: How many of the worst samples to keep.
    """

    def __init__(self, scorer: Scorer, worst: int) -> None:
        self._scorer = scorer
        self._most_worst = worst
        self._worst: list[tuple[float, int, str]] = []
        self._all = self._new()
        self._tags: dict[str, Sums | Kept] = {}
        self.samples = 0
        self._sum = 0.0

    def add(self, chunk: Chunk, scores: Floats, observations: Sequence[Any] | None) -> None:
        """Take the scores of one chunk."""
        self.samples += chunk.samples
        with np.errstate(over="ignore", invalid="ignore"):
            self._sum += float(scores.sum())
        _put(self._all, scores, observations, None)
        self._note_worst(chunk, scores)
        members: dict[str, list[int]] = {}
        for at, tags in enumerate(chunk.tags or ()):
            for tag in dict.fromkeys(tags):
                members.setdefault(tag, []).append(at)
        for tag, places in members.items():
            if tag not in self._tags:
                if len(self._tags) >= MOST_TAGS:
                    raise InputError(
                        f"the samples have more than {MOST_TAGS:,} different tags", hint="use ids for names"
                    )
                self._tags[tag] = self._new()
            _put(self._tags[tag], scores, observations, places)

    @property
    def so_far(self) -> float | None:
        """The mean up to now; None where the scores say nothing of the metric."""
        return self._sum / self.samples if self.samples and isinstance(self._all, Sums) else None

    def total(self) -> Score:
        """The metric over all samples."""
        return self._score(self._all)

    def slices(self) -> dict[str, Score]:
        """The metric over the samples of each tag."""
        return {tag: self._score(found) for tag, found in sorted(self._tags.items())}

    def worst(self) -> tuple[Worst, ...]:
        """The worst samples, the worst one first."""
        sign = -1 if self._scorer.higher_is_better else 1
        found = sorted(self._worst, reverse=True)
        if self.total().kind == "rate":  # what is right is not among the worst
            found = [one for one in found if sign * one[0] != int(self._scorer.higher_is_better)]
        return tuple(Worst(name, math.nan if bad == math.inf else sign * bad) for bad, _, name in found)

    def _new(self) -> Sums | Kept:
        return Kept(self._scorer.aggregate) if isinstance(self._scorer, Aggregated) else Sums()

    def _score(self, found: Sums | Kept) -> Score:
        return found.score(self._scorer) if isinstance(found, Sums) else found.score()

    def _note_worst(self, chunk: Chunk, scores: Floats) -> None:
        """Keep the worst; of equal ones the first."""
        if not self._scorer.ranks:
            return
        bad = -scores if self._scorer.higher_is_better else scores
        bad = np.where(np.isfinite(bad), bad, np.inf)
        full = len(self._worst) >= self._most_worst
        least = self._worst[0][0] if full and self._worst else -math.inf
        for at in np.flatnonzero(bad > least).tolist():
            entry = (float(bad[at]), -(chunk.first + at), "")
            if len(self._worst) < self._most_worst:
                heapq.heappush(self._worst, (*entry[:2], chunk.id_of(at)))
            elif self._worst and entry > self._worst[0]:
                heapq.heapreplace(self._worst, (*entry[:2], chunk.id_of(at)))


def _put(place: Sums | Kept, scores: Floats, observations: Sequence[Any] | None, chosen: Sequence[int] | None) -> None:
    if isinstance(place, Sums):
        place.add(scores if chosen is None else scores[chosen])
    else:
        kept = observations or ()
        place.add(kept if chosen is None else [kept[at] for at in chosen])
