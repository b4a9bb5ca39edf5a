"""``boxes``: the metric of a detector, whose outputs only together mean something.

Owns how outputs are read as detections, and the bounds. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pytest_edgedevice.given import shown
from pytest_edgedevice.metrics.arguments import check_bound, check_choice
from pytest_edgedevice.metrics.detection import DetectionScores, average_precision, detection_scores
from pytest_edgedevice.metrics.matching import Detections, Layout, Method, detections
from pytest_edgedevice.metrics.metric import Finding, GroupMetric, digits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.metrics.structure import Array, Samples

_BOUNDS = {"recall": "recall", "precision": "precision", "mean_iou": "mean IoU", "mean_ap": "mAP@[.5:.95]"}


@dataclass(frozen=True, slots=True)
class Boxes(GroupMetric):
    """The device finds the reference's boxes, in any order, and no others.

    Args:
        boxes: Name of the output with the boxes, (k, 4) a sample.
        scores: Name of the output with the scores, (k,) or (k, 1) a sample, or (k, classes): then the
            largest is the score and its place the class. None gives every box the score 1.
        classes: Name of the output with the classes, (k,) a sample; None where there is one class.
        count: Name of the output that says how many of the boxes count; None where all do.
        layout: ``corners``, ``xywh`` or ``cxcywh``; see ``detections``.
        min_score: Boxes with a lower score count on neither side.
        iou: Smallest overlap of a pair.
        method: ``greedy`` or ``hungarian``; see ``match_boxes``.
        recall: Smallest share of the reference's boxes that has to be found, over the set.
        precision: Smallest share of the device's boxes that has to be in the reference, over the set.
        mean_iou: Smallest mean overlap of the pairs; None judges none.
        mean_ap: Smallest mAP@[.5:.95]; None judges none.
        score_difference: Largest difference of two paired scores; None judges none.
    """

    boxes: str
    scores: str | None = None
    classes: str | None = None
    count: str | None = None
    layout: Layout = "corners"
    min_score: float = 0.0
    iou: float = 0.5
    method: Method = "greedy"
    recall: float = 1.0
    precision: float = 1.0
    mean_iou: float | None = None
    mean_ap: float | None = None
    score_difference: float | None = None
    name: ClassVar[str] = "boxes"

    def __post_init__(self) -> None:
        for name in ("boxes", "scores", "classes", "count"):
            named = getattr(self, name)
            if not isinstance(named, str) and (named is not None or name == "boxes"):
                raise ValueError(f"{name} must be the name of an output, not {shown(named)}")
        for name in _BOUNDS:
            check_bound(name, getattr(self, name), low=0, high=1, optional=name.startswith("mean_"))
        check_bound("min_score", self.min_score)
        check_bound("score_difference", self.score_difference, low=0, optional=True)
        check_bound("iou", self.iou, low=0, high=1)
        if not self.iou:
            raise ValueError("iou must be more than 0")
        check_choice("layout", self.layout, ("corners", "xywh", "cxcywh"))
        check_choice("method", self.method, ("greedy", "hungarian"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        asked = [f"{text} at least {getattr(self, name):g}" for name, text in _BOUNDS.items() if getattr(self, name)]
        if self.score_difference is not None:
            asked.append(f"scores within {self.score_difference:g}")
        return f"boxes at IoU {self.iou:g}: {', '.join(asked)}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs that it judges."""
        return tuple(name for name in (self.boxes, self.scores, self.classes, self.count) if name is not None)

    @property
    def vital(self) -> tuple[str, ...]:
        """Boxes and scores; the number of boxes and their classes may well be the same everywhere."""
        return tuple(name for name in (self.boxes, self.scores) if name is not None)

    def judge_group(self, actual: Mapping[str, Samples], reference: Mapping[str, Samples]) -> Finding:
        """Judge the outputs; see ``GroupMetric.judge_group``."""
        ours, theirs = self.read(actual), self.read(reference)
        if not any(len(one.boxes) for one in theirs):
            raise ValueError(f"the reference has no box with a score of {self.min_score:g} or more: nothing could fail")
        found = detection_scores(ours, theirs, iou=self.iou, method=self.method)
        values = {
            "recall": found.set_recall,
            "precision": found.set_precision,
            "mean_iou": found.mean_iou,
            "score_difference": float(found.score_difference.max()),
            "mean_ap": average_precision(ours, theirs),
        }
        missed = [name for name in _BOUNDS if values[name] < (getattr(self, name) or 0.0)]
        far = self.score_difference is not None and values["score_difference"] > self.score_difference
        worst = self._worst(found, missed)
        shown = [f"{_BOUNDS[name]} {values[name]:.4g}" for name in missed or ("recall", "precision")]
        shown += [f"scores apart by {values['score_difference']:.4g}"] if far else []
        counts = f"{found.pairs} pairs of {found.actual} boxes and {found.reference} in the reference"
        return Finding(
            metric="boxes",
            passed=not (missed or far),
            values=values,
            saw=f"{', '.join(shown)}: {counts}",
            needed=self._needed(values, missed, far=far) if (missed or far) and found.pairs else "",
            sample=worst,
            per_sample=found.recall,
            bad_samples=int(np.count_nonzero((found.recall < 1) | (found.precision < 1))) if missed else 0,
        )

    def read(self, outputs: Mapping[str, Samples]) -> list[Detections]:
        """Read outputs as detections, one entry a sample.

        Raises:
            ValueError: An output does not have the shape that its part needs.
        """
        parts = [outputs[name] if name is not None else None for name in (self.scores, self.classes, self.count)]
        return [
            self._sample(boxes, *(None if part is None else np.asarray(part[number]) for part in parts))
            for number, boxes in enumerate(outputs[self.boxes])
        ]

    def _sample(self, boxes: Array, scores: Array | None, classes: Array | None, count: Array | None) -> Detections:
        if np.ndim(boxes) != 2 or boxes.shape[1] != 4:
            raise ValueError(f"boxes must have shape (k, 4) in each sample, not {np.shape(boxes)}")
        if scores is not None and scores.ndim == 2 and scores.shape[1] > 1:
            classes = scores.argmax(axis=1) if classes is None else classes
            scores = scores.max(axis=1)
        flat = [None if part is None else part.reshape(-1) for part in (scores, classes)]
        if any(part is not None and len(part) != len(boxes) for part in flat):
            others = " and ".join(str(len(part)) for part in flat if part is not None)
            raise ValueError(f"there are {len(boxes)} boxes, but {others} scores and classes")
        kept = np.ones(len(boxes), bool)
        if count is not None:
            if count.size != 1:
                raise ValueError(f"the number of boxes must be one number a sample, not {count.size}")
            kept[max(0, int(count.reshape(-1)[0])) :] = False
        if flat[0] is not None:
            kept &= flat[0] >= self.min_score
        return detections(boxes[kept], *(None if part is None else part[kept] for part in flat), layout=self.layout)

    def _worst(self, found: DetectionScores, missed: list[str]) -> int:
        if "recall" in missed or "mean_ap" in missed or "mean_iou" in missed:
            return int((found.recall + found.precision).argmin())
        return int(found.precision.argmin() if missed else found.score_difference.argmax())

    def _needed(self, values: Mapping[str, float], missed: list[str], *, far: bool) -> str:
        parts = [f"{name}={digits(values[name], up=False)}" for name in missed]
        parts += [f"score_difference={digits(values['score_difference'], up=True)}"] if far else []
        return f"boxes({self.boxes!r}, ..., {', '.join(parts)})"
