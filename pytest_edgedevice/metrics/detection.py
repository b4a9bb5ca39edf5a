"""Detections over a set of samples: precision, recall, overlap, difference of scores, average precision.

Owns the definitions; the pairing of boxes is ``boxes``. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_edgedevice.metrics.matching import Detections, Method, match_overlaps, overlaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from pytest_edgedevice.metrics.sums import Floats

COCO_IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """How well the device's boxes are those of the reference.

    Attributes:
        pairs, actual, reference: Number of pairs, of the device's boxes and of the reference's, over the set.
        precision, recall: Of each sample, shape (n,); 1 where there is nothing that could be wrong.
        mean_iou: Mean intersection over union of all pairs; 1 without any.
        score_difference: Largest difference of two paired scores in each sample, shape (n,); 0 without pairs.
    """

    pairs: int
    actual: int
    reference: int
    precision: Floats
    recall: Floats
    mean_iou: float
    score_difference: Floats

    @property
    def set_precision(self) -> float:
        """Share of the device's boxes that are in a pair, over the whole set."""
        return self.pairs / self.actual if self.actual else 1.0

    @property
    def set_recall(self) -> float:
        """Share of the reference's boxes that are in a pair, over the whole set."""
        return self.pairs / self.reference if self.reference else 1.0


def detection_scores(
    actual: Sequence[Detections],
    reference: Sequence[Detections],
    *,
    iou: float = 0.5,
    method: Method = "greedy",
) -> DetectionScores:
    """Pair the boxes of each sample, and say what is left over on either side.

    Args:
        actual: The device's boxes, one entry a sample.
        reference: The reference's boxes, likewise.
        iou: Smallest overlap of a pair.
        method: How boxes are paired; see ``match_boxes``.

    Raises:
        ValueError: The numbers of samples differ.
    """
    _check_samples(actual, reference)
    count = len(actual)
    precision, recall, apart = np.ones(count), np.ones(count), np.zeros(count)
    shared: list[Floats] = []
    for number, (ours, theirs) in enumerate(zip(actual, reference, strict=True)):
        found = match_overlaps(overlaps(ours, theirs), iou, method)
        shared.append(found.iou)
        if len(ours.boxes):
            precision[number] = len(found.ours) / len(ours.boxes)
        if len(theirs.boxes):
            recall[number] = len(found.ours) / len(theirs.boxes)
        if len(found.ours):
            apart[number] = np.abs(ours.scores[found.ours] - theirs.scores[found.theirs]).max()
    every = np.concatenate(shared) if shared else np.empty(0)
    return DetectionScores(
        pairs=every.size,
        actual=sum(len(one.boxes) for one in actual),
        reference=sum(len(one.boxes) for one in reference),
        precision=precision,
        recall=recall,
        mean_iou=float(every.mean()) if every.size else 1.0,
        score_difference=apart,
    )


def average_precision(
    actual: Sequence[Detections], reference: Sequence[Detections], *, ious: Sequence[float] = COCO_IOUS
) -> float:
    """Mean average precision as COCO defines it, the reference's boxes as the truth; NaN where it has none.

    Greedy matching by falling score, precision at 101 recalls made monotone, averaged over the classes
    of the reference and the overlaps asked for; boxes of every size, and all of them.

    Args:
        actual: The device's boxes, one entry a sample.
        reference: The reference's boxes, likewise.
        ious: Smallest overlaps of a pair; mAP@[.5:.95] by default.

    Raises:
        ValueError: The numbers of samples differ.
    """
    _check_samples(actual, reference)
    classes = np.unique(np.concatenate([one.classes for one in reference])) if reference else np.empty(0)
    found = [_class_precisions(actual, reference, float(kind), ious) for kind in classes]
    return float(np.mean(found)) if found else float("nan")


def _class_precisions(
    actual: Sequence[Detections], reference: Sequence[Detections], kind: float, ious: Sequence[float]
) -> list[float]:
    scores: list[Floats] = []
    hits: list[list[npt.NDArray[np.bool_]]] = [[] for _ in ious]
    truths = 0
    for ours, theirs in zip(actual, reference, strict=True):
        left, right = of_class(ours, kind), of_class(theirs, kind)
        truths += len(right.boxes)
        scores.append(left.scores)
        shared = overlaps(left, right)
        for at, iou in enumerate(ious):
            hit = np.zeros(len(left.boxes), bool)
            hit[match_overlaps(shared, iou, "greedy").ours] = True
            hits[at].append(hit)
    order = np.argsort(-np.concatenate(scores), kind="stable")
    return [precision_over_recalls(np.concatenate(one)[order], truths) for one in hits]


def of_class(found: Detections, kind: float) -> Detections:
    """The boxes of one class."""
    kept = found.classes == kind
    return Detections(found.boxes[kept], found.scores[kept], found.classes[kept])


def precision_over_recalls(hits: npt.NDArray[np.bool_], truths: int) -> float:
    """Precision at 101 recalls, made monotone, averaged.

    Args:
        hits: Whether each box of one class is one of the truth's, by falling score; shape (k,).
        truths: How many the truth has, 1 at least.
    """
    right = np.cumsum(hits)
    recall = right / truths
    precision = right / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.where(at < len(hits), np.append(precision, 0.0)[np.minimum(at, len(hits))], 0.0).mean())


def _check_samples(actual: Sequence[Detections], reference: Sequence[Detections]) -> None:
    if len(actual) != len(reference):
        raise ValueError(f"the device has {len(actual)} samples, the reference {len(reference)}")
