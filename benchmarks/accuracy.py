"""What comparing costs: the full report against ``assert_allclose``, box matching against pycocotools and scipy.

    python -m benchmarks.accuracy [--elements 10000000] [--rounds 9] [--boxes 1000]

Interleaved in one run; prints the rows of the table in the README.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import COCOeval, Params
from scipy.optimize import linear_sum_assignment

from benchmarks.pairs import interleave, ratio, row
from pytest_edgedevice.checks.close import compare_run
from pytest_edgedevice.checks.close_numbers import evidence_numbers
from pytest_edgedevice.metrics import METRICS, cosine, steps
from pytest_edgedevice.metrics.matching import Detections, detections, match_boxes, match_overlaps, overlaps
from pytest_edgedevice.values import ModelInfo, Placement, Run

if TYPE_CHECKING:
    from collections.abc import Callable

INFO = ModelInfo("model.tflite", "ab" * 32, 1, "float32", (), (), "litert", "2", 1)
PLACEMENT = Placement("cpu", "cpu", 1, 0, 0, {}, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--boxes", type=int, default=1000)
    options = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.2f}, {options.rounds} rounds A B, {len(METRICS)} metrics")
    met = [_report(options.elements, options.rounds), _matching(options.boxes, options.rounds)]
    return 0 if all(met) else 1


def _report(elements: int, rounds: int) -> bool:
    random = np.random.default_rng(7)
    reference = random.standard_normal((100, elements // 100), dtype=np.float32)
    actual = reference + random.normal(0, 1e-6, reference.shape).astype(np.float32)
    run = Run({"y": actual}, len(actual), (1,) * len(actual), INFO, PLACEMENT, "local")

    def ours(**options: object) -> Callable[[], None]:
        def judge() -> None:
            result = compare_run(run, {"y": reference}, **options)  # type: ignore[arg-type]
            evidence_numbers(result)
            assert result.passed

        return judge

    def numpys() -> None:
        np.testing.assert_allclose(actual, reference, atol=1e-4, rtol=1e-3)

    met = []
    size = 2 * actual.nbytes
    for name, options in (
        ("the preset", {}),
        ("and the cosine", {"metric": cosine()}),
        ("steps", {"metric": steps(at_most=1, scale=1e-3)}),
    ):
        call = ours(**options)
        taken = interleave([call, numpys], rounds)
        share = ratio(*taken)
        what = f"{reference.size:,} float32 elements, full report, {name} / `assert_allclose`"
        met.append(row(what, f"{share:.2f}", "at most 1.5", met=share <= 1.5))
        peak = _peak(call) / size
        met.append(row(f"the same: further memory / both arrays, {name}", f"{peak:.2f}", "at most 2", met=peak <= 2))
    return all(met)


def _matching(count: int, rounds: int) -> bool:
    random = np.random.default_rng(3)
    ours, theirs = _scene(random, count)
    shared = overlaps(ours, theirs)
    allowed = np.where(shared >= 0.5, shared, 0.0)
    found, best = match_boxes(ours, theirs, method="hungarian"), allowed[linear_sum_assignment(-allowed)].sum()
    assert abs(found.iou.sum() - best) < 1e-9

    def scipys() -> None:
        linear_sum_assignment(-np.where(_coco_overlaps(ours, theirs) >= 0.5, shared, 0.0))

    def alone() -> None:
        linear_sum_assignment(-allowed)

    met = []
    calls: list[tuple[str, Callable[[], object], str, Callable[[], object]]] = [
        ("greedy", lambda: match_boxes(ours, theirs), "pycocotools, one overlap", _cocos(ours, theirs)),
        ("hungarian", lambda: match_boxes(ours, theirs, method="hungarian"), "pycocotools' IoU and scipy", scipys),
        (
            "the assignment alone",
            lambda: match_overlaps(shared, 0.5, "hungarian"),
            "scipy",
            lambda: linear_sum_assignment(-allowed),
        ),
    ]
    for name, call, other, theirs_call in calls:
        taken = interleave([call, theirs_call], rounds)
        share = ratio(*taken)
        took = f"{share:.2f} ({statistics.median(taken[0]) * 1e3:.0f} ms)"
        what = f"{count:,} x {count:,} boxes, {name} / {other}"
        met.append(row(what, took, "at most 1.5", met=share <= 1.5))
    return all(met[:2])


def _scene(random: np.random.Generator, count: int) -> tuple[Detections, Detections]:
    middle, sides = random.random((count, 2)), 0.05 * (0.5 + random.random((count, 2)))
    places = np.hstack([middle - sides / 2, middle + sides / 2])
    moved = places + random.normal(0, 0.002, places.shape)
    return detections(moved, random.random(count)), detections(places)


def _coco_boxes(found: Detections) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.hstack([found.boxes[:, :2], found.boxes[:, 2:] - found.boxes[:, :2]])


def _coco_overlaps(ours: Detections, theirs: Detections) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.asarray(coco_mask.iou(_coco_boxes(ours), _coco_boxes(theirs), [0] * len(theirs.boxes)))


def _cocos(ours: Detections, theirs: Detections) -> Callable[[], object]:
    """COCO's own matching of one image and one class, at one overlap and for boxes of every size."""
    judge = COCOeval(iouType="bbox")
    judge.params = Params(iouType="bbox")
    judge.params.imgIds, judge.params.catIds, judge.params.iouThrs = [0], [0], np.array([0.5])
    whole = [0, 1e10]
    judge._gts[0, 0] = [  # noqa: SLF001 - evaluateImg reads nothing else
        {"id": at + 1, "bbox": list(box), "area": 1.0, "iscrowd": 0, "ignore": 0}
        for at, box in enumerate(_coco_boxes(theirs))
    ]
    judge._dts[0, 0] = [  # noqa: SLF001
        {"id": at + 1, "bbox": list(box), "area": 1.0, "score": float(score)}
        for at, (box, score) in enumerate(zip(_coco_boxes(ours), ours.scores, strict=True))
    ]

    def match() -> object:
        most = len(ours.boxes)
        judge.params.maxDets = [most]
        judge.ious = {(0, 0): judge.computeIoU(0, 0)}
        return judge.evaluateImg(0, 0, whole, most)

    return match


def _peak(call: Callable[[], None]) -> float:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    raise SystemExit(main())
