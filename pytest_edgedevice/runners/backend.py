"""The seams of this room: what loads models on a device, and what runs one that is loaded.

An agent, the official benchmark program and a user's own executable each are a
``Runner``; a ``LoadedModel`` is the same whichever of them it came from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.findings import Profile, Resources
from pytest_edgedevice.runners.care import Care
from pytest_edgedevice.runners.model_folders import push_model

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.findings import Stages, Stream
    from pytest_edgedevice.runners.exchange import Exchanged
    from pytest_edgedevice.runners.loaded import LoadedModel
    from pytest_edgedevice.runners.samples import Batch
    from pytest_edgedevice.transports.base import Pushed, Transport
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


class Backend(ABC):
    """A model that is loaded, and whatever runs it.

    Not everything can watch its model at work; what cannot keeps the answers of this class, which say why not. What is
    known of any model (size and load time, conditions around the work, whether an emulator did it) is added to each
    answer by ``LoadedModel``.

    Attributes:
        emulated: Whether an emulator runs it, so that its times say nothing.
        why_not: Why it cannot tell more, one clause.
    """

    emulated: bool
    why_not = "only an agent can tell, and another program runs this model"

    @abstractmethod
    def run(self, parts: Sequence[Batch], *, timeout_s: float, allow_nan: bool) -> Exchanged:
        """Run every sample in order; those of one part have one shape.

        Raises:
            InputError: A sample holds NaN, or is refused; the model can be used again.
            ModelError: The engine failed.
            InfraError: The world did.
        """

    def run_each(
        self, groups: Iterable[Sequence[Batch]], *, timeout_s: float, allow_nan: bool
    ) -> Generator[Exchanged, None, None]:
        """Run groups of samples in order, and tell what came back of each; raises what ``run`` does.

        What can do so sends a group while the one before is computed.
        """
        for parts in groups:
            yield self.run(parts, timeout_s=timeout_s, allow_nan=allow_nan)

    @abstractmethod
    def measure(self, sample: Batch, question: Question, *, load_ms: float) -> Timing:
        """Measure latency on the device.

        Raises:
            InputError: The question cannot be answered.
            InfraError: The world failed.
        """

    def resources(self, sample: Batch, *, seconds: float) -> Resources:  # noqa: ARG002 - nothing runs
        """Run the sample back to back for so long, and tell what that took."""
        return unmeasured(self.why_not)

    def stream(self, frames: Batch, *, fps: float, count: int) -> Stream:  # noqa: ARG002 - nothing runs
        """Offer so many frames at a rate; the samples are their contents, again and again.

        Raises:
            InputError: Nothing there can do it.
        """
        raise InputError(f"no stream can be fed to the model: {self.why_not}")

    def stages(self, module: bytes, sample: Mapping[str, Array], *, runs: int, seconds: float) -> Stages:  # noqa: ARG002
        """Run the user's module around the inference, and time each part.

        Raises:
            InputError: Nothing there can do it, or the module failed.
        """
        raise InputError(f"no code can be run around the model: {self.why_not}")

    def own_stages(self, sample: Batch, *, runs: int, seconds: float) -> Stages:  # noqa: ARG002 - nothing runs
        """Time what the program itself does around the inference.

        Raises:
            InputError: It has no such stages, or does not tell them.
        """
        raise InputError(
            "stages need code of yours around the inference: what runs this model has none of its own",
            hint="name a Python file with preprocess(inputs), postprocess(outputs) or both",
        )

    def profile(self, sample: Batch, *, runs: int, seconds: float, delegate: str) -> Profile:  # noqa: ARG002
        """Time the sample's operators one by one; ``delegate`` is what to call the one that took some."""
        return Profile(problem=self.why_not)

    @abstractmethod
    def conditions(self) -> Mapping[str, Fact]:
        """What may disturb a measurement now."""

    @abstractmethod
    def close(self) -> None:
        """End whatever runs for it; idempotent."""


def unmeasured(why: str) -> Resources:
    """Resources of which nothing could be measured."""
    return Resources(0, 0.0, problems=dict.fromkeys(("cpu", "energy", "memory"), why))


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
        source: The model's file or folder on this host.
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
        load_patience: How long preparing a model may take where nobody says otherwise, in deadlines of an exchange:
            two minutes with the usual ones.
    """

    name: str
    load_patience = 2

    def push(self, site: Site, source: Path, *, timeout_s: float) -> Pushed:
        """Bring a model's file or folder there; content that is there already is not sent again.

        Raises:
            ModelError: A folder that holds what cannot be sent.
            TransportError, DeadlineError, DeviceFullError: The world failed; nothing half-written counts.
        """
        return push_model(site.link, source, timeout_s=timeout_s)

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

    def close(self, site: Site) -> None:  # noqa: B027 - what was placed by the link goes with the link
        """Leave the device, whose models are closed already; idempotent, never raises an error of the world."""
