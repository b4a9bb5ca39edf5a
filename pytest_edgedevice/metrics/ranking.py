"""The best of many scores: do both sides name the same ones, and in about the same order.

Owns top-k overlap and moves in rank, ties and margins. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.metrics.arguments import check_bound, check_whole
from pytest_edgedevice.metrics.metric import Finding, Metric, digits
from pytest_edgedevice.metrics.structure import Array, Samples, Tensor, check_real, paired
from pytest_edgedevice.metrics.sums import CHUNK, Floats

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Ranks:
    """What each sample's best scores show; every array has shape (n,).

    Attributes:
        overlap: Share of the device's k best that are among the reference's k best, or tied with them.
        moved: Largest move in rank of one of the reference's k best.
        margin: How far the reference's k-th best is above the next one; inf where there is none.
    """

    overlap: Floats
    moved: npt.NDArray[np.int64]
    margin: Floats


def ranks(actual: Tensor, reference: Tensor, *, k: int = 5, ties: float = 0.0) -> Ranks:
    """Compare the k best of each sample, whose elements are taken as one row of scores.

    Scores that differ by at most ``ties`` on the reference's side may stand for each other; equal scores
    of the device are taken in the order that agrees best. A tied element has a range of ranks, and moved
    by the distance of its two ranges.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        k: How many are looked at; all where a sample has fewer.
        ties: Difference of two scores that makes them equal, in the output's own unit.

    Raises:
        ValueError: The structures differ, or ``k`` or ``ties`` is out of its range.
    """
    _check(k, ties)
    ours, theirs = paired(actual, reference)
    return _ranks(ours, theirs, k, ties)


def _check(k: Any, ties: float) -> None:
    check_whole("k", k, low=1)
    check_bound("ties", ties, low=0)


def _ranks(ours: Samples, theirs: Samples, k: int, ties: float) -> Ranks:
    check_real(ours, theirs)
    count = len(ours)
    found = Ranks(np.ones(count), np.zeros(count, np.int64), np.full(count, np.inf))
    for rows, d, r in _rows(ours, theirs):
        if not d.shape[1]:
            continue
        top = min(k, d.shape[1])
        best = -np.sort(-r, axis=1)
        last = best[:, top - 1]
        chosen = np.lexsort((-r, -d), axis=1)[:, :top]  # equal scores of the device: the reference's best first
        accepted = np.take_along_axis(r, chosen, 1) >= (last - ties)[:, None]
        found.overlap[rows] = accepted.mean(axis=1)
        found.moved[rows] = _moves(d, r, np.argsort(-r, axis=1, kind="stable")[:, :top], ties)
        if d.shape[1] > top:
            found.margin[rows] = last - best[:, top]
    return found


def _moves(d: Floats, r: Floats, best: npt.NDArray[np.intp], ties: float) -> npt.NDArray[np.int64]:
    moved = np.zeros(len(d), np.int64)
    for place in range(best.shape[1]):
        ranges = [_ranks_of(side, best[:, place], ties) for side in (d, r)]
        (low_d, high_d), (low_r, high_r) = ranges
        moved = np.maximum(moved, np.maximum(low_d - high_r, low_r - high_d))
    return moved


def _ranks_of(side: Floats, column: npt.NDArray[np.intp], ties: float) -> tuple[Array, Array]:
    value = np.take_along_axis(side, column[:, None], 1)
    return (side > value + ties).sum(axis=1), (side >= value - ties).sum(axis=1) - 1


def _rows(ours: Samples, theirs: Samples) -> Iterator[tuple[slice, Floats, Floats]]:
    if isinstance(ours, tuple) or isinstance(theirs, tuple):
        for number, (d, r) in enumerate(zip(ours, theirs, strict=True)):
            yield slice(number, number + 1), d.reshape(1, -1).astype(np.float64), r.reshape(1, -1).astype(np.float64)
        return
    count = len(ours)
    step = max(1, CHUNK // max(1, ours[0].size))
    for start in range(0, count, step):
        rows = slice(start, min(count, start + step))
        size = rows.stop - rows.start
        yield rows, ours[rows].reshape(size, -1).astype(np.float64), theirs[rows].reshape(size, -1).astype(np.float64)


@dataclass(frozen=True, slots=True)
class TopK(Metric):
    """The k best of each sample are those of the reference, and none moved far.

    Args:
        k: How many are looked at.
        at_least: Smallest share of them that has to agree, in every sample that is judged.
        moved: Largest move in rank that passes; None judges none.
        ties: Difference of two scores that makes them equal, in the output's own unit.
        margin: Samples whose reference's k-th best is less than this above the next one are not
            judged but counted apart: there, rounding decides.
    """

    k: int = 5
    at_least: float = 1.0
    moved: int | None = None
    ties: float = 0.0
    margin: float = 0.0
    name: ClassVar[str] = "topk"

    def __post_init__(self) -> None:
        _check(self.k, self.ties)
        check_bound("at_least", self.at_least, low=0, high=1)
        check_bound("moved", self.moved, low=0, optional=True)
        check_bound("margin", self.margin, low=0)

    @property
    def bound(self) -> str:
        """What passes, in words."""
        moved = "" if self.moved is None else f", moved by at most {self.moved}"
        return f"the {self.k} best: at least {self.at_least:g} in common{moved}"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        found = _ranks(actual, reference, self.k, self.ties)
        judged = np.flatnonzero(~(found.margin < self.margin))
        apart = len(actual) - judged.size
        if not judged.size:
            saw = f"no sample is left to judge: all {apart} have a margin below {self.margin:g}"
            return Finding("topk", passed=False, values={"topk_small_margin": float(apart)}, saw=saw)
        overlap, moved = found.overlap[judged], found.moved[judged]
        low = overlap < self.at_least
        far = moved > self.moved if self.moved is not None else np.zeros_like(low)
        worst = int(overlap.argmin() if low.any() or not far.any() else moved.argmax())
        left = f"; {apart} samples of small margin not judged" if apart else ""
        saw = f"{overlap[worst]:.4g} of the {self.k} best in common, moved by {moved[worst]}"
        values = {
            "topk": float(overlap.mean()),
            "topk_worst": float(overlap.min()),
            "topk_moved": float(moved.max()),
            "topk_small_margin": float(apart),
        }
        return Finding(
            metric="topk",
            passed=not (low | far).any(),
            values=values,
            saw=saw + left,
            needed=self._needed(float(overlap.min()), int(moved.max())) if (low | far).any() else "",
            sample=int(judged[worst]),
            per_sample=found.overlap,
            bad_samples=int((low | far).sum()),
        )

    def _needed(self, overlap: float, moved: int) -> str:
        parts = [f"k={self.k}", f"at_least={digits(min(self.at_least, overlap), up=False)}"]
        parts += [f"moved={max(self.moved, moved)}"] if self.moved is not None else []
        parts += [f"{key}={value!r}" for key in ("ties", "margin") if (value := getattr(self, key))]
        return f"topk({', '.join(parts)})"
