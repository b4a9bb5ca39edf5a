"""A model that computes in numpy: what ``evaluate`` asks of one, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.evaluation.evaluated import Evaluated
from pytest_edgedevice.runners.samples import batches
from pytest_edgedevice.values import ModelInfo, Placement, Quantization, Run, TensorSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

STEPS = Quantization((0.5,), (0,))


class NumpyModel(Evaluated):
    """Gives its inputs back, or what ``compute`` makes of them."""

    def __init__(
        self,
        compute: Callable[[Any], Any] = lambda x: x,
        *,
        width: int = 3,
        dtype: str = "float32",
        quantization: Quantization | None = None,
        outputs: tuple[str, ...] = ("y",),
    ) -> None:
        inputs = (TensorSpec("x", dtype, (1, width), quantization),)
        specs = tuple(TensorSpec(name, dtype, (1, width), quantization) for name in outputs)
        self.info = ModelInfo("net.tflite", "ab" * 32, 100, "float32", inputs, specs, "litert", "2.3", 1)
        self.placement = Placement("cpu", "cpu", 1, 0, 0, {}, "counted")
        self.device_name = "desk"
        self.compute = compute
        self.ran: list[int] = []

    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        values = np.concatenate([part.arrays["x"][:, 0] for part in batches(inputs, self.info.inputs)])
        self.ran.append(len(values))
        outputs = {spec.name: self.compute(values) for spec in self.info.outputs}
        return Run(outputs, len(values), (1,) * len(values), self.info, self.placement, self.device_name)


class AheadModel(NumpyModel):
    """The same, and draws chunks ahead of what it gives back, as models on devices do."""

    def run_each(self, chunks: Iterable[Any], **options: Any) -> Iterator[Run]:
        waiting: list[Any] = []
        for chunk in chunks:
            waiting.append(chunk)
            if len(waiting) > 3:
                yield self.run(waiting.pop(0), **options)
        while waiting:
            yield self.run(waiting.pop(0), **options)


@pytest.fixture
def model() -> NumpyModel:
    return NumpyModel()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to leave states in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one_hot(classes: Any, width: int = 3) -> Any:
    return np.eye(width, dtype=np.float32)[np.asarray(classes)]
