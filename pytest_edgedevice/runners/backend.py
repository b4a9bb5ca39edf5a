"""The seams of this room: what loads models on a device, and what runs one that is loaded.

An agent, the official benchmark program and a user's own executable each are a
``Runner``; a ``LoadedModel`` is the same whichever of them it came from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypedDict, runtime_checkable

from pytest_edgedevice.runners.care import Care

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.findings import Profile, Resources, Stages, Stream
    from pytest_edgedevice.runners.exchange import Exchanged
    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.transports.base import Transport
    from pytest_edgedevice.values import Array, Fact, Timing


class Question(TypedDict):
    """What ``LoadedModel.measure`` was asked, unchecked; see there."""

    budget_ms: float | None
    quantile: float
    confidence: float
    min_runs: int
    max_runs: int
    max_s: float
    sustained_s: float


class Backend(Protocol):
    """A model that is loaded, and whatever runs it.

    Attributes:
        emulated: Whether an emulator runs it, so that its times say nothing.
    """

    emulated: bool

    def run(self, parts: Sequence[Batch], *, timeout_s: float, allow_nan: bool) -> Exchanged:
        """Run every sample in order; those of one part have one shape.

        Raises:
            InputError: A sample holds NaN, or is refused; the model can be used again.
            ModelError: The engine failed.
            InfraError: The world did.
        """

    def measure(self, sample: Batch, question: Question, *, load_ms: float) -> Timing:
        """Measure latency on the device.

        Raises:
            InputError: The question cannot be answered.
            InfraError: The world failed.
        """

    def conditions(self) -> Mapping[str, Fact]:
        """What may disturb a measurement now."""

    def close(self) -> None:
        """End whatever runs for it; idempotent."""


@runtime_checkable
class Instrumented(Protocol):
    """A backend that can also watch its model at work; see the methods of ``LoadedModel`` for what is told."""

    def resources(self, sample: Batch, *, seconds: float, load_ms: float) -> Resources:
        """Run the sample back to back for so long, and tell what that took."""

    def stream(self, frames: Batch, *, fps: float, count: int) -> Stream:
        """Offer so many frames at a rate; the samples are their contents, again and again."""

    def stages(self, module: bytes, sample: Mapping[str, Array], *, runs: int, seconds: float) -> Stages:
        """Run the user's module around the inference, and time each part."""

    def profile(self, sample: Batch, *, runs: int, seconds: float, delegate: str) -> Profile:
        """Time the sample's operators one by one; ``delegate`` is what to call the one that took some."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where models are run.

    Attributes:
        link: The open link to the device.
        name: Name of the device, for messages.
        timeout_s: Deadline for each exchange, seconds.
        alone: Whether nobody else uses it, so that times mean something.
        on_close: Told when a model that was loaded here is closed.
        care: How the device is treated when it is timed.
    """

    link: Transport
    name: str
    timeout_s: float
    alone: bool = True
    on_close: Callable[[LoadedModel], None] | None = None
    care: Care = field(default_factory=Care)


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """What ``Device.load`` was asked, its values checked.

    Attributes:
        source: The model's file on this host.
        delegate: Name of the delegate, ``default`` or ``external:PATH``.
        threads: Threads for the engine's kernels.
        engine: Name of the engine; empty for the runner's own choice.
        allow_fallback: Whether operators that the delegate leaves may run elsewhere.
        options: Options for an external delegate.
        timeout_s: Deadline for preparing the model, seconds.
    """

    source: Path
    delegate: str = "default"
    threads: int = 1
    engine: str = ""
    allow_fallback: bool = False
    options: Mapping[str, str] | None = None
    timeout_s: float = 120.0


class Runner(ABC):
    """A way to run models on a device; one for each open device, so it may remember what it has placed there.

    Attributes:
        name: As the key ``runner`` of the device file names it.
    """

    name: str

    @abstractmethod
    def load(self, site: Site, request: LoadRequest) -> LoadedModel:
        """Place the model there and prepare it.

        Raises:
            ModelError: The engine refuses it.
            DelegateError: The delegate is absent, or left operators over; they are listed.
            MissingExtraError: Something has to be installed or built first; the hint says what.
            InfraError: The world failed.
        """

    @abstractmethod
    def check(self, site: Site) -> None:
        """Prove that it works there.

        Raises:
            InfraError: It does not, and why.
        """

    def forget(self) -> None:  # noqa: B027 - most remember nothing
        """The link was lost: nothing that was placed is there any more."""
