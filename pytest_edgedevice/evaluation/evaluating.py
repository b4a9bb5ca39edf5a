"""Runs a data set through a model and scores it, a few chunks at a time.

Drawing the next samples, running, and scoring overlap as far as whatever runs the model lets them: chunks are drawn
when they can be sent, and scored while later ones are computed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.evaluation.fitting import chosen, fitted, labels_of, presented
from pytest_edgedevice.evaluation.result import Evaluation
from pytest_edgedevice.evaluation.scoring import Aggregated, scorer_of
from pytest_edgedevice.evaluation.sizing import Sizing
from pytest_edgedevice.evaluation.sources import as_dataset
from pytest_edgedevice.evaluation.state import Resuming
from pytest_edgedevice.evaluation.tally import Tally
from pytest_edgedevice.evaluation.telling import Telling
from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from pytest_edgedevice.evaluation.columns import Column
    from pytest_edgedevice.evaluation.dataset import Chunk, Dataset
    from pytest_edgedevice.evaluation.scoring import Floats, Scorer
    from pytest_edgedevice.values import ModelInfo, Placement, Run

BATCH = 256
MOST_BATCH = 65_536
MOST_WORST = 1000


class Runnable(Protocol):
    """A model that runs samples; a ``LoadedModel`` or what stands in for it.

    It may have ``run_each(chunks)``, which overlaps what ``run`` does one after the other.
    """

    @property
    def info(self) -> ModelInfo:
        """Identity, tensors, engine."""

    @property
    def placement(self) -> Placement:
        """Which operators ran where."""

    @property
    def device_name(self) -> str:
        """Name of the device."""

    def run(self, inputs: Any, *, allow_nan: bool = False, timeout_s: float | None = None) -> Run:
        """Run samples."""


def evaluate(
    model: Runnable,
    dataset: Any,
    metric: Any = "accuracy",
    *,
    batch: int = BATCH,
    output: str | None = None,
    worst: int = 10,
    resume: bool | str | os.PathLike[str] | None = None,
    progress: Callable[[str], None] | None = None,
    allow_nan: bool = False,
    timeout_s: float | None = None,
    identity: str = "",
) -> Evaluation:
    """Run every sample of a data set and score it; see ``LoadedModel.evaluate``.

    ``identity`` tells the device from all other; its name does where that is not known.
    """
    for name, value, least, most in (("batch", batch, 1, MOST_BATCH), ("worst", worst, 0, MOST_WORST)):
        if type(value) is not int or not least <= value <= most:
            raise InputError(f"{name} must be a whole number from {least} to {most}, not {value!r:.60}")
    if output is not None and not isinstance(output, str):
        raise InputError(f"output must be the name of one, not {shown(output)}")
    scorer, source = scorer_of(metric), as_dataset(dataset)
    source.check_model(model.info)
    key = _key(model, source, scorer, output) | {"device": identity or model.device_name}
    telling = Telling(progress, f"{model.info.name} on {model.device_name}", source.samples)
    sizing = Sizing(batch)
    work = _Work(model, source, scorer, output, Tally(scorer, worst), Resuming(resume, key), telling, sizing)
    try:
        return work.run_all(allow_nan=allow_nan, timeout_s=timeout_s)
    finally:
        telling.over()


class _Pending(NamedTuple):
    """A chunk on its way: the hash of each sample, what is known of some, and the places of those that are run."""

    chunk: Chunk
    hashes: list[bytes] | None
    known: dict[int, Any]
    places: list[int]


@dataclass(slots=True)
class _Work:
    """One evaluation."""

    model: Runnable
    dataset: Dataset
    scorer: Scorer
    output: str | None
    tally: Tally
    resuming: Resuming
    telling: Telling
    sizing: Sizing
    pending: deque[_Pending] = field(default_factory=deque)
    resumed: int = 0

    def run_all(self, *, allow_nan: bool, timeout_s: float | None) -> Evaluation:
        """Run whatever has to be; a state is left if that ends early, or if the aggregate of it all fails."""
        finished, began = False, time.monotonic()
        try:
            with contextlib.closing(self._runs(allow_nan=allow_nan, timeout_s=timeout_s)) as runs:
                for run in runs:
                    pending = self.pending.popleft()
                    self._score(pending, presented(run, self.output))
            if not self.tally.samples:
                raise InputError(f"data set {self.dataset.name!r} has no samples")
            found = self._found(seconds=time.monotonic() - began)
            finished = True
        finally:
            self.resuming.close(finished=finished)
        return found

    def _runs(self, *, allow_nan: bool, timeout_s: float | None) -> Generator[Run, None, None]:
        options: dict[str, Any] = {"allow_nan": allow_nan, "timeout_s": timeout_s}
        run_each = getattr(self.model, "run_each", None)
        if run_each is not None:
            yield from run_each(self._to_run(), **options)
            return
        for inputs in self._to_run():
            yield self.model.run(inputs, **options)

    def _to_run(self) -> Iterator[Column]:
        for drawn in self.dataset.chunks(self.sizing):
            chunk = dataclasses.replace(drawn, labels=labels_of(drawn.labels, self.model.info, self.output))
            hashes = self.resuming.hashes(chunk)
            known = self._known(hashes)
            places = [at for at in range(chunk.samples) if at not in known] if known else list(range(chunk.samples))
            pending = _Pending(chunk, hashes, known, places)
            if not places:
                self._score(pending, None)
                continue
            inputs = chosen(chunk.inputs, places, chunk.samples)
            # what was sent is not kept: labels and names are enough to score what comes back
            self.pending.append(pending._replace(chunk=dataclasses.replace(chunk, inputs=None)))
            yield fitted(inputs, self.model.info)

    def _known(self, hashes: Iterable[bytes] | None) -> dict[int, Any]:
        """What an evaluation before kept of samples, by their places; only what can be one."""
        found = {at: self.resuming.known(name) for at, name in enumerate(hashes or ())}
        numbers = not isinstance(self.scorer, Aggregated)
        return {
            at: kept
            for at, kept in found.items()
            if kept is not None and (type(kept) in (float, int) or not numbers)
        }  # fmt: skip

    def _score(self, pending: _Pending, outputs: Column) -> None:
        """Score what was run, and put what was known before beside it."""
        if not pending.known:
            scores, observations = self.scorer.scores(outputs, pending.chunk)
            fresh: Sequence[Any] = scores.tolist() if observations is None else observations
        else:
            scores, observations, fresh = self._completed(pending, outputs)
        self.tally.add(pending.chunk, scores, observations)
        self.resumed += len(pending.known)
        if pending.hashes is not None:
            self.resuming.add([pending.hashes[at] for at in pending.places], fresh)
        self.sizing.finished(pending.chunk.samples)
        self.telling.tell(self.tally.samples, self.tally.samples - self.resumed, self.tally.so_far)

    def _completed(self, pending: _Pending, outputs: Column) -> tuple[Floats, Sequence[Any] | None, Sequence[Any]]:
        """Scores of all samples of a chunk, what an aggregate keeps of them, and what is new of that."""
        chunk, places = pending.chunk, pending.places
        new: Floats = np.empty(0)
        observed: Sequence[Any] | None = []
        if places:
            new, observed = self.scorer.scores(outputs, chunk.only(places))
        scores = np.empty(chunk.samples)
        scores[places] = new
        if isinstance(self.scorer, Aggregated):
            every = dict(zip(places, observed or (), strict=True)) | pending.known
            scores[list(pending.known)] = [self.scorer.score_of(kept) for kept in pending.known.values()]
            return scores, [every[at] for at in range(chunk.samples)], observed or ()
        scores[list(pending.known)] = list(pending.known.values())
        return scores, None, new.tolist()

    def _found(self, *, seconds: float) -> Evaluation:
        """What all of it shows."""
        return Evaluation(
            self.dataset.name,
            self.scorer.name,
            self.tally.total(),
            self.tally.slices(),
            self.tally.worst(),
            self.scorer.higher_is_better,
            seconds,
            self.resumed,
            self.model.info,
            self.model.placement,
            self.model.device_name,
        )


def _key(model: Runnable, dataset: Dataset, scorer: Scorer, output: str | None) -> dict[str, Any]:
    """What must be the same for scores of a cut evaluation to be those of this one."""
    info, placement = model.info, model.placement
    return {
        "model": info.sha256,
        "engine": f"{info.engine} {info.engine_version}",
        "threads": info.threads,
        "delegate": [placement.requested, placement.proven, placement.nodes, placement.delegated, placement.evidence],
        "tensors": [repr(spec) for spec in (*info.inputs, *info.outputs)],
        "dataset": [dataset.name, dataset.samples],
        "metric": [scorer.name, scorer.fingerprint],
        "output": output,
    }
