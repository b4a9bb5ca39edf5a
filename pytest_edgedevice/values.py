"""Frozen values that the rooms pass to each other.

Plain data only: what is here can be written to JSON, sent through a pipe or
rebuilt by a proxy on another host. Knows nothing else of ours, and imports
numpy only for type checkers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Outputs = Mapping[str, Array | Sequence[Array]]

Fact = str | int | float | bool
Verdict = Literal["pass", "fail", "inconclusive"]
Outcome = Literal["passed", "failed", "inconclusive", "infra", "skipped"]
Rule = Literal["wait", "inconclusive", "ignore"]


@dataclass(frozen=True, slots=True)
class Quantization:
    """Affine quantisation of a tensor: ``real = scale * (integer - zero_point)``.

    ``axis`` is the dimension that per-channel values run along; None for per-tensor values.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model, as the engine announced it.

    Attributes:
        name: Signature name where the model has one, tensor name otherwise.
        dtype: numpy's name of the element type, e.g. ``float32`` or ``int8``.
        shape: Shape in the model, with its own batch dimension; -1 where it varies.
        quantization: None for tensors that are not quantised.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    quantization: Quantization | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Which operators ran where, counted after the model was prepared.

    Attributes:
        requested: The delegate the caller named, or ``default``.
        proven: The delegate that runs the model, e.g. ``xnnpack``; ``cpu`` when none took a node. Where
            ``requested_only``, the one that the engine was told to use, which nobody could prove.
        nodes: Operators that are executed in all (delegated ones counted one by one).
        delegated: How many of them the proven delegate took.
        partitions: Number of graph pieces handed to the delegate.
        left_over: Operator name to count, for those the delegate did not take.
        evidence: How it was established, one short phrase.
        requested_only: The engine takes a wish and tells nothing of what it made of it, as Core ML does.
        plan: What such an engine intended: ``cpu``, ``gpu``, ``neural_engine`` to the number of operators.
            Empty where it tells no plan.
    """

    requested: str
    proven: str
    nodes: int
    delegated: int
    partitions: int
    left_over: Mapping[str, int]
    evidence: str
    requested_only: bool = False
    plan: Mapping[str, int] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The delegate as people are told of it: what was only requested says so."""
        return f"{self.proven} (requested)" if self.requested_only else self.proven

    @property
    def complete(self) -> bool:
        """Whether nothing was left to another delegate or kernel."""
        return not self.left_over


def plan_text(plan: Mapping[str, int]) -> str:
    """A plan in words, the largest share first: ``neural engine 212, cpu 4``; empty without one."""
    return ", ".join(
        f"{device.replace('_', ' ')} {count}" for device, count in sorted(plan.items(), key=lambda item: -item[1])
    )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model as it was loaded: identity, tensors, engine.

    Attributes:
        name: File name, for people.
        sha256: Hex digest of the file's content; the identity.
        size_bytes: Size of the file.
        variant: ``float32``, ``float16``, ``dynamic_int8``, ``int8`` ... as read off the tensors; a label.
        inputs: Input tensors in the model's order.
        outputs: Output tensors in the model's order.
        engine: ``litert`` or ``tflite``.
        engine_version: Version of that runtime on the device.
        threads: Threads the engine was given.
    """

    name: str
    sha256: str
    size_bytes: int
    variant: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    engine: str
    engine_version: str
    threads: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a device produced for a set of inputs.

    Attributes:
        outputs: Output name to array, samples along the first axis; a list of
            arrays, one a sample, where the shapes vary.
        samples: Number of samples.
        inference_ns: Nanoseconds of each sample's inference, on the device; not a latency
            verdict (not warmed up, transfers run beside it): ``measure`` gives that.
        model: The model that ran.
        placement: Where it ran.
        device: Name of the device.
    """

    outputs: Outputs
    samples: int
    inference_ns: tuple[int, ...]
    model: ModelInfo
    placement: Placement
    device: str


@dataclass(frozen=True, slots=True)
class Disturbance:
    """A condition of the device that moves times, met while it was measured.

    Attributes:
        condition: ``busy``, ``throttled``, ``hot``, ``battery_low``, ``charging`` or ``governor``.
        moment: When: ``before``, ``after``, or a name that begins with ``during``.
        rule: What the device's rules say to it.
        text: In words and numbers, one clause.
        passes: Whether it may pass if one waits.
    """

    condition: str
    moment: str
    rule: Rule
    text: str
    passes: bool = True


@dataclass(frozen=True, slots=True)
class Timing:
    """Latency of a loaded model on its device, with what the verdict rests on.

    Attributes:
        verdict: ``pass``, ``fail`` or ``inconclusive`` against ``budget_ms``; None without a budget.
        samples_ns: Every timed run in order, nanoseconds; nothing dropped but the warm-up.
        batch: Inferences averaged in one entry of ``samples_ns`` (more than 1 only below about 50 us).
        p50_ms, p90_ms, p95_ms, p99_ms: Sample quantiles (order statistics).
        lower_ms, upper_ms: Confidence bounds of ``quantile``; None where the series is too short for one.
        budget_ms, quantile, confidence: What was asked.
        load_ms: Time the engine needed to load and prepare the model.
        first_ms: The very first inference.
        warmup_runs: Inferences made before ``samples_ns`` starts.
        steady: Whether warm-up ended because the series settled, not because its cap was reached.
        reason: Why the verdict is not ``pass``, one sentence; empty otherwise.
        conditions: Facts before, during and after (clocks, load, temperature); the key names the moment.
        cold: Whether ``first_ms`` is the first inference since the model was loaded.
        judged_from: Where in ``samples_ns`` the part begins that bounds, quantiles and verdict are of; 0 for all of it.
        look_confidence: Confidence of each bound at the last look; with it the verdict can be computed again.
        drift: Share by which the last third of the series is slower than the first, where that is shown; 0 otherwise.
        needed: What would have decided a verdict that is inconclusive; empty otherwise.
        disturbances: Which of the conditions may have moved the times, by the device's rules.
        waited_s: How long the measurement waited for conditions to pass, seconds.
    """

    verdict: Verdict | None
    samples_ns: tuple[int, ...]
    batch: int
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    lower_ms: float | None
    upper_ms: float | None
    budget_ms: float | None
    quantile: float
    confidence: float
    load_ms: float
    first_ms: float
    warmup_runs: int
    steady: bool
    reason: str = ""
    conditions: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    cold: bool = True
    judged_from: int = 0
    look_confidence: float | None = None
    drift: float = 0.0
    needed: str = ""
    disturbances: tuple[Disturbance, ...] = ()
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Regression:
    """A median latency against those of earlier runs.

    Attributes:
        verdict: ``pass``; a regression is ``fail`` where the noise of earlier runs is known and ``warn`` where it is
            not; ``new`` without earlier runs.
        median_ms: The new one.
        usual_ms: Typical of the earlier ones; None without any.
        limit_ms: The largest that passes; None without any.
        runs: How many earlier ones there are.
        reason: Why it is neither ``pass`` nor ``new``; empty otherwise.
    """

    verdict: Literal["pass", "fail", "warn", "new"]
    median_ms: float
    usual_ms: float | None
    limit_ms: float | None
    runs: int
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one check saw, whether it passed or not; records are made of these.

    Attributes:
        check: The method of ``edge_check``, e.g. ``close`` or ``latency``.
        verdict: The check's own verdict.
        message: The failure text; empty on pass.
        numbers: JSON-ready details, units in the key names.
        model: The model that was checked, where there is one.
        placement: Where it ran, where that is known.
        device: Name of the device; empty when the check needs none.
    """

    check: str
    verdict: Verdict
    message: str
    numbers: Mapping[str, Any]
    model: ModelInfo | None = None
    placement: Placement | None = None
    device: str = ""
