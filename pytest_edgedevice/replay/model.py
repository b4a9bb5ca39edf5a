"""A model of a recording: gives the recorded answers, and judges recorded latencies by new budgets."""
# ruff: noqa: ARG002 - what limits a measurement on a device changes nothing in one that was made

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pytest_edgedevice.errors import AgentDiedError, InputError, UsageError
from pytest_edgedevice.evaluation.evaluated import Evaluated
from pytest_edgedevice.findings import Profile, Resources
from pytest_edgedevice.records import unpack
from pytest_edgedevice.replay.recorded import hashes_of
from pytest_edgedevice.replay.timing import judged_again
from pytest_edgedevice.runners.samples import batches, refuse_nan
from pytest_edgedevice.runners.watched import MOST_SECONDS, check_number
from pytest_edgedevice.values import ModelInfo, Placement, Run

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from pytest_edgedevice.findings import Stages, Stream
    from pytest_edgedevice.replay.archive import Archive
    from pytest_edgedevice.replay.recorded import Block, Loading
    from pytest_edgedevice.values import Timing

NOT_RECORDED = "not recorded"
MOST_BLOCKS = 8


class ReplayedModel(Evaluated):
    """See ``LoadedModelLike``; what each member means is at ``LoadedModel``."""

    emulated = False

    def __init__(self, archive: Archive, loading: Loading, *, device_name: str, path: Path) -> None:
        if loading.info is None or loading.placement is None:
            raise UsageError(f"{str(path)!r} cannot be read: it does not tell what {loading.name} is")
        self.info: ModelInfo = loading.info
        self.placement: Placement = loading.placement
        self.load_ms = loading.load_ms
        self.device_name = device_name
        self._archive = archive
        self._loading = loading
        self._path = path
        self._known = {one: (block, row) for block in reversed(loading.blocks) for row, one in enumerate(block.samples)}
        self._read: dict[int, tuple[dict[str, Any], list[int]]] = {}
        self._ended = False

    def __repr__(self) -> str:
        return f"<ReplayedModel {self.info.name} of {self._path}>"

    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """The recorded outputs of these very inputs.

        Raises:
            InputError: The inputs do not fit the model, or were not run when it was recorded.
            UsageError: The recording is broken.
        """
        self._check_there()
        parts = batches(inputs, self.info.inputs)
        first = 0
        for part in parts:
            if not allow_nan:
                refuse_nan(part.arrays, self.info.inputs, first=first)
            first += part.samples
        rows: list[dict[str, Any]] = []
        times: list[int] = []
        for at, one in enumerate(hashes_of(parts, self.info.inputs)):
            outputs, time_ns = self._answer(one, at)
            rows.append(outputs)
            times.append(time_ns)
        outputs = {spec.name: _joined([row[spec.name] for row in rows]) for spec in self.info.outputs}
        return Run(outputs, len(rows), tuple(times), self.info, self.placement, self.device_name)

    def _answer(self, sample: str, at: int) -> tuple[dict[str, Any], int]:
        if sample not in self._known:
            raise InputError(
                f"the recording {self._path} has no answer of {self.info.name} to sample {at}: "
                f"it knows {len(self._known)} other samples",
                hint="record again with these inputs: --edge-record-run",
            )
        block, row = self._known[sample]
        outputs, times = self._block(block)
        return {name: values[row] for name, values in outputs.items()}, times[row]

    def _block(self, block: Block) -> tuple[dict[str, Any], list[int]]:
        """The answers to one run, checked; the latest few stay in memory."""
        if id(block) not in self._read:
            outputs = {name: self._archive.samples(where) for name, where in block.outputs.items()}
            times = unpack(block.inference_ns, where=f"{self._path}: times")
            names = {spec.name for spec in self.info.outputs}
            counts = {len(values) for values in outputs.values()} | {len(times)}
            if counts != {len(block.samples)} or outputs.keys() != names:
                raise UsageError(f"{str(self._path)!r} cannot be read: answers of {self.info.name} do not fit together")
            while len(self._read) >= MOST_BLOCKS:
                self._read.pop(next(iter(self._read)))
            self._read[id(block)] = outputs, times
        return self._read[id(block)]

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
        """A recorded series, judged by this budget; the limits of the measurement are those of the recording.

        Raises:
            InputError: The sample does not fit, an argument is out of its range, or no latency was recorded.
            UsageError: The recording is broken.
        """
        self._check_there()
        if inputs is not None:
            first = batches(inputs, self.info.inputs)[0]
            refuse_nan({name: array[:1] for name, array in first.arrays.items()}, self.info.inputs, first=0)
        if not self._loading.measured:
            raise InputError(
                f"the recording {self._path} has no latency of {self.info.name} with {self.placement.requested!r}",
                hint="record again with a test that measures it: --edge-record-run",
            )
        sustained = [one for one in self._loading.measured if bool(one.timing.judged_from) == bool(sustained_s)]
        best = max(sustained or self._loading.measured, key=lambda one: _fitness(one.timing, quantile, one.samples_ns))
        series = tuple(unpack(best.samples_ns, where=f"{self._path}: latencies"))
        timing = dataclasses.replace(best.timing, samples_ns=series)
        return judged_again(timing, budget_ms=budget_ms, quantile=quantile, confidence=confidence)

    def resources(self, inputs: Any = None, *, seconds: float = 2.0) -> Resources:
        """The recorded ones; of what was not recorded, that it was not."""
        self._check_there()
        check_number("seconds", seconds, most=MOST_SECONDS)
        if self._loading.resources:
            return self._loading.resources[-1]
        problems = dict.fromkeys(("memory", "cpu", "energy"), NOT_RECORDED)
        return Resources(self.info.size_bytes, self.load_ms, problems=problems)

    def stream(self, frames: Any = None, *, fps: float = 30.0, seconds: float = 10.0) -> Stream:
        """The recorded one at that rate.

        Raises:
            InputError: There is none.
        """
        self._check_there()
        check_number("fps", fps, least=0.01, most=10_000.0)
        check_number("seconds", seconds, most=MOST_SECONDS)
        for one in reversed(self._loading.streams):
            if one.fps == fps:
                return one
        rates = ", ".join(f"{one.fps:g}" for one in self._loading.streams) or "none"
        raise self._absent(f"no stream at {fps:g} frames a second (rates that it has: {rates})")

    def profile(self, inputs: Any = None, *, runs: int = 50, seconds: float = 10.0) -> Profile:
        """The recorded one; without one, that there is none."""
        self._check_there()
        check_number("seconds", seconds, most=MOST_SECONDS)
        if type(runs) is not int or runs < 1:
            raise InputError(f"runs must be a whole number, 1 at least, not {runs!r:.60}")
        return self._loading.profiles[-1] if self._loading.profiles else Profile(problem=NOT_RECORDED)

    def stages(self, module: Any = None, sample: Any = None, *, runs: int = 200, seconds: float = 10.0) -> Stages:
        """The recorded ones; no code runs.

        Raises:
            InputError: There are none.
        """
        self._check_there()
        if not self._loading.stages:
            raise self._absent("no stages")
        return self._loading.stages[-1]

    def _absent(self, what: str) -> InputError:
        return InputError(
            f"the recording {self._path} has {what} of {self.info.name}",
            hint="record again with a test that measures it: --edge-record-run",
        )

    def _check_there(self) -> None:
        if self._ended:
            raise AgentDiedError(f"model {self.info.name!r} has ended (replayed); load it again")

    def close(self) -> None:
        """End it; idempotent."""
        self._ended = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _joined(rows: list[Any]) -> Any:
    """Samples along the first axis; a list where their shapes vary."""
    return np.stack(rows) if len({(row.shape, row.dtype) for row in rows}) == 1 else rows


def _fitness(timing: Timing, quantile: float, packed: Any) -> tuple[bool, int]:
    """A series that was taken for this quantile is best, then the longest."""
    count = packed.get("count")
    return timing.quantile == quantile, count if isinstance(count, int) else 0
