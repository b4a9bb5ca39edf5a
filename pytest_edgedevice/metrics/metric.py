"""What a metric is: a value of an output against its reference, a bound, and what it found.

Owns the shape that every metric has, for whoever judges with one and for whoever
writes one. Knows nothing of runs, goldens or devices.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.metrics.structure import Samples
    from pytest_edgedevice.metrics.sums import Floats

Over = Literal["samples", "set"]


@dataclass(frozen=True, slots=True)
class Affine:
    """What an integer of a quantised tensor means: ``real = scale * (integer - zero_point)``."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What one metric found for one output (or for the outputs that belong together).

    Attributes:
        metric: Name of the metric, e.g. ``cosine``.
        passed: Whether every bound holds.
        values: Every number by name; finite where they are defined.
        saw: The value and its bound in words, e.g. ``cosine 0.9461, at least 0.999 asked``.
        needed: What would have passed, as it is written in a test; empty where nothing would, and on pass.
        sample: Position of the worst sample; None where the value is of the whole set only.
        index: Position of the worst element within that sample, where the metric knows one.
        per_sample: The metric's main value for each sample; None where it has none.
        bad_samples: Samples out of bounds.
    """

    metric: str
    passed: bool
    values: Mapping[str, float]
    saw: str
    needed: str = ""
    sample: int | None = None
    index: tuple[int, ...] = ()
    per_sample: Floats | None = field(default=None, compare=False)
    bad_samples: int = 0


class Metric(ABC):
    """A way to judge one output against its reference; a frozen value that a test names.

    Both sides have the same structure and are finite when ``judge`` is called by a check;
    called alone it may raise ``ValueError`` for what it cannot judge.
    """

    name: ClassVar[str]
    needs_variation: ClassVar[bool] = True
    """Whether a reference that is the same value everywhere tells it nothing."""
    __slots__ = ()

    @property
    @abstractmethod
    def bound(self) -> str:
        """What passes, in words, e.g. ``cosine at least 0.999``."""

    def fitted(self, affine: Affine) -> Metric:  # noqa: ARG002 - for metrics that need it
        """The same metric for a tensor that is quantised like this."""
        return self

    def elementwise(self, reference: Samples) -> tuple[float, float] | None:  # noqa: ARG002 - for metrics that have one
        """The bound on every single element as ``atol`` and ``rtol``; None where the metric has none."""
        return None

    @abstractmethod
    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output.

        Args:
            actual: Device output, samples along the first axis, or one array a sample in a tuple.
            reference: Server output of the same structure.

        Raises:
            ValueError: The metric says nothing about such outputs.
        """


class GroupMetric(ABC):
    """A way to judge several outputs that only together mean something, such as boxes and their scores."""

    name: ClassVar[str]
    __slots__ = ()

    @property
    @abstractmethod
    def bound(self) -> str:
        """What passes, in words."""

    @property
    @abstractmethod
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that it judges."""

    @property
    def vital(self) -> tuple[str, ...]:
        """Those of them that must carry information whenever their references do."""
        return self.outputs

    @abstractmethod
    def judge_group(self, actual: Mapping[str, Samples], reference: Mapping[str, Samples]) -> Finding:
        """Judge the outputs that ``outputs`` names; see ``Metric.judge``.

        Raises:
            ValueError: An output has no shape that the metric can read.
        """


def single_bound(
    name: str,
    single: Floats,
    pooled: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    over: Over = "samples",
    values: Mapping[str, float] | None = None,
    unit: str = "",
    arguments: str = "",
) -> Finding:
    """Judge one value a sample, or the one of the whole set, against one bound; NaN is out of every bound.

    Args:
        name: Name of the metric.
        single: Value of each sample.
        pooled: Value of the whole set.
        at_least: The bound; or
        at_most: the bound.
        over: Whether every sample has to pass, or the set.
        values: Further numbers for the record.
        unit: Unit of the value, for people.
        arguments: Further arguments, as they stand in a test, for what would have passed.
    """
    judged = single if over == "samples" else np.array([pooled])
    lower = at_least is not None
    bound = float(at_least if at_least is not None else at_most if at_most is not None else math.nan)
    bad = ~(judged >= bound) if lower else ~(judged <= bound)
    worst = worst_of(judged, at_least=lower)
    key, word = ("at_least", "at least") if lower else ("at_most", "at most")
    unit = f" {unit}" if unit else ""
    value = float(judged[worst])
    saw = f"{name} {told(value, bound)}{unit}, {word} {bound:g}{unit} asked"
    needed = ""
    if bad.any() and math.isfinite(value):
        needed = f"{name}({key}={digits(value, up=not lower)}{arguments})"
    of_worst = float(single[worst_of(single, at_least=lower)])
    return Finding(
        metric=name,
        passed=not bad.any(),
        values={name: pooled, f"{name}_worst": of_worst, **(values or {})},
        saw=f"{saw}, over the set" if over == "set" else saw,
        needed=needed,
        sample=worst if over == "samples" else None,
        per_sample=single,
        bad_samples=int(bad.sum()) if over == "samples" else 0,
    )


def told(value: float, bound: float) -> str:
    """A value with as many digits as it takes to see on which side of the bound it is, four or more."""
    for places in range(4, 18):
        text = f"{value:.{places}g}"
        if value == bound or float(text) != bound:
            return text
    return repr(value)


def digits(value: float, *, up: bool) -> str:
    """Three digits that are not below (``up``) or not above the value, so that what is copied passes.

    Shares just below 1 keep three digits of what they lack.
    """
    if not math.isfinite(value) or float(f"{value:.3g}") == value:
        return f"{value:.3g}"
    size = 1 - value if 0.9 < value < 1 else abs(value)
    places = 2 - math.floor(math.log10(size))
    exact, step = Decimal(value), Decimal(1).scaleb(-places)
    rounded = (exact / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step
    text = f"{float(rounded):.17g}" if abs(float(rounded)) < 1e-300 else f"{rounded.normalize():g}"
    return _shorter(text)


def _shorter(text: str) -> str:
    """The same number as Python writes it."""
    return f"{int(float(text))}" if float(text).is_integer() and abs(float(text)) < 1e6 else repr(float(text))


def worst_of(values: Floats, *, at_least: bool) -> int:
    """Position of the worst value; NaN is worst of all."""
    nan = np.flatnonzero(np.isnan(values))
    if nan.size:
        return int(nan[0])
    return int(values.argmin() if at_least else values.argmax())
