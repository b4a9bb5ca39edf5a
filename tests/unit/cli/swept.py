"""Rows of a sweep and a device that gives them, for tests without any inference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from pytest_edgedevice.cli.running_sweep import Row
from pytest_edgedevice.findings import Resources
from pytest_edgedevice.values import ModelInfo, Placement, Run, TensorSpec, Timing

if TYPE_CHECKING:
    from pytest_edgedevice.interfaces import DeviceLike
    from pytest_edgedevice.values import Array

SPEC = TensorSpec("x", "float32", (1, 4))
INFO = ModelInfo("a.tflite", "ab" * 32, 4000, "float32", (SPEC,), (SPEC,), "litert", "2.3.0", 1)


def placement(proven: str = "cpu", *, nodes: int = 164, delegated: int = 164, **left_over: int) -> Placement:
    return Placement(proven, proven, nodes, delegated, 1, left_over, "told")


def timing(p50_ms: float = 4.0, **changed: Any) -> Timing:
    told: dict[str, Any] = {"p90_ms": p50_ms, "p95_ms": p50_ms * 1.25, "p99_ms": p50_ms * 2, "budget_ms": None}
    told |= {"lower_ms": None, "upper_ms": None, "quantile": 0.95, "confidence": 0.95, "load_ms": 1.0, "first_ms": 1.0}
    told |= {"warmup_runs": 3, "steady": True, "verdict": None, "batch": 1, "samples_ns": (int(p50_ms * 1e6),) * 118}
    return Timing(p50_ms=p50_ms, **(told | changed))


def row(delegate: str = "cpu", threads: int | None = 1, **changed: Any) -> Row:
    told: dict[str, Any] = {"info": INFO, "placement": placement(delegate), "timing": timing(), "speed_up": 1.0}
    told["resources"] = Resources(4000, 1.0, peak_bytes=50_000_000, before_load_bytes=41_900_000)
    return Row(delegate, threads, "ran", **(told | changed))


def failed(delegate: str, sentence: str, threads: int | None = 1, **changed: Any) -> Row:
    return Row(delegate, threads, changed.pop("state", "failed"), sentence, **changed)


class FakeModel:
    """Gives what it was made with; ``resources`` may be an error."""

    def __init__(self, outputs: dict[str, Array], *, p50_ms: float = 4.0, resources: Exception | None = None) -> None:
        self.info, self.placement, self.device_name, self.load_ms = INFO, placement(), "desk", 1.0
        self.ran: list[Any] = []
        self.measured: list[dict[str, Any]] = []
        self.closed = self.emulated = False
        self._outputs, self._p50_ms, self._problem = outputs, p50_ms, resources

    def run(self, inputs: Any, **_: Any) -> Run:
        self.ran.append(inputs)
        return Run(self._outputs, 1, (1,), self.info, self.placement, "desk")

    def measure(self, inputs: Any = None, **asked: Any) -> Timing:
        self.measured.append(asked)
        return timing(self._p50_ms)

    def resources(self, inputs: Any = None, *, seconds: float = 2.0) -> Resources:
        if self._problem:
            raise self._problem
        return Resources(4000, 1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class FakeDevice:
    """Answers each load with what was planned for its delegate: a model, or an error."""

    def __init__(self, **planned: FakeModel | Exception) -> None:
        self.name = "desk"
        self.facts: dict[str, Any] = {}
        self.loads: list[tuple[str, int, str]] = []
        self._planned = planned

    def load(self, path: Any, *, delegate: str = "default", threads: int = 1, engine: str = "", **_: Any) -> FakeModel:
        self.loads.append((delegate, threads, engine))
        answer = self._planned.get(delegate, self._planned.get("others"))
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None, f"nothing is planned for {delegate}"
        return answer

    def like(self) -> DeviceLike:
        return cast("DeviceLike", self)


def gives(*values: float, **changed: Any) -> FakeModel:
    return FakeModel({"y": np.array([values], np.float32)}, **changed)
