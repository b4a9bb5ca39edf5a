"""Several conversions of one model on one device: size, latency, accuracy and error of each, in one table.

Latencies are taken in turns (A B C, C B A, ...), so that heat and disturbances meet all of them. Which variant is good
enough is for ``choosing``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.evaluation.distances import errors_of
from pytest_edgedevice.evaluation.evaluating import Runnable
from pytest_edgedevice.evaluation.sources import as_dataset
from pytest_edgedevice.evaluation.variants_text import table_lines
from pytest_edgedevice.metrics.latency import sample_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.evaluation.result import Evaluation
    from pytest_edgedevice.values import ModelInfo, Placement, Timing

ROUNDS = 8
BLOCK_MS = 50.0
FEWEST_RUNS, MOST_RUNS = 15, 300
PROBE_RUNS = 5
ERROR_SAMPLES = 64


class Comparable(Runnable, Protocol):
    """A model that can be measured and evaluated; a ``LoadedModel`` or what stands in for it."""

    def measure(self, inputs: Any = None, *, min_runs: int = 0, max_runs: int = 5000) -> Timing:
        """Measure latency."""

    def evaluate(self, dataset: Any, metric: Any = "accuracy", *, output: str | None = None) -> Evaluation:
        """Run a data set."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What was found of one conversion.

    Attributes:
        name: What it is called, e.g. ``int8``.
        model: Its file and what it is.
        placement: Where it ran.
        p50_ms, p95_ms: Quantiles of its latency, over all blocks.
        samples_ns: Every timed run of all blocks, nanoseconds.
        batch: Inferences averaged in one entry of ``samples_ns`` at most.
        emulated: Whether an emulator took those times.
        evaluation: The metric over the data set; None without a data set.
        max_abs_error: Largest distance of an output from the first variant's, or from the data set's references; None
            where they cannot be compared, NaN where one side is no number.
    """

    name: str
    model: ModelInfo
    placement: Placement
    p50_ms: float
    p95_ms: float
    samples_ns: tuple[int, ...] = field(repr=False)
    batch: int
    emulated: bool
    evaluation: Evaluation | None
    max_abs_error: float | None


@dataclass(frozen=True, slots=True)
class VariantTable:
    """Several conversions of one model on one device; ``print`` shows them as a table.

    Attributes:
        variants: In the order that was asked for; the first is what the others are compared with.
        device: Name of the device.
        confidence: Of each bound.
        error_against: What outputs were compared with, for people.
    """

    variants: tuple[Variant, ...]
    device: str
    confidence: float
    error_against: str

    def __str__(self) -> str:
        return "\n".join(table_lines(self.rows()))

    def rows(self) -> list[dict[str, Any]]:
        """One mapping a variant, as records have it; ``choosing`` adds what is admissible."""
        front = self.front()
        return [self._row(one, pareto=one.name in front) for one in self.variants]

    def loss(self, variant: Variant) -> float | None:
        """By how much a variant's metric is worse than the first one's, on the same samples; negative where better."""
        first, other = self.variants[0].evaluation, variant.evaluation
        if first is None or other is None:
            return None
        worse = first.value - other.value
        return worse if first.higher_is_better else -worse

    def speed_up(self, variant: Variant) -> float:
        """How many times as fast as the first one, by medians."""
        return self.variants[0].p50_ms / variant.p50_ms if variant.p50_ms > 0 else math.nan

    def front(self) -> set[str]:
        """Names of the variants that no other beats in size, median latency or metric without losing in another."""
        return {one.name for one in self.variants if not any(_dominates(other, one) for other in self.variants)}

    def _row(self, one: Variant, *, pareto: bool) -> dict[str, Any]:
        lower, upper = (None, None) if one.evaluation is None else one.evaluation.total.bounds(self.confidence)
        return {
            "variant": one.name,
            "file": one.model.name,
            "sha256": one.model.sha256,
            "kind": one.model.variant,
            "delegate": one.placement.shown,
            "size_bytes": one.model.size_bytes,
            "p50_ms": one.p50_ms,
            "p95_ms": one.p95_ms,
            "accuracy": None if one.evaluation is None else one.evaluation.value,
            "lower": lower,
            "upper": upper,
            "metric_kind": None if one.evaluation is None else one.evaluation.total.kind,
            "max_abs_error": one.max_abs_error,
            "speed_up": self.speed_up(one),
            "loss": self.loss(one),
            "pareto": pareto,
        }


def compare_variants(
    models: Mapping[str, Comparable],
    dataset: Any = None,
    metric: Any = "accuracy",
    *,
    output: str | None = None,
    confidence: float = 0.95,
    rounds: int = ROUNDS,
    error_samples: int = ERROR_SAMPLES,
) -> VariantTable:
    """Evaluate and measure several conversions of one model on one device.

    Args:
        models: Name of each variant to the loaded model; the first is what the others are compared with.
        dataset: See ``LoadedModel.evaluate``; one that can be gone through several times, so a function that makes a
            generator instead of a generator. None compares sizes and latencies only.
        metric: See there.
        output: See there.
        confidence: Of each bound.
        rounds: Blocks of each variant, taken in turns.
        error_samples: Samples whose outputs are compared.

    Raises:
        InputError: There are no models, they are on different devices, or the data set can be had only once.
        UsageError, ModelError, InfraError: As ``evaluate`` and ``measure`` do.
    """
    if not models or len({one.device_name for one in models.values()}) > 1:
        raise InputError("variants are compared on one device: give at least one model, all loaded there")
    for name, value, least in (("rounds", rounds, 1), ("error_samples", error_samples, 1)):
        if type(value) is not int or not least <= value <= 10_000:
            raise InputError(f"{name} must be a whole number from {least} to 10000, not {value!r:.60}")
    if not 0.5 <= confidence < 1:
        raise InputError(f"confidence must be from 0.5 to below 1, e.g. 0.95, not {confidence!r:.60}")
    source = None if dataset is None else as_dataset(dataset)
    if source is not None and source.once and len(models) > 1:
        raise InputError(
            f"data set {source.name!r} gives its samples only once, and there are {len(models)} variants",
            hint="give a function that makes the generator, not the generator: lambda: samples()",
        )
    found: dict[str, Evaluation] = {}
    errors: dict[str, float | None] = {}
    against = ""
    if source is not None:
        found = {name: model.evaluate(source, metric, output=output) for name, model in models.items()}
        errors, against = errors_of(models, source, error_samples)
    taken = _Turns(models)
    taken.take(rounds)
    variants = tuple(taken.variant(name, evaluation=found.get(name), error=errors.get(name)) for name in models)
    return VariantTable(variants, next(iter(models.values())).device_name, confidence, against)


class _Turns:
    """Blocks of latencies of several models, taken in turns."""

    def __init__(self, models: Mapping[str, Comparable]) -> None:
        self._models = models
        self._timings: dict[str, list[Timing]] = {name: [] for name in models}
        self._samples_ns: dict[str, list[int]] = {name: [] for name in models}

    def take(self, rounds: int) -> None:
        runs: dict[str, int] = {}
        for name, model in self._models.items():  # also wakes each up; not counted
            probe = model.measure(min_runs=PROBE_RUNS, max_runs=PROBE_RUNS)
            each_ms = max(probe.p50_ms * probe.batch, 1e-6)
            runs[name] = int(min(max(BLOCK_MS / each_ms, FEWEST_RUNS), MOST_RUNS))
        for number in range(rounds):
            names = list(self._models)
            for name in names if number % 2 == 0 else reversed(names):
                timing = self._models[name].measure(min_runs=runs[name], max_runs=runs[name])
                self._timings[name].append(timing)
                self._samples_ns[name].extend(timing.samples_ns)

    def variant(self, name: str, *, evaluation: Evaluation | None, error: float | None) -> Variant:
        model, series, timings = self._models[name], self._samples_ns[name], self._timings[name]
        return Variant(
            name,
            model.info,
            model.placement,
            sample_quantile(series, 0.5) / 1e6,
            sample_quantile(series, 0.95) / 1e6,
            samples_ns=tuple(series),
            batch=max(one.batch for one in timings),
            emulated=any(facts.get("emulated") is True for one in timings for facts in one.conditions.values()),
            evaluation=evaluation,
            max_abs_error=error,
        )


def _dominates(other: Variant, one: Variant) -> bool:
    """Whether the other is as good in everything and better in something."""
    mine, theirs = _costs(one), _costs(other)
    return all(a <= b for a, b in zip(theirs, mine, strict=True)) and theirs != mine


def _costs(one: Variant) -> tuple[float, ...]:
    """What is better where it is less."""
    found = one.evaluation
    if found is None:
        return (one.model.size_bytes, one.p50_ms)
    value = math.inf if math.isnan(found.value) else -found.value if found.higher_is_better else found.value
    return (one.model.size_bytes, one.p50_ms, value)
