"""Run one model on one open device in every way that was asked for, and compare each with the first.

Knows nothing of terminals. A way that fails is a row like the others; only a
device that fails ends a sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_edgedevice.agent.engines.coreml_here import DELEGATES as OF_CORE_ML
from pytest_edgedevice.cli.running_error import Deviation, deviation
from pytest_edgedevice.cli.running_inputs import random_inputs
from pytest_edgedevice.errors import (
    AgentDiedError,
    DeadlineError,
    DelegateImpossibleError,
    EdgeDeviceError,
    InfraError,
    ModelError,
    ProtocolError,
)
from pytest_edgedevice.runners.requested import ALSO_CALLED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.findings import Resources
    from pytest_edgedevice.interfaces import DeviceLike, LoadedModelLike
    from pytest_edgedevice.values import ModelInfo, Outputs, Placement, Timing

REFERENCE = "cpu"
ALL = (REFERENCE, "default", "xnnpack", "gpu", "npu", "nnapi", "reference")
CORE_ML = tuple(name for name in OF_CORE_ML if name not in ALSO_CALLED)
"""All of Core ML's, the reference first, each by one name."""
CORE_ML_MODELS = frozenset({".mlmodel", ".mlmodelc", ".mlpackage"})
WITHOUT_THREADS = frozenset({"gpu", "npu", *OF_CORE_ML})
LEAST_S, MOST_S = 10.0, 600.0
WATCH_S = 0.5
MOST_FAULTS = 2


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be run.

    Attributes:
        delegates: Names, or ``all``.
        threads: Numbers of threads.
        engine: Name; empty for the device's own choice.
        inputs: By name; None for random ones.
        runs: Timed runs of each; 0 for what bounds of p95 take.
        core_ml: Whether the model is one of Core ML's, which has delegates of its own.
    """

    delegates: Sequence[str] = ("all",)
    threads: Sequence[int] = (1,)
    engine: str = ""
    inputs: Mapping[str, Any] | None = None
    runs: int = 0
    core_ml: bool = False

    def ways(self) -> list[tuple[str, int | None]]:
        """Delegate and threads, the reference first; None where threads are nothing to a delegate."""
        every = CORE_ML if self.core_ml else ALL
        names = [name for given in self.delegates for name in (every if given == "all" else (given,))]
        without = WITHOUT_THREADS | ({"default"} if self.core_ml else set())
        found = [(name, None if name in without else count) for name in names for count in self.threads]
        return list(dict.fromkeys([(every[0], None if self.core_ml else 1), *found]))


@dataclass(frozen=True, slots=True)
class Row:
    """One way to run the model.

    Attributes:
        delegate, threads: Which way; threads is None where they are nothing to the delegate.
        state: Whether it ran, failed, or can never be had on this device.
        sentence, hint: Why it did not run.
        info, placement, timing: As ``LoadedModel`` tells them; None where it did not run.
        speed_up: Median of the reference by this one's; None where there is none.
        deviation: Against the reference's outputs; None for the reference itself.
        resources: Memory and processor time; None where that failed.
        emulated: Whether an emulator ran it, so that its times say nothing.
    """

    delegate: str
    threads: int | None
    state: Literal["ran", "failed", "impossible"]
    sentence: str = ""
    hint: str = ""
    info: ModelInfo | None = None
    placement: Placement | None = None
    timing: Timing | None = None
    speed_up: float | None = None
    deviation: Deviation | None = None
    resources: Resources | None = None
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class _Reference:
    outputs: Outputs
    p50_ms: float


def sweep(device: DeviceLike, path: Path, wishes: Wishes, *, begins: Callable[[str], None]) -> Iterator[Row]:
    """Run every way in turn.

    Args:
        device: Open, and ours alone.
        path: The model.
        wishes: Which ways.
        begins: Told before each what is done now.

    Raises:
        InfraError: The device failed, not one way to run the model.
    """
    reference: _Reference | None = None
    faults, impossible = 0, ""
    for delegate, threads in wishes.ways():
        if delegate == impossible:
            continue  # with any number of threads
        begins(f"{delegate}{f', {counted(threads)}' if threads else ''}")
        try:
            row, outputs = _ran(device, path, wishes, delegate=delegate, threads=threads, reference=reference)
        except (AgentDiedError, DeadlineError, ProtocolError) as error:
            # a model may end or hang its process under one delegate; a device that hangs every time is another thing
            faults = 0 if isinstance(error, AgentDiedError) else faults + 1
            if faults >= MOST_FAULTS:
                raise
            row, outputs = _failed(delegate, threads, error, path.name), None
        except InfraError:
            raise
        except EdgeDeviceError as error:
            faults, row, outputs = 0, _failed(delegate, threads, error, path.name), None
        else:
            faults = 0
        impossible = delegate if row.state == "impossible" else ""
        if reference is None and outputs is not None and row.timing is not None:
            reference = _Reference(outputs, row.timing.p50_ms)
        yield row


def counted(threads: int) -> str:
    """A number of threads in words."""
    return "1 thread" if threads == 1 else f"{threads} threads"


def _ran(
    device: DeviceLike,
    path: Path,
    wishes: Wishes,
    *,
    delegate: str,
    threads: int | None,
    reference: _Reference | None,
) -> tuple[Row, Outputs]:
    with device.load(path, delegate=delegate, threads=threads or 1, engine=wishes.engine) as model:
        inputs = random_inputs(model.info) if wishes.inputs is None else wishes.inputs
        outputs = model.run(inputs).outputs
        limits: dict[str, Any] = {"max_s": LEAST_S}
        if wishes.runs:
            limits = {"min_runs": wishes.runs, "max_runs": wishes.runs, "max_s": MOST_S}
        timing = model.measure(**limits)
        row = Row(
            delegate,
            threads,
            "ran",
            info=model.info,
            placement=model.placement,
            timing=timing,
            speed_up=_speed_up(timing, reference),
            deviation=None if reference is None else deviation(outputs, reference.outputs),
            resources=_resources(model),
            emulated=bool(getattr(model, "emulated", False) or device.facts.get("emulated")),
        )
    return row, outputs


def _speed_up(timing: Timing, reference: _Reference | None) -> float | None:
    if reference is None:
        return 1.0
    return reference.p50_ms / timing.p50_ms if timing.p50_ms > 0 else None


def _resources(model: LoadedModelLike) -> Resources | None:
    """Memory is told where it can be: latency and outputs stand without it."""
    try:
        return model.resources(seconds=WATCH_S)
    except ModelError:
        return None


def _failed(delegate: str, threads: int | None, error: EdgeDeviceError, model: str) -> Row:
    sentence = error.message.removeprefix(f"model {model!r}: ")
    if isinstance(error, DelegateImpossibleError):
        return Row(delegate, None, "impossible", sentence, error.hint)
    return Row(delegate, threads, "failed", sentence, error.hint)
