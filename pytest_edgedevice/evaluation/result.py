"""What an evaluation found: values with their bounds, over the whole set and over its slices."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pytest_edgedevice.metrics.rates import clopper_pearson, samples_needed, t_interval, trials_needed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import ModelInfo, Placement

Kind = Literal["rate", "mean", "aggregate"]
METHODS: dict[Kind, str] = {"rate": "Clopper-Pearson", "mean": "Student's t", "aggregate": "bootstrap"}


@dataclass(frozen=True, slots=True)
class Score:
    """A metric over samples.

    Attributes:
        kind: ``rate`` where every sample is right or wrong, ``mean`` of numbers, ``aggregate`` of a whole set.
        samples: How many.
        value: The rate, the mean or the aggregate; NaN where the metric gave no number for a sample.
        successes: Samples that are right; None for what is no rate.
        deviation: Sample standard deviation of the scores; None for what is no mean, or of a single sample.
        redrawn: The aggregate over samples drawn with repetition, in rising order; empty for what is no aggregate.
        not_finite: Samples for which the metric gave NaN or an infinity.
    """

    kind: Kind
    samples: int
    value: float
    successes: int | None = None
    deviation: float | None = None
    redrawn: tuple[float, ...] = field(default=(), repr=False)
    not_finite: int = 0

    @property
    def method(self) -> str:
        """How the bounds are computed."""
        return METHODS[self.kind]

    def bounds(self, confidence: float) -> tuple[float | None, float | None]:
        """One-sided lower and upper bounds of what all samples of this kind would give, each at that confidence."""
        if not math.isfinite(self.value):
            return None, None
        if self.successes is not None:
            return clopper_pearson(self.successes, self.samples, confidence)
        if self.redrawn:
            last = len(self.redrawn) - 1
            if (1 - confidence) * len(self.redrawn) < 1:  # so rare a value is not among them
                return None, None
            return self.redrawn[math.floor((1 - confidence) * last)], self.redrawn[math.ceil(confidence * last)]
        found = None if self.deviation is None else t_interval(self.value, self.deviation, self.samples, confidence)
        return found or (None, None)

    def needed(self, wanted: float, confidence: float) -> int | None:
        """About how many samples like these would show on which side of ``wanted`` it lies; None if that is unknown."""
        if not math.isfinite(self.value):
            return None
        if self.successes is not None:
            return trials_needed(self.value, wanted, confidence)
        deviation = self.deviation
        if self.redrawn:
            lower, upper = self.bounds(0.84)
            deviation = ((upper or 0.0) - (lower or 0.0)) / 2 * math.sqrt(self.samples)
        return None if deviation is None else samples_needed(self.value, deviation, wanted, confidence)


@dataclass(frozen=True, slots=True)
class Worst:
    """One of the samples with the worst scores."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A metric over a whole data set, on one model and device.

    Attributes:
        dataset: Name of the data set.
        metric: Name of the metric.
        total: The metric over all samples.
        slices: Tag to the metric over the samples that carry it.
        worst: The worst samples, the worst one first.
        higher_is_better: Whether a high value is a good one.
        seconds: What it took on this host's clock, this time.
        resumed: Samples whose scores an evaluation before had left when it was cut.
        model: The model.
        placement: Where it ran.
        device: Name of the device.
    """

    dataset: str
    metric: str
    total: Score
    slices: Mapping[str, Score]
    worst: tuple[Worst, ...]
    higher_is_better: bool
    seconds: float
    resumed: int
    model: ModelInfo
    placement: Placement
    device: str

    @property
    def value(self) -> float:
        """The metric over all samples."""
        return self.total.value

    @property
    def samples(self) -> int:
        """How many samples there were."""
        return self.total.samples
