"""Metrics of a whole set that are no mean over its samples, such as mAP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.given import is_number, shown
from pytest_edgedevice.metrics.detection import COCO_IOUS, of_class, precision_over_recalls
from pytest_edgedevice.metrics.matching import detections, match_overlaps, overlaps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.metrics.matching import Detections, Layout


@runtime_checkable
class Aggregate(Protocol):
    """A metric in two steps: what counts of each sample, and the number that all of that gives.

    It may have ``name``, ``higher_is_better`` (True unless it says otherwise), and ``score(observation) -> float`` for
    the list of the worst samples. Its interval is a bootstrap over samples: ``result`` is called a few hundred times.
    """

    def observe(self, output: Any, label: Any) -> Any:
        """What counts of one sample, as plain as JSON: an evaluation that was cut goes on with it."""

    def result(self, observations: Sequence[Any]) -> float:
        """The number over all of these samples, or over as many drawn from them with repetition."""


class MeanAveragePrecision:
    """mAP as COCO defines it: boxes are matched sample by sample, precisions are averaged over the whole set.

    Args:
        decode: Makes boxes of a sample's output: ``(boxes, scores)`` or ``(boxes, scores, classes)``, boxes (k, 4). It
            is the detector's own post-processing.
        ious: Smallest overlaps of a pair; mAP@[.5:.95] by default, ``(0.5,)`` for mAP@.5.
        layout: Of boxes on both sides: ``corners``, ``xywh`` or ``cxcywh``.

    A label is ``(boxes, classes)``, ``(boxes,)``, or a mapping ``{"boxes": ..., "classes": ...}``.
    """

    higher_is_better = True

    def __init__(
        self, decode: Callable[[Any], Sequence[Any]], *, ious: Sequence[float] = COCO_IOUS, layout: Layout = "corners"
    ) -> None:
        if not len(ious) or not all(is_number(one) and 0 < one <= 1 for one in ious):
            raise UsageError(f"ious must be numbers above 0 and up to 1, e.g. (0.5,), not {shown(ious)}")
        if not callable(decode):
            raise UsageError(f"decode must be a function that makes boxes of an output, not {shown(decode)}")
        self.name = "mAP" if len(ious) > 1 else f"mAP@{ious[0]:g}"
        self._decode = decode
        self._ious = tuple(ious)
        self._layout = layout

    def observe(self, output: Any, label: Any) -> list[Any]:
        """For each class: its number, how many boxes the truth has, and score and hits of each of the model's boxes."""
        found = detections(*self._decode(output), layout=self._layout)
        if np.isnan(found.scores).any():
            raise ValueError("the score of a box is NaN, so that boxes have no order")
        told = (label["boxes"], label.get("classes")) if isinstance(label, Mapping) else label
        boxes, classes = (*told, None)[:2]
        truth = detections(np.asarray(boxes, np.float64).reshape(-1, 4), None, classes, layout=self._layout)
        kinds = np.union1d(found.classes, truth.classes)
        return [[float(kind), *self._matched(of_class(found, kind), of_class(truth, kind))] for kind in kinds]

    def _matched(self, found: Detections, truth: Detections) -> tuple[int, list[float], list[list[int]]]:
        shared = overlaps(found, truth)
        hits = [sorted(match_overlaps(shared, iou, "greedy").ours.tolist()) for iou in self._ious]
        return len(truth.boxes), found.scores.tolist(), hits

    def result(self, observations: Sequence[Any]) -> float:
        """Mean over classes of the truth and overlaps; NaN where the truth has no boxes at all."""
        gathered: dict[float, list[Any]] = {}
        for observation in observations:
            for kind, *matched in observation:
                gathered.setdefault(kind, []).append(matched)
        found = [value for kind in gathered.values() for value in self._precisions(kind)]
        return float(np.mean(found)) if found else float("nan")

    def _precisions(self, matched: list[Any]) -> list[float]:
        truths = sum(one[0] for one in matched)
        if not truths:
            return []
        scores = np.concatenate([one[1] for one in matched])
        order = np.argsort(-scores, kind="stable")
        starts = np.cumsum([0, *(len(one[1]) for one in matched)])
        found = []
        for at in range(len(self._ious)):
            hits = np.zeros(len(scores), bool)
            hits[[start + hit for start, one in zip(starts, matched, strict=False) for hit in one[2][at]]] = True
            found.append(precision_over_recalls(hits[order], truths))
        return found

    def score(self, observation: Any) -> float:
        """How well one sample's boxes are found at the first overlap: pairs over the mean number of boxes (F1)."""
        hits = sum(len(found[0]) for *_, found in observation)
        boxes = sum(truths + len(scores) for _, truths, scores, _ in observation)
        return 2 * hits / boxes if boxes else 1.0
