"""A run, a golden and a model without any device behind them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest

from pytest_edgedevice.checks import EdgeCheck
from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.metrics.latency import judge, sample_quantile
from pytest_edgedevice.values import Evidence, ModelInfo, Placement, Quantization, Run, TensorSpec, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INFO = ModelInfo(
    name="face.tflite",
    sha256="ab" * 32,
    size_bytes=229_746,
    variant="int8",
    inputs=(),
    outputs=(TensorSpec("scores", "int8", (1, 4), Quantization((0.00390625,), (-128,))),),
    engine="litert",
    engine_version="2.1",
    threads=1,
)
PLACEMENT = Placement("cpu", "xnnpack", 3, 3, 1, {}, "counted")


def run_of(outputs: Mapping[str, Any], samples: int | None = None) -> Run:
    count = len(next(iter(outputs.values()))) if samples is None else samples
    return Run(outputs, count, (1,) * count, INFO, PLACEMENT, "local")


@dataclass(frozen=True)
class FakeGolden:
    references: Mapping[str, Any]
    ids: tuple[str, ...] = ()
    name: str = "faces"
    sha256: str = INFO.sha256

    def check_model(self, info: ModelInfo) -> None:
        if info.sha256 != self.sha256:
            raise GoldenError("the golden was recorded for another model")


def timing_of(samples_ms: list[float], **changes: Any) -> Timing:
    series = tuple(int(value * 1e6) for value in samples_ms)
    p50, p90, p95, p99 = (sample_quantile(series, q) / 1e6 if series else 0.0 for q in (0.5, 0.9, 0.95, 0.99))
    timing = Timing(
        verdict=None,
        samples_ns=series,
        batch=1,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        lower_ms=None,
        upper_ms=None,
        budget_ms=None,
        quantile=0.95,
        confidence=0.95,
        load_ms=3.0,
        first_ms=4.0,
        warmup_runs=10,
        steady=True,
        conditions={"before": {"load": 0.1}},
    )
    return replace(timing, **changes)


@dataclass
class FakeModel:
    """Measures a series that was written down."""

    timing: Timing
    judged: bool = True
    info: ModelInfo = INFO
    placement: Placement = PLACEMENT
    device_name: str = "local"
    emulated: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def measure(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        budget_ms: float | None = None,
        quantile: float = 0.95,
        confidence: float = 0.95,
        max_s: float = 30.0,
        **more: Any,
    ) -> Timing:
        self.asked.append({"inputs": inputs, "budget_ms": budget_ms, "quantile": quantile, "max_s": max_s, **more})
        asked = replace(self.timing, quantile=quantile, confidence=confidence, budget_ms=budget_ms)
        if not self.judged or budget_ms is None:
            return asked
        found = judge(asked.samples_ns, budget_ns=budget_ms * 1e6, quantile=quantile, confidence=confidence)
        lower, upper = (None if ns is None else ns / 1e6 for ns in found[1:3])
        return replace(asked, verdict=found.verdict, lower_ms=lower, upper_ms=upper, reason=found.reason)


@pytest.fixture
def recorded() -> list[Evidence]:
    """Every evidence the check has handed over."""
    return []


@pytest.fixture
def check(recorded: list[Evidence]) -> EdgeCheck:
    """A check that records into ``recorded``."""
    return EdgeCheck(recorded.append)


@pytest.fixture
def scores() -> npt.NDArray[np.float32]:
    """Three samples of four scores."""
    return np.linspace(0.1, 1.2, 12, dtype=np.float32).reshape(3, 4)


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Builds a run from outputs."""
    return run_of


@pytest.fixture
def make_golden() -> type[FakeGolden]:
    """Builds a golden from references."""
    return FakeGolden


@pytest.fixture
def make_model() -> Callable[..., FakeModel]:
    """Builds a loaded model that measures the milliseconds given."""

    def build(samples_ms: list[float], *, judged: bool = True, **changes: Any) -> FakeModel:
        return FakeModel(timing_of(samples_ms, **changes), judged=judged)

    return build
