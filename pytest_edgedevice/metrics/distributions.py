"""Probability distributions: divergences of Kullback-Leibler and of Jensen-Shannon.

Owns both definitions, in nats, along the last axis. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_edgedevice.metrics.arguments import check_bound, check_choice
from pytest_edgedevice.metrics.metric import Finding, Metric, Over, single_bound
from pytest_edgedevice.metrics.structure import Array, Samples, Tensor, check_real, paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.metrics.sums import Floats

_OFF = 0.05  # of a sum of 1: a quantised softmax over many classes misses 1 by a few percent
_ROWS = 65_536


def kl_by_sample(actual: Tensor, reference: Tensor, *, floor: float = 0.0, logits: bool = False) -> Floats:
    """``sum r log(r / d)`` along the last axis, nats, averaged over each sample's distributions; shape (n,).

    Each distribution is divided by its sum. 0 log 0 is 0; inf where the device gives 0 to what the
    reference holds possible, unless ``floor`` is added to every probability of both sides before.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        floor: Added to each probability; a quantised softmax gives zeros, for which half its step is right.
        logits: Take the softmax of both sides first.

    Raises:
        ValueError: The structures differ, or a side holds no distributions.
    """
    return _by_sample(*paired(actual, reference), floor, logits, _kl)


def js_by_sample(actual: Tensor, reference: Tensor, *, logits: bool = False) -> Floats:
    """Mean of the divergences of both sides from their mean, nats, 0 to log 2; as ``kl_by_sample``.

    Its square root is the distance that scipy calls ``jensenshannon``.
    """
    return _by_sample(*paired(actual, reference), 0.0, logits, _js)


def _kl(d: Floats, r: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(r > 0, r * (np.log(r) - np.log(d)), 0.0)
    return np.asarray(np.maximum(terms.sum(axis=-1), 0.0))


def _js(d: Floats, r: Floats) -> Floats:
    middle = (d + r) / 2
    return (_kl(middle, d) + _kl(middle, r)) / 2


def _by_sample(
    ours: Samples, theirs: Samples, floor: float, logits: bool, divergence: Callable[[Floats, Floats], Floats]
) -> Floats:
    """Mean divergence of each sample; NaN where the device's values are no distributions."""
    check_real(ours, theirs)
    found = np.full(len(ours), np.nan)
    for number, (d, r) in enumerate(zip(ours, theirs, strict=True)):
        right, problem = _distributions(r, floor, logits)
        if problem:
            raise ValueError(f"the reference holds no probabilities but {problem}: logits=True is for logits")
        left, problem = _distributions(d, floor, logits)
        if not problem and len(left):
            parts = [slice(at, at + _ROWS) for at in range(0, len(left), _ROWS)]
            found[number] = sum(divergence(left[part], right[part]).sum() for part in parts) / len(left)
    return found


def _distributions(values: Array, floor: float, logits: bool) -> tuple[Floats, str]:
    """Rows that sum to 1, and what stands against that; empty where nothing does."""
    if not np.ndim(values) or values.shape[-1] < 2:
        raise ValueError(f"a sample of shape {np.shape(values)} has no two or more probabilities in its last axis")
    rows: Floats = values.reshape(-1, values.shape[-1]).astype(np.float64)
    if logits:
        with np.errstate(over="ignore"):  # so far below the largest that it is 0
            rows = np.exp(rows - rows.max(axis=1, keepdims=True))
    elif (rows < 0).any():
        return rows, f"a value of {rows.min():.4g}"
    elif len(off := rows.sum(axis=1)[~(np.abs(rows.sum(axis=1) - 1) <= _OFF)]):
        return rows, f"a sum of {off[0]:.4g}"
    rows += floor
    return rows / rows.sum(axis=1, keepdims=True), ""


def _told(found: Finding) -> Finding:
    """Say what NaN means here."""
    if found.per_sample is None or not np.isnan(found.per_sample).any():
        return found
    return replace(
        found, saw=f"the device's values are no probabilities: negative, or their sum is not 1 ({found.saw})"
    )


@dataclass(frozen=True, slots=True)
class Kl(Metric):
    """Kullback-Leibler divergence of the device's distributions from the reference's at most a bound.

    Args:
        at_most: Largest divergence that passes, nats.
        floor: As ``kl_by_sample``.
        logits: As ``kl_by_sample``.
        over: ``samples``: every sample has to pass; ``set``: the mean over all of them.
    """

    at_most: float = 0.01
    floor: float = 0.0
    logits: bool = False
    over: Over = "samples"
    name: ClassVar[str] = "kl"

    def __post_init__(self) -> None:
        check_bound("at_most", self.at_most, low=0)
        check_bound("floor", self.floor, low=0)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"kl at most {self.at_most:g} nats"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        single = _by_sample(actual, reference, self.floor, self.logits, _kl)
        more = "".join(f", {key}={value!r}" for key in ("floor", "logits") if (value := getattr(self, key)))
        mean = float(single.mean())
        found = single_bound("kl", single, mean, at_most=self.at_most, over=self.over, unit="nats", arguments=more)
        return _told(found)


@dataclass(frozen=True, slots=True)
class Js(Metric):
    """Jensen-Shannon divergence of both sides' distributions at most a bound.

    Args:
        at_most: Largest divergence that passes, nats; no two are further apart than log 2.
        logits: As ``kl_by_sample``.
        over: As ``Kl``.
    """

    at_most: float = 0.01
    logits: bool = False
    over: Over = "samples"
    name: ClassVar[str] = "js"

    def __post_init__(self) -> None:
        check_bound("at_most", self.at_most, low=0)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        return f"js at most {self.at_most:g} nats"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        single = _by_sample(actual, reference, 0.0, self.logits, _js)
        mean, more = float(single.mean()), ", logits=True" if self.logits else ""
        found = single_bound("js", single, mean, at_most=self.at_most, over=self.over, unit="nats", arguments=more)
        return _told(found)
