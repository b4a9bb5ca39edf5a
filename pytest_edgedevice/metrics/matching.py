"""Boxes: how much two overlap, and which of the device's belongs to which of the reference's.

Owns intersection over union and the matching; the order of the boxes has no
influence on either. Knows numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.metrics.assignment import best_assignment

if TYPE_CHECKING:
    from pytest_edgedevice.metrics.structure import Array
    from pytest_edgedevice.metrics.sums import Floats

_BLOCK = 16_384  # pairs whose overlap is computed at once
Layout = Literal["corners", "xywh", "cxcywh"]
Method = Literal["greedy", "hungarian"]


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one sample, by falling score.

    Attributes:
        boxes: Two opposite corners each, shape (k, 4).
        scores: Shape (k,).
        classes: Shape (k,); zeros where boxes have none.
    """

    boxes: Floats
    scores: Floats
    classes: Floats


def detections(
    boxes: Array, scores: Array | None = None, classes: Array | None = None, *, layout: Layout = "corners"
) -> Detections:
    """Boxes in an order of their own: by falling score, then by class and place.

    Args:
        boxes: Shape (k, 4).
        scores: Shape (k,); ones by default.
        classes: Shape (k,); zeros by default.
        layout: ``corners`` are two opposite corners, x or y first; ``xywh`` one corner and the sides;
            ``cxcywh`` the middle and the sides.

    Raises:
        ValueError: The shapes do not belong together, or there is no such layout.
    """
    places = np.asarray(boxes, np.float64)
    if places.ndim != 2 or places.shape[1] != 4:
        raise ValueError(f"boxes must have shape (k, 4), not {places.shape}")
    count = len(places)
    marks = np.ones(count) if scores is None else np.asarray(scores, np.float64).reshape(-1)
    kinds = np.zeros(count) if classes is None else np.asarray(classes, np.float64).reshape(-1)
    if not marks.size == kinds.size == count:
        raise ValueError(f"there are {count} boxes, {marks.size} scores and {kinds.size} classes")
    order = np.lexsort((*places.T[::-1], kinds, -marks))
    return Detections(_corners(places, layout)[order], marks[order], kinds[order])


def _corners(boxes: Floats, layout: Layout) -> Floats:
    first, second = boxes[:, :2], boxes[:, 2:]
    if layout == "corners":
        return np.hstack([np.minimum(first, second), np.maximum(first, second)])
    if layout == "xywh":
        return np.hstack([first, first + np.maximum(second, 0)])
    if layout == "cxcywh":
        half = np.maximum(second, 0) / 2
        return np.hstack([first - half, first + half])
    raise ValueError(f"layout must be 'corners', 'xywh' or 'cxcywh', not {layout!r}")


def box_iou(boxes: Floats, others: Floats) -> Floats:
    """Intersection over union of each pair of boxes, 0 to 1, shape (k, m).

    Two boxes without any area have 1 where they are the same, and 0 elsewhere.

    Args:
        boxes: Lower and upper corner each, shape (k, 4).
        others: The same, shape (m, 4).
    """
    found = np.empty((len(boxes), len(others)))
    step = max(1, _BLOCK // max(1, len(others)))
    for top in range(0, len(boxes), step):
        _fill_iou(boxes[top : top + step], others, found[top : top + step])
    return found


def _fill_iou(boxes: Floats, others: Floats, found: Floats) -> None:
    """Write the overlaps of a few boxes with all others, so that all work stays in the processor's cache."""
    found[:] = 1.0
    for axis in (0, 1):
        side = np.minimum(boxes[:, None, axis + 2], others[None, :, axis + 2])
        side -= np.maximum(boxes[:, None, axis], others[None, :, axis])
        found *= np.maximum(side, 0.0, out=side)
    areas = [(one[:, 2] - one[:, 0]) * (one[:, 3] - one[:, 1]) for one in (boxes, others)]
    union = areas[0][:, None] + areas[1][None, :]
    union -= found
    flat = np.argwhere(union <= 0) if not all(area.all() for area in areas) else np.empty((0, 2), np.intp)
    union[tuple(flat.T)] = 1.0
    found /= union
    for row, column in flat:
        found[row, column] = float(np.array_equal(boxes[row], others[column]))


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs of boxes; those in none are left over.

    Attributes:
        ours: Positions among the device's boxes, rising.
        theirs: Positions among the reference's boxes, one for each of ``ours``.
        iou: Intersection over union of each pair.
    """

    ours: npt.NDArray[np.intp]
    theirs: npt.NDArray[np.intp]
    iou: Floats


def match_boxes(actual: Detections, reference: Detections, *, iou: float = 0.5, method: Method = "greedy") -> Matching:
    """Pair boxes of the same class that overlap by at least ``iou``.

    Args:
        actual: The device's boxes.
        reference: The reference's boxes.
        iou: Smallest intersection over union of a pair, above 0 and up to 1.
        method: ``greedy``: by falling score, each takes the free box that it overlaps most, as COCO
            does; ``hungarian``: the largest sum of overlaps over all pairings.

    Raises:
        ValueError: There is no such method, or ``iou`` is out of its range.
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou must be above 0 and at most 1, not {iou!r}")
    return match_overlaps(overlaps(actual, reference), iou, method)


def overlaps(actual: Detections, reference: Detections) -> Floats:
    """``box_iou`` of each pair of the same class, 0 for the others; shape (k, m)."""
    found = box_iou(actual.boxes, reference.boxes)
    if np.union1d(actual.classes, reference.classes).size > 1:
        found *= actual.classes[:, None] == reference.classes[None, :]
    return found


def match_overlaps(found: Floats, iou: float, method: Method) -> Matching:
    """``match_boxes`` for overlaps that are known, the device's boxes by falling score; shape (k, m)."""
    allowed = np.where(found >= min(iou, 1 - 1e-10), found, 0.0)
    if method == "greedy":
        ours, theirs = _greedy(allowed)
    elif method == "hungarian":
        ours, theirs = best_assignment(allowed)
    else:
        raise ValueError(f"method must be 'greedy' or 'hungarian', not {method!r}")
    return Matching(ours, theirs, found[ours, theirs])


def _greedy(allowed: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    ours: list[int] = []
    theirs: list[int] = []
    free = np.ones(allowed.shape[1])
    for row in np.flatnonzero(allowed.any(axis=1)):
        left = allowed[row] * free
        best = int(left.argmax())
        if left[best] > 0:
            ours.append(int(row))
            theirs.append(best)
            free[best] = 0.0
    return np.array(ours, np.intp), np.array(theirs, np.intp)
