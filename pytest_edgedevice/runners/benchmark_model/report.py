"""What is known of a run of ``benchmark_model``: values, filled in by whoever reads its log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Extent = Literal["completely", "partially", "not"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one series of runs, microseconds; the tool keeps no more of it.

    Attributes:
        count: Runs.
        first, last: Of those runs.
        least, most: Of all.
        mean: With six significant digits.
    """

    count: int
    first: int
    last: int
    least: int
    most: int
    mean: float


@dataclass(frozen=True, slots=True)
class Applied:
    """What the tool says of a delegate, having counted the nodes left: name, extent, kernels (0: not told)."""

    name: str
    extent: Extent
    kernels: int = 0


@dataclass(frozen=True, slots=True)
class NodeCount:
    """Nodes that a delegate took, as the runtime counted them.

    Attributes:
        delegate: Its own name, e.g. ``TfLiteXNNPackDelegate``.
        taken: How many it took.
        total: Of how many; 0 where that is not told.
        partitions: In how many pieces; 0 where that is not told.
        where: Which graph; empty where that is not told.
        announced: Whether the delegate itself said so before, and not the runtime when it had replaced them.
    """

    delegate: str
    taken: int
    total: int
    partitions: int
    where: str = ""
    announced: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """A type of operator in the profile: how many nodes, mean time of all of them in one inference, share of it."""

    name: str
    nodes: int
    mean_ms: float
    percent: float


@dataclass(frozen=True, slots=True)
class Log:
    """A whole log.

    Attributes:
        series: Statistics in the order they came: the warm-up's, then the timed runs'.
        init_us, first_us: Loading, and the very first inference; None where they are not told.
        applied: Statements on delegates.
        counts: Counts of nodes.
        unconsumed: Arguments that the tool did not know.
        memory_mb: ``init``, ``overall`` and ``peak``, as far as told.
        operators: The profile, by type of operator.
        errors: Lines that the tool marked so.
        version: The runtime's; empty where it is not told.
        processor_ns: What the process took of the processors, by the device's shell; None where nobody tells.
    """

    series: tuple[Statistics, ...] = ()
    init_us: float | None = None
    first_us: float | None = None
    applied: tuple[Applied, ...] = ()
    counts: tuple[NodeCount, ...] = ()
    unconsumed: tuple[str, ...] = ()
    memory_mb: Mapping[str, float] = field(default_factory=dict)
    operators: tuple[Operator, ...] = ()
    errors: tuple[str, ...] = ()
    version: str = ""
    processor_ns: int | None = None

    def of_runs(self, count: int) -> Statistics | None:
        """The statistics of the timed runs, if they are as many as were asked for."""
        return self.series[-1] if self.series and self.series[-1].count == count else None

    def of_some_runs(self) -> Statistics | None:
        """The statistics of the timed runs, however many they are; never those of a warm-up that came alone."""
        return self.series[-1] if len(self.series) > 1 and self.series[-1].count else None
