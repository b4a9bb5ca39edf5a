"""Boxes: overlap, pairing and average precision against brute force, scipy and pycocotools."""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pytest_edgedevice.metrics import boxes
from pytest_edgedevice.metrics.assignment import best_assignment
from pytest_edgedevice.metrics.detection import average_precision, detection_scores
from pytest_edgedevice.metrics.matching import Detections, box_iou, detections, match_boxes

FEW = settings(max_examples=20, deadline=None)


def scene(random: np.random.Generator, count: int) -> tuple[Detections, Detections]:
    """Boxes of three classes, and what a device made of them: most of them moved a little, some strangers."""
    middle, sides = random.random((count, 2)), 0.2 * (0.5 + random.random((count, 2)))
    places = np.hstack([middle - sides / 2, middle + sides / 2])
    classes = random.integers(0, 3, count)
    kept = random.random(count) < 0.8
    ours = np.vstack([(places + random.normal(0, 0.02, places.shape))[kept], random.random((3, 4))])
    kinds = np.concatenate([classes[kept], random.integers(0, 3, 3)])
    return detections(ours, random.random(len(ours)), kinds), detections(places, None, classes)


@given(
    hnp.arrays(np.int64, (4, 4), elements=st.integers(0, 6)), hnp.arrays(np.int64, (3, 4), elements=st.integers(0, 6))
)
@FEW
def test_overlap_is_that_of_counted_cells(ours: Any, theirs: Any) -> None:
    def cells(box: Any) -> set[tuple[int, int]]:
        return set(itertools.product(range(int(box[0]), int(box[2])), range(int(box[1]), int(box[3]))))

    left, right = detections(ours).boxes, detections(theirs).boxes
    found = box_iou(left, right)
    for (i, a), (j, b) in itertools.product(enumerate(left), enumerate(right)):
        union = len(cells(a) | cells(b))
        wanted = len(cells(a) & cells(b)) / union if union else float(np.array_equal(a, b))
        assert found[i, j] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("layout", "box"),
    [("corners", [1, 2, 4, 6]), ("corners", [4, 6, 1, 2]), ("xywh", [1, 2, 3, 4]), ("cxcywh", [2.5, 4, 3, 4])],
)
def test_layouts_mean_the_same_box(layout: Any, box: list[float]) -> None:
    assert detections(np.array([box]), layout=layout).boxes.tolist() == [[1, 2, 4, 6]]


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_best_assignment_is_scipys(seed: int, rows: int, columns: int, coarse: bool) -> None:
    random = np.random.default_rng(seed)
    weights = random.random((rows, columns)) * (random.random((rows, columns)) < 0.6)
    weights = np.round(weights * 3) / 3 if coarse else weights
    ours, theirs = best_assignment(weights)
    best = weights[scipy.optimize.linear_sum_assignment(-weights)].sum()
    assert weights[ours, theirs].sum() == pytest.approx(best)
    assert (weights[ours, theirs] > 0).all()
    assert len(set(ours.tolist())) == len(set(theirs.tolist())) == len(ours)


def test_nothing_to_pair_gives_no_pairs() -> None:
    assert [len(side) for side in best_assignment(np.zeros((3, 2)))] == [0, 0]
    none = detections(np.zeros((0, 4)))
    for method in ("greedy", "hungarian"):
        assert len(match_boxes(none, none, method=method).ours) == 0


def test_hungarian_finds_pairs_that_greed_misses() -> None:
    ours = detections(np.array([[0, 0, 10, 10], [2, 0, 12, 10]]), np.array([0.9, 0.8]))
    theirs = detections(np.array([[1.5, 0, 11.5, 10], [-3, 0, 7, 10]]))
    assert len(match_boxes(ours, theirs, method="greedy").ours) == 1
    assert len(match_boxes(ours, theirs, method="hungarian").ours) == 2


@given(st.integers(0, 10**6), st.sampled_from(["greedy", "hungarian"]))
@settings(max_examples=20, deadline=None)
def test_the_order_of_boxes_does_not_matter(seed: int, method: Any) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = scene(random, 12)
    ours = Detections(ours.boxes, np.round(ours.scores * 4) / 4, ours.classes)  # with equal scores
    first = detection_scores([detections(ours.boxes, ours.scores, ours.classes)], [theirs], method=method)
    a, b = random.permutation(len(ours.boxes)), random.permutation(len(theirs.boxes))
    moved = [
        detections(side.boxes[order], side.scores[order], side.classes[order])
        for side, order in ((ours, a), (theirs, b))
    ]
    again = detection_scores([moved[0]], [moved[1]], method=method)
    assert first.pairs == again.pairs
    assert first.mean_iou == pytest.approx(again.mean_iou)
    assert first.score_difference.tolist() == again.score_difference.tolist()


def test_classes_are_kept_apart() -> None:
    place = np.array([[0, 0, 1, 1]])
    found = detection_scores([detections(place, classes=np.array([1]))], [detections(place, classes=np.array([2]))])
    assert (found.pairs, found.set_recall, found.set_precision, found.mean_iou) == (0, 0.0, 0.0, 1.0)


def test_no_boxes_on_either_side_are_no_fault() -> None:
    none, one = detections(np.zeros((0, 4))), detections(np.array([[0, 0, 1, 1]]))
    found = detection_scores([none, none, one], [none, one, none])
    assert (found.precision.tolist(), found.recall.tolist()) == ([1, 1, 0], [1, 0, 1])
    assert np.isnan(average_precision([one], [none]))
    assert average_precision([none], [one]) == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_is_pycocotools(seed: int) -> None:
    random = np.random.default_rng(seed)
    scenes = [scene(random, int(random.integers(1, 30))) for _ in range(6)]
    ours = average_precision([left for left, _ in scenes], [right for _, right in scenes])
    assert ours == pytest.approx(coco(scenes), abs=1e-9)


def coco(scenes: list[tuple[Detections, Detections]]) -> float:
    def placed(box: npt.NDArray[np.float64]) -> list[float]:
        return [float(number) for number in (*box[:2], *(box[2:] - box[:2]))]

    truths = [
        {"id": number, "image_id": image, "category_id": int(kind), "bbox": placed(box * 1000), "iscrowd": 0, "area": 1}
        for number, (image, box, kind) in enumerate(
            (
                (image, box, kind)
                for image, (_, right) in enumerate(scenes)
                for box, kind in zip(right.boxes, right.classes, strict=True)
            ),
            start=1,
        )
    ]
    found = [
        {"image_id": image, "category_id": int(kind), "bbox": placed(box * 1000), "score": float(score)}
        for image, (left, _) in enumerate(scenes)
        for box, score, kind in zip(left.boxes, left.scores, left.classes, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(scenes))],
            "annotations": truths,
            "categories": [{"id": kind} for kind in range(3)],
            "info": {},
        }
        truth.createIndex()
        judged = COCOeval(truth, truth.loadRes(found), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return float(judged.stats[0])


def test_a_detector_with_scores_for_each_class_is_read() -> None:
    outputs: dict[str, Any] = {
        "b": np.array([[[0, 0, 1, 1], [2, 2, 3, 3]]], float),
        "s": np.array([[[0.1, 0.9], [0.2, 0.1]]]),
    }
    (found,) = boxes(boxes="b", scores="s", min_score=0.5).read(outputs)
    assert (found.scores.tolist(), found.classes.tolist(), len(found.boxes)) == ([0.9], [1], 1)


def test_padding_beyond_the_count_is_left_out() -> None:
    outputs: dict[str, Any] = {"b": np.random.default_rng(0).random((1, 5, 4)), "n": np.array([[2.0]])}
    assert len(boxes(boxes="b", count="n").read(outputs)[0].boxes) == 2


@pytest.mark.parametrize(
    ("outputs", "options", "match"),
    [
        ({"b": np.zeros((1, 4))}, {}, r"shape \(k, 4\)"),
        ({"b": np.zeros((1, 3, 4)), "s": np.zeros((1, 2))}, {"scores": "s"}, "3 boxes, but 2 scores"),
        ({"b": np.zeros((1, 3, 4)), "n": np.zeros((1, 2))}, {"count": "n"}, "one number a sample"),
        ({"b": np.zeros((1, 0, 4))}, {}, "nothing could fail"),
    ],
)
def test_what_is_no_detector_is_refused(outputs: Any, options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        boxes(boxes="b", **options).judge_group(outputs, outputs)


@pytest.mark.parametrize(
    "options",
    [{"iou": 0}, {"layout": "polar"}, {"method": "luck"}, {"recall": 2}, {"score_difference": -1}, {"min_score": "x"}],
)
def test_options_of_boxes_out_of_their_range_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        boxes(boxes="b", **options)


def test_functions_alone_refuse_nonsense() -> None:
    one = detections(np.array([[0, 0, 1, 1]]))
    with pytest.raises(ValueError, match="iou must be"):
        match_boxes(one, one, iou=0)
    with pytest.raises(ValueError, match="method must be"):
        match_boxes(one, one, method="luck")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="layout must be"):
        detections(np.zeros((1, 4)), layout="polar")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="1 boxes, 2 scores"):
        detections(np.zeros((1, 4)), np.zeros(2))
    with pytest.raises(ValueError, match="boxes must have shape"):
        detections(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="the device has 1 samples"):
        detection_scores([one], [])


def test_overlap_score_and_precision_bounds_are_judged() -> None:
    reference: dict[str, Any] = {
        "b": np.array([[[0, 0, 10, 10], [20, 20, 30, 30]]], float),
        "s": np.array([[0.9, 0.6]]),
    }
    moved = {"b": reference["b"] + [0, 0, 2, 0], "s": reference["s"] - [0.2, 0.0]}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"mean_iou": 0.9}, "mean IoU 0.8333"),
        ({"mean_ap": 0.9}, "mAP@[.5:.95] 0.7"),
        ({"score_difference": 0.1}, "scores apart by 0.2"),
    ]
    for options, told in cases:
        found = boxes(boxes="b", scores="s", **options).judge_group(moved, reference)
        assert (found.passed, told in found.saw) == (False, True)
    more = {"b": np.tile(reference["b"], (1, 2, 1)), "s": np.tile(reference["s"], (1, 2))}
    found = boxes(boxes="b", scores="s").judge_group(more, reference)
    assert (found.needed, found.values["precision"]) == ("boxes('b', ..., precision=0.5)", 0.5)
