"""What checks ask of a golden and of a loaded model, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
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
        min_runs: int = 0,
        max_runs: int = 5000,
        max_s: float = 30.0,
        sustained_s: float = 0.0,
    ) -> Timing:
        """Measure on the device and judge ``quantile`` against ``budget_ms``."""


class Watchable(ModelLike, Protocol):
    """A loaded model that can be watched at work."""

    @property
    def load_ms(self) -> float:
        """Time the engine needed to load and prepare the model, milliseconds."""

    def resources(self, inputs: Any = None, *, seconds: float = 2.0) -> Resources:
        """Tell memory, processor time and energy of the model at work."""

    def stream(self, frames: Any = None, *, fps: float = 30.0, seconds: float = 10.0) -> Stream:
        """Offer frames at a rate, and tell how the model keeps up."""

    def profile(self, inputs: Any = None, *, runs: int = 50, seconds: float = 10.0) -> Profile:
        """Time every operator."""


class Stageable(ModelLike, Protocol):
    """A loaded model whose way from a raw sample to a result can be timed."""

    def stages(self, module: Any = None, sample: Any = None, *, runs: int = 200, seconds: float = 10.0) -> Stages:
        """Time what comes before the inference, the inference, and what comes after it."""


def check_loaded(model: Any, ability: str, *, name: str = "model") -> None:
    """Refuse what is no loaded model, such as a model's path.

    Args:
        model: What the test gave.
        ability: The method that is going to be called.
        name: The argument's name.

    Raises:
        UsageError: It has no such method.
    """
    if not callable(getattr(model, ability, None)):
        raise UsageError(
            f"{name} must be a loaded model, not {type(model).__name__} {shown(model)}",
            hint="load it first: edge_model(PATH), or device.load(PATH)",
        )
