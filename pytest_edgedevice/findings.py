"""What watching a model at work found: its cost, a profile by operator, how it kept up with a stream of frames.

Plain frozen data like ``values``, which is for what every model has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.values import Disturbance, Fact


@dataclass(frozen=True, slots=True)
class Resources:
    """What a model cost its device while it ran back to back; None where that was not measured.

    Attributes:
        model_bytes: Size of the model's file.
        load_ms: Time the engine needed to load and prepare it.
        inferences: How many were run, one after another.
        wall_ms: Time that they took together.
        peak_bytes: Most memory of the model's process that was resident at a time, the program's own included.
        before_load_bytes: What was resident before the model was loaded.
        memory_counter: Which counter told ``peak_bytes``, and of which time.
        cpu_ms: Processor time of one inference, all threads together.
        cpu_load_percent: Share of all ``cores`` that was busy with it.
        cores: Processors that the process may use.
        energy_mj: Energy that the device took for one inference, whatever else ran there included.
        power_mw: The same as power.
        energy_source: Which counter or sensor told it.
        problems: Why something was not measured: ``memory``, ``cpu`` or ``energy`` to the reason.
        conditions: Facts before and after; the key names the moment.
        disturbances: What was met of the conditions that the device's rules name.
        waited_s: How long the device was waited for before, seconds.
        emulated: Whether an emulator ran it, so that none of this is of the real device.
    """

    model_bytes: int
    load_ms: float
    inferences: int = 0
    wall_ms: float = 0.0
    peak_bytes: int | None = None
    before_load_bytes: int | None = None
    memory_counter: str = ""
    cpu_ms: float | None = None
    cpu_load_percent: float | None = None
    cores: int | None = None
    energy_mj: float | None = None
    power_mw: float | None = None
    energy_source: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()
    waited_s: float = 0.0
    emulated: bool = False

    @property
    def model_share_bytes(self) -> int | None:
        """What the model added to the memory of its process, at the peak."""
        if self.peak_bytes is None or self.before_load_bytes is None:
            return None
        return max(self.peak_bytes - self.before_load_bytes, 0)


@dataclass(frozen=True, slots=True)
class Stages:
    """What a sample took on its way: the code before the inference, the inference, the code after it.

    Attributes:
        before_ns: Of every run in order, nanoseconds.
        inference_ns: The same, with the inputs given and the outputs read.
        after_ns: The same.
        p50_ms: Median of ``before``, ``inference``, ``after`` and their sum ``total``.
        p95_ms: Their 95th percentile.
        conditions: Facts before and after; the key names the moment.
        disturbances: What was met of the conditions that the device's rules name.
        waited_s: How long the device was waited for before, seconds.
        emulated: Whether an emulator ran it, so that the times say nothing.
    """

    before_ns: tuple[int, ...]
    inference_ns: tuple[int, ...]
    after_ns: tuple[int, ...]
    p50_ms: Mapping[str, float]
    p95_ms: Mapping[str, float]
    conditions: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()
    waited_s: float = 0.0
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """All operators of one type in a model.

    Attributes:
        name: As the runtime calls it, e.g. ``CONV_2D`` or ``Convolution (NHWC, F32) IGEMM``.
        delegate: Who ran them: the delegate's name, or ``cpu`` for the runtime's own kernels.
        count: How many there are in one inference.
        time_ms: What they took together in one inference.
        share: The same as a share of all operators, 0 to 1.
    """

    name: str
    delegate: str
    count: int
    time_ms: float
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the time of a model goes.

    Attributes:
        operators: By type and delegate, the slowest first; empty where there is no profile.
        runs: Inferences that it is a mean of.
        total_ms: Time of all operators in one inference. The profiler counts whole microseconds, so that what is
            shorter counts as none; its own cost is in here.
        problem: Why there is no profile; empty where there is one.
        conditions: Facts before and after; the key names the moment.
        disturbances: What was met of the conditions that the device's rules name.
        waited_s: How long the device was waited for before, seconds.
        emulated: Whether an emulator ran it, so that the times say nothing.
    """

    operators: tuple[Operator, ...] = ()
    runs: int = 0
    total_ms: float = 0.0
    problem: str = ""
    conditions: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()
    waited_s: float = 0.0
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """How a model kept up with frames at a rate; a queue of one frame, always the latest, is before it.

    Attributes:
        fps: Frames offered, a second.
        offered: Frames offered.
        processed: Frames that the model ran on; the others were dropped for a newer one.
        dropped_share: Share of the offered frames that were dropped, 0 to 1.
        achieved_fps: Results a second.
        age_p50_ms, age_p90_ms, age_p95_ms, age_p99_ms, age_max_ms: From the moment that a frame was due to the end
            of its inference, outputs read.
        jitter_ms: Standard deviation of the time from one result to the next.
        wake_p95_ms: How late work began on frames that were waited for; a busy device shows here.
        cpu_load_percent: Share of all cores that was busy with it; None where that is not told.
        frames: Number of every frame that was processed.
        begun_ns, ended_ns: When work on it began and ended, nanoseconds since the first frame.
        conditions: Facts before and after; the key names the moment.
        disturbances: What was met of the conditions that the device's rules name.
        waited_s: How long the device was waited for before, seconds.
        emulated: Whether an emulator ran it, so that the times say nothing.
    """

    fps: float
    offered: int
    processed: int
    dropped_share: float
    achieved_fps: float
    age_p50_ms: float
    age_p90_ms: float
    age_p95_ms: float
    age_p99_ms: float
    age_max_ms: float
    jitter_ms: float
    wake_p95_ms: float
    cpu_load_percent: float | None
    frames: tuple[int, ...]
    begun_ns: tuple[int, ...]
    ended_ns: tuple[int, ...]
    conditions: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    disturbances: tuple[Disturbance, ...] = ()
    waited_s: float = 0.0
    emulated: bool = False

    @property
    def ages_ns(self) -> tuple[int, ...]:
        """Age of every result: from the moment that its frame was due, nanoseconds."""
        interval = round(1e9 / self.fps)
        return tuple(end - frame * interval for frame, end in zip(self.frames, self.ended_ns, strict=True))
