"""From outputs and labels to one number a sample: the metrics that have names, and the user's own.

Pure numpy. A name is scored for a whole chunk at once; a callable is called for each sample, and whatever it does is
its sample's fault by name.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, SupportsFloat

import numpy as np

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.evaluation import columns
from pytest_edgedevice.evaluation.aggregates import Aggregate
from pytest_edgedevice.evaluation.fingerprint import fingerprint_of
from pytest_edgedevice.evaluation.labels import are_comparable, classes, flat, labels_in, one_output, pairs
from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from pytest_edgedevice.evaluation.columns import Column
    from pytest_edgedevice.evaluation.dataset import Chunk

    Floats = npt.NDArray[np.float64]

ERRORS = ("mean_abs_error", "max_abs_error", "mean_squared_error")
NAMED = ("accuracy", "top-1", "top-K", *ERRORS)


class Scorer(ABC):
    """Scores samples.

    Attributes:
        name: For people and records.
        fingerprint: What else tells it from another of the same name; see ``fingerprint``.
        higher_is_better: Whether a high score is a good one.
        always_rate: Whether it counts right and wrong, whatever the scores look like; False leaves that to them.
        never_rate: Whether it does not, even where all scores are 0 or 1.
        ranks: Whether its numbers tell good samples from bad ones.
    """

    name: str
    fingerprint: str = ""
    higher_is_better: bool = True
    always_rate: bool = False
    never_rate: bool = False
    ranks: bool = True

    @abstractmethod
    def scores(self, outputs: Column, chunk: Chunk) -> tuple[Floats, Sequence[Any] | None]:
        """One number a sample, NaN where there is none; and what an aggregate keeps of each, None for the number.

        Raises:
            UsageError: The labels do not fit, or the user's metric failed; the message names the sample.
        """


def scorer_of(metric: Any) -> Scorer:
    """The scorer of a metric.

    Args:
        metric: A name (see ``NAMED``), a callable of one sample's output and label that gives a number or whether it
            is right, or an ``Aggregate``.

    Raises:
        UsageError: It is none of these.
    """
    if isinstance(metric, Scorer):
        return metric
    if isinstance(metric, str):
        top = re.fullmatch(r"top-?([1-9][0-9]{0,4})", metric)
        if metric == "accuracy" or top:
            return TopK(int(top[1]) if top else 1, metric)
        if metric in ERRORS:
            return ErrorOf(metric)
        raise UsageError(f"metric {metric[:60]!r} is not known", hint=f"known are {', '.join(NAMED)}, or a callable")
    if isinstance(metric, Aggregate):
        return Aggregated(metric)
    if callable(metric):
        return _Called(metric)
    raise UsageError(f"a metric is a name, a callable or an aggregate, not a {type(metric).__name__}")


class TopK(Scorer):
    """Whether the label is among the ``k`` greatest values of the output; NaN among them is never right."""

    always_rate = True

    def __init__(self, k: int, name: str) -> None:
        self.name = name
        self._k = k

    def scores(self, outputs: Column, chunk: Chunk) -> tuple[Floats, None]:
        """See ``Scorer``; a label is the number of the class, or an output whose greatest value is right."""
        found = flat(one_output(outputs, self.name))
        if self._k > found.shape[1]:
            raise UsageError(f"metric {self.name!r}: the output has only {found.shape[1]} values")
        wanted = classes(labels_in(chunk, self.name), chunk, found.shape[1])
        scored = np.take_along_axis(found, wanted[:, np.newaxis], axis=1)
        earlier = np.arange(found.shape[1]) < wanted[:, np.newaxis]  # of equal values the first one is greatest
        before = ((found > scored) | ((found == scored) & earlier)).sum(axis=1)
        right = (before < self._k).astype(np.float64)
        return np.where(np.isnan(found).any(axis=1), 0.0, right), None


class ErrorOf(Scorer):
    """How far the output is from its label, an array of the same shape or a mapping of output name to such."""

    higher_is_better = False
    never_rate = True

    def __init__(self, name: str) -> None:
        self.name = name

    def scores(self, outputs: Column, chunk: Chunk) -> tuple[Floats, None]:
        """See ``Scorer``."""
        labels = labels_in(chunk, self.name)
        with np.errstate(invalid="ignore", over="ignore"):  # what comes of them is no number, and told as such
            if all(isinstance(one, np.ndarray) for one in (outputs, labels)) and are_comparable(outputs, labels):
                apart = np.abs(outputs.astype(np.float64) - labels.astype(np.float64)).reshape(chunk.samples, -1)
                return self._reduced(apart), None
            return np.array([self._score(columns.row(outputs, at), chunk, at) for at in range(chunk.samples)]), None

    def _score(self, output: Any, chunk: Chunk, at: int) -> float:
        sides = pairs(output, chunk.label_of(at), self.name, chunk.id_of(at))
        apart = np.concatenate([np.abs(real - wanted).ravel() for real, wanted in sides])
        return float(self._reduced(apart[np.newaxis])[0])

    def _reduced(self, apart: Floats) -> Floats:
        """One number a row."""
        if self.name == "max_abs_error":
            return np.asarray(apart.max(axis=1), np.float64)
        return np.asarray((apart**2 if self.name == "mean_squared_error" else apart).mean(axis=1), np.float64)


class _Called(Scorer):
    """The user's own callable."""

    def __init__(self, metric: Callable[[Any, Any], SupportsFloat]) -> None:
        self.name, self.fingerprint = name_of(metric), fingerprint_of(metric)
        self.higher_is_better = bool(getattr(metric, "higher_is_better", True))
        self._metric = metric

    def scores(self, outputs: Column, chunk: Chunk) -> tuple[Floats, None]:
        """See ``Scorer``."""
        metric, labels = self._metric, chunk.labels
        found = np.empty(chunk.samples)
        for at in range(chunk.samples):
            output, label = columns.row(outputs, at), None if labels is None else columns.row(labels, at)
            try:
                score = metric(output, label)
            except Exception as error:
                raise _failed(self.name, chunk, at, error) from error
            found[at] = score if type(score) in (float, bool) else _number(score, self.name, chunk, at)
        return found, None


class Aggregated(Scorer):
    """A metric of the whole set."""

    def __init__(self, metric: Aggregate) -> None:
        self.name, self.fingerprint = name_of(metric), fingerprint_of(metric)
        self.higher_is_better = bool(getattr(metric, "higher_is_better", True))
        self.aggregate = metric
        self._score = getattr(metric, "score", None)
        self.ranks = self._score is not None

    def scores(self, outputs: Column, chunk: Chunk) -> tuple[Floats, list[Any]]:
        """See ``Scorer``."""
        kept: list[Any] = []
        found = np.full(chunk.samples, 0.0)
        for at in range(chunk.samples):
            try:
                kept.append(self.aggregate.observe(columns.row(outputs, at), chunk.label_of(at)))
                found[at] = self.score_of(kept[-1])
            except Exception as error:
                raise _failed(self.name, chunk, at, error) from error
        return found, kept

    def score_of(self, observation: Any) -> float:
        """The score of a sample of which an observation was kept."""
        return 0.0 if self._score is None else float(self._score(observation))


def name_of(metric: Any) -> str:
    """What a metric is called: its ``name``, or that of its code."""
    name = getattr(metric, "name", None) or getattr(metric, "__qualname__", None) or type(metric).__qualname__
    return str(name).rpartition("<locals>.")[2][:120]


def _failed(name: str, chunk: Chunk, at: int, error: Exception) -> UsageError:
    text = f"metric {name!r} failed on sample {chunk.id_of(at)!r}: {type(error).__name__}: {error}"
    return UsageError(text[:600], hint="it is called with one sample's output and label")


def _number(score: Any, name: str, chunk: Chunk, at: int) -> float:
    try:
        if isinstance(score, np.ndarray | np.generic):
            if score.size == 1 and score.dtype.kind in "fiub":
                return float(score.reshape(()))
        elif isinstance(score, int | SupportsFloat):
            return float(score)
    except (ValueError, TypeError, ArithmeticError):
        pass
    told = f"an array of shape {score.shape}" if isinstance(score, np.ndarray) else shown(score)
    raise UsageError(f"metric {name!r} gave {told} for sample {chunk.id_of(at)!r}; a number, True or False is needed")
