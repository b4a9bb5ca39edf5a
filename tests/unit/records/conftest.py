"""A piece of evidence with everything in it."""

from __future__ import annotations

import pytest

from pytest_edgedevice.values import Evidence, ModelInfo, Placement, TensorSpec


@pytest.fixture
def model() -> ModelInfo:
    tensor = TensorSpec("x", "float32", (1, 4))
    return ModelInfo("m.tflite", "a" * 64, 640, "float32", (tensor,), (tensor,), "litert", "2.1.0", 2)


@pytest.fixture
def placement() -> Placement:
    return Placement("xnnpack", "xnnpack", 4, 3, 1, {"SOFTMAX": 1}, "1 delegate node in the prepared graph")


@pytest.fixture
def evidence(model: ModelInfo, placement: Placement) -> Evidence:
    return Evidence("latency", "fail", "too slow", {"p95_ms": 3.5, "runs": 59}, model, placement, "local")
