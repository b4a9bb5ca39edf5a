"""What the plugin, checks and records ask of a device and of a loaded model, and no more.

Arguments and results are plain values: texts, numbers, arrays, the dataclasses
of ``values``, and a path whose content alone travels. Whatever offers these
members stands in for ``Device`` and ``LoadedModel`` without a change above: a
proxy for a device that another host has leased, for one. What each must do is
in their docstrings and in ``pytest_edgedevice.testing.DeviceContract``.

A device may offer ``conditions()`` besides, names to plain values: records then
hold what it says before and after each test.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from pytest_edgedevice.evaluation import Evaluation
    from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
    from pytest_edgedevice.leases import Quarantine
    from pytest_edgedevice.values import Fact, ModelInfo, Placement, Run, Timing


class LoadedModelLike(Protocol):
    """A model on a device; see ``pytest_edgedevice.LoadedModel`` for what each member means."""

    @property
    def info(self) -> ModelInfo:
        """Identity, tensors, engine."""

    @property
    def placement(self) -> Placement:
        """Which operators ran where."""

    @property
    def device_name(self) -> str:
        """Name of the device."""

    @property
    def load_ms(self) -> float:
        """Time the engine needed to load and prepare the model, milliseconds."""

    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """Run every sample and bring back exactly what the device produced."""

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
        """Measure latency on the device, around the inference only."""

    def evaluate(
        self,
        dataset: Any,
        metric: Any = "accuracy",
        *,
        batch: int = 256,
        output: str | None = None,
        worst: int = 10,
        resume: bool | str | os.PathLike[str] | None = None,
        progress: Callable[[str], None] | None = None,
        allow_nan: bool = False,
        timeout_s: float | None = None,
    ) -> Evaluation:
        """Run a whole data set and score it; ``evaluation.evaluated.Evaluated`` makes it of ``run``."""

    def resources(self, inputs: Any = None, *, seconds: float = 2.0) -> Resources:
        """Tell memory, processor time and energy of the model at work."""

    def stream(self, frames: Any = None, *, fps: float = 30.0, seconds: float = 10.0) -> Stream:
        """Offer frames at a rate, and tell how the model keeps up."""

    def profile(self, inputs: Any = None, *, runs: int = 50, seconds: float = 10.0) -> Profile:
        """Time every operator."""

    def stages(self, module: Any = None, sample: Any = None, *, runs: int = 200, seconds: float = 10.0) -> Stages:
        """Time what comes before the inference, the inference, and what comes after it."""

    def close(self) -> None:
        """End the model; idempotent, without effect in a forked child."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class DeviceLike(Protocol):
    """An open device behind somebody's lease; see ``pytest_edgedevice.Device`` for what each member means."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def facts(self) -> Mapping[str, Fact]:
        """What selection expressions and records know of it."""

    @property
    def identity(self) -> str:
        """What tells the hardware from all other."""

    @property
    def shared(self) -> bool:
        """Whether others may use it at the same time."""

    @property
    def recovered(self) -> tuple[str, ...]:
        """What had to be cleaned up after others, a clause each."""

    def load(
        self,
        path: str | os.PathLike[str],
        *,
        delegate: str = "default",
        threads: int = 1,
        engine: str = "",
        fallback: str = "fail",
        delegate_options: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> LoadedModelLike:
        """Load the content of a file or of a model folder on this host."""

    def reconnect(self, *, wait_s: float) -> None:
        """Wait for a device that was lost, and connect to the same piece of hardware again."""

    def waiters(self) -> int:
        """How many others wait for it."""

    def tell_waiters(self, test: str) -> None:
        """Say what it is used for now."""

    def note_fault(self, reason: str) -> Quarantine | None:
        """Count an infrastructure error against it."""

    def note_health(self) -> None:
        """Say that it works."""

    def close(self) -> None:
        """End every model and hand the device back; idempotent, without effect in a forked child."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
