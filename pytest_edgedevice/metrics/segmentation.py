"""Segmentation masks: intersection over union of each class, and pixels that agree.

Owns how an output is read as classes of pixels. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.metrics.arguments import check_bound, check_choice, check_whole
from pytest_edgedevice.metrics.metric import Finding, Metric, Over, digits, single_bound
from pytest_edgedevice.metrics.structure import Array, Samples, Tensor, check_real, paired

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.sums import Floats


@dataclass(frozen=True, slots=True)
class MaskScores:
    """What two sets of masks have in common.

    Attributes:
        iou: Mean over the classes that are present on either side, of each sample; shape (n,).
        agreement: Share of pixels of the same class, of each sample; shape (n,).
        class_iou: Class to intersection over union, over the whole set.
    """

    iou: Floats
    agreement: Floats
    class_iou: dict[int, float]


def mask_scores(
    actual: Tensor,
    reference: Tensor,
    *,
    axis: int | None = None,
    threshold: float = 0.5,
    ignore: int | None = None,
) -> MaskScores:
    """Compare masks pixel by pixel.

    Integers and booleans are classes. Of floats, the class is the position of the largest score along
    ``axis``; without one, a pixel is class 1 where it is above ``threshold``.

    Args:
        actual: Device output.
        reference: Reference of the same structure.
        axis: Axis of the classes within a sample, e.g. -1 for NHWC and 0 for NCHW.
        threshold: What a single score has to exceed.
        ignore: Class of the reference whose pixels count for nothing.

    Raises:
        ValueError: The structures differ, or there is no such axis.
    """
    return _scores(*paired(actual, reference), axis, threshold, ignore)


def _scores(ours: Samples, theirs: Samples, axis: int | None, threshold: float, ignore: int | None) -> MaskScores:
    check_real(ours, theirs)
    found = MaskScores(np.ones(len(ours)), np.ones(len(ours)), {})
    totals: dict[int, list[int]] = {}
    for number, (d, r) in enumerate(zip(ours, theirs, strict=True)):
        left, right = _classes(d, axis, threshold), _classes(r, axis, threshold)
        kept = slice(None) if ignore is None else right != ignore
        left, right = left[kept], right[kept]
        if not left.size:
            continue
        found.agreement[number] = float((left == right).mean())
        names, both, either = _counts(left, right)
        found.iou[number] = float((both / either).mean())
        for name, common, union in zip(names.tolist(), both.tolist(), either.tolist(), strict=True):
            total = totals.setdefault(name, [0, 0])
            total[0] += common
            total[1] += union
    found.class_iou.update({name: common / union for name, (common, union) in sorted(totals.items())})
    return found


def _classes(values: Array, axis: int | None, threshold: float) -> npt.NDArray[np.int64]:
    if axis is not None:
        if not -np.ndim(values) <= axis < np.ndim(values) or values.shape[axis] < 2:
            raise ValueError(f"a sample of shape {np.shape(values)} has no classes along axis {axis}")
        return np.asarray(values.argmax(axis=axis).reshape(-1), np.int64)
    if values.dtype.kind in "iub":
        return values.reshape(-1).astype(np.int64)
    above: npt.NDArray[np.int64] = (values.reshape(-1) > np.float64(threshold)).astype(np.int64)
    return above


def _counts(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> tuple[Array, Array, Array]:
    names = np.union1d(left, right)
    at_left, at_right = np.searchsorted(names, left), np.searchsorted(names, right)
    sizes = np.bincount(at_left, minlength=names.size) + np.bincount(at_right, minlength=names.size)
    both = np.bincount(at_left[at_left == at_right], minlength=names.size)
    return names, both, sizes - both


@dataclass(frozen=True, slots=True)
class Masks(Metric):
    """Masks overlap by at least a bound, averaged over the classes that are present.

    Args:
        at_least: Smallest mean intersection over union that passes.
        agreement: Smallest share of pixels of the same class that passes; None judges none.
        axis: As ``mask_scores``.
        threshold: As ``mask_scores``.
        ignore: As ``mask_scores``.
        over: ``samples``: every sample has to pass; ``set``: classes over the whole set.
    """

    at_least: float = 0.95
    agreement: float | None = None
    axis: int | None = None
    threshold: float = 0.5
    ignore: int | None = None
    over: Over = "samples"
    name: ClassVar[str] = "masks"
    needs_variation: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_bound("at_least", self.at_least, low=0, high=1)
        check_bound("agreement", self.agreement, low=0, high=1, optional=True)
        check_whole("axis", self.axis, optional=True)
        check_whole("ignore", self.ignore, optional=True)
        check_bound("threshold", self.threshold)
        check_choice("over", self.over, ("samples", "set"))

    @property
    def bound(self) -> str:
        """What passes, in words."""
        pixels = "" if self.agreement is None else f", pixel agreement at least {self.agreement:g}"
        return f"mask IoU at least {self.at_least:g}{pixels}"

    def judge(self, actual: Samples, reference: Samples) -> Finding:
        """Judge an output; see ``Metric.judge``."""
        scores = _scores(actual, reference, self.axis, self.threshold, self.ignore)
        pooled = float(np.mean(list(scores.class_iou.values()))) if scores.class_iou else 1.0
        least = min(scores.class_iou, key=lambda name: scores.class_iou[name], default=0)
        values = {
            "pixel_agreement": float(scores.agreement.mean()),
            "pixel_agreement_worst": float(scores.agreement.min()),
            "masks_worst_class": float(least),
        }
        kept = "".join(
            f", {key}={value!r}"
            for key, usual in (("axis", None), ("threshold", 0.5), ("ignore", None))
            if (value := getattr(self, key)) != usual
        )
        found = single_bound(
            "masks", scores.iou, pooled, at_least=self.at_least, over=self.over, values=values, arguments=kept
        )
        low = scores.agreement < (0 if self.agreement is None else self.agreement)
        if not low.any():
            return found
        worst = int(scores.agreement.argmin())
        overlap = float(scores.iou.min() if self.over == "samples" else pooled)
        at_least = digits(min(self.at_least, overlap), up=False)
        agreement = digits(float(scores.agreement.min()), up=False)
        return Finding(
            metric="masks",
            passed=False,
            values=found.values,
            saw=f"pixel agreement {scores.agreement[worst]:.4g}, {self.bound} asked",
            needed=f"masks(at_least={at_least}, agreement={agreement}{kept})",
            sample=worst,
            per_sample=scores.iou,
            bad_samples=int((low | (scores.iou < self.at_least)).sum()),
        )
