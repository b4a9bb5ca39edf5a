"""What checks ask of a golden and of a loaded model, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.values import ModelInfo, Outputs, Placement, Timing


class GoldenLike(Protocol):
    """Inputs with reference outputs, of which a check needs the references."""

    @property
    def name(self) -> str:
        """Name of the set, for people."""

    @property
    def references(self) -> Outputs:
        """Output name to reference: an array with samples along the first axis, or a list of one a sample."""

    @property
    def ids(self) -> Sequence[str]:
        """Name of each sample, in order."""

    def check_model(self, info: ModelInfo) -> None:
        """Raise ``GoldenError`` if the references were recorded for another model."""


class ModelLike(Protocol):
    """A model that is loaded on a device."""

    @property
    def info(self) -> ModelInfo:
        """Identity, tensors, engine."""

    @property
    def placement(self) -> Placement:
        """Which operators ran where."""

    @property
    def device_name(self) -> str:
        """Name of the device."""


class Measurable(ModelLike, Protocol):
    """A loaded model whose latency can be measured."""

    def measure(
        self,
        inputs: Any = None,
        *,
        budget_ms: float | None = None,
        quantile: float = 0.95,
        confidence: float = 0.95,
        max_s: float = 30.0,
    ) -> Timing:
        """Measure on the device and judge ``quantile`` against ``budget_ms``."""
