"""Metrics of a whole set: mAP, intervals by redrawing, and going on after a cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.evaluation import MeanAveragePrecision
from pytest_edgedevice.metrics.detection import average_precision
from pytest_edgedevice.metrics.matching import detections
from tests.unit.evaluation.conftest import NumpyModel, one_hot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Spread:
    """Largest minus smallest label: no mean of anything."""

    name = "spread"
    higher_is_better = False

    def observe(self, output: Any, label: Any) -> Any:
        return [float(label)]

    def result(self, observations: Sequence[Any]) -> float:
        values = [float(one[0]) for one in observations]
        return max(values) - min(values)


def labelled(count: int = 40) -> list[Any]:
    return [(one_hot(0), at, f"s{at}", ("low",) if at < 10 else ()) for at in range(count)]


def boxes(seed: int, images: int = 30) -> Iterator[tuple[Any, Any]]:
    """What a detector found, and the truth."""
    random = np.random.default_rng(seed)
    for _ in range(images):
        count, false = random.integers(0, 5), random.integers(0, 3)
        truth = random.random((count, 4)) * 50
        truth[:, 2:] += truth[:, :2] + 5
        kinds = random.integers(0, 3, count)
        found = np.concatenate([truth + random.normal(0, 1.5, truth.shape), random.random((false, 4)) * 100])
        yield (found, random.random(count + false).round(1), [*kinds, *random.integers(0, 3, false)]), (truth, kinds)


@pytest.mark.parametrize("seed", range(3))
def test_map_is_the_average_precision_of_all_images(seed: int) -> None:
    metric, pairs = MeanAveragePrecision(lambda found: found), list(boxes(seed))
    value = metric.result([metric.observe(found, truth) for found, truth in pairs])
    whole = average_precision(
        [detections(*found) for found, _ in pairs], [detections(one, None, k) for _, (one, k) in pairs]
    )
    assert value == pytest.approx(whole, abs=1e-12)


def test_map_of_perfect_boxes_is_one_and_its_worst_image_the_one_that_misses() -> None:
    truth = np.array([[0, 0, 9, 9], [20, 20, 30, 30]], np.float64)
    metric = MeanAveragePrecision(lambda found: (truth[: int(found[0])], np.ones(int(found[0]))), ious=(0.5,))
    inputs = np.array([[2, 0, 0], [2, 0, 0], [1, 0, 0]], np.float32)
    found = NumpyModel().evaluate([(one, {"boxes": truth}) for one in inputs], metric)
    assert (found.metric, found.worst[0].id) == ("mAP@0.5", "2")
    assert found.worst[0].score == pytest.approx(2 / 3)
    perfect = NumpyModel().evaluate([(one, {"boxes": truth}) for one in inputs[:2]], metric)
    assert (perfect.value, perfect.total.bounds(0.95)) == (1, (1, 1))


def test_map_without_a_truth_is_no_number() -> None:
    metric = MeanAveragePrecision(lambda found: (np.zeros((1, 4)), [0.5]))
    found = NumpyModel().evaluate([(one_hot(0), (np.zeros((0, 4)),))] * 2, metric)
    assert (np.isnan(found.value), found.total.not_finite) == (True, 1)
    assert metric.score(metric.observe(None, (np.zeros((0, 4)),))) == 0


def test_an_aggregate_has_bounds_by_redrawing_samples_and_slices_of_its_own() -> None:
    found = NumpyModel().evaluate(labelled(), Spread())
    lower, upper = found.total.bounds(0.95)
    assert (found.value, found.total.kind, found.total.method) == (39, "aggregate", "bootstrap")
    assert lower is not None
    assert 30 < lower < 39 == upper
    assert (found.slices["low"].value, found.slices["low"].samples, found.worst) == (9, 10, ())
    assert (found.total.needed(20, 0.95) or 0) > 0


def test_redrawing_gives_the_same_bounds_each_time() -> None:
    first, again = (NumpyModel().evaluate(labelled(), Spread()).total.redrawn for _ in range(2))
    assert first == again


def test_an_aggregate_of_one_sample_has_no_bounds() -> None:
    assert NumpyModel().evaluate(labelled(1), Spread()).total.bounds(0.95) == (None, None)


def test_a_bound_rarer_than_what_was_drawn_is_not_known() -> None:
    total = NumpyModel().evaluate(labelled(), Spread()).total
    assert total.bounds(0.99)[0] is not None
    assert total.bounds(0.9999) == (None, None)


@pytest.mark.parametrize("ranked", [False, True])
def test_an_aggregate_goes_on_after_a_cut(tmp_path: Path, ranked: bool) -> None:
    metric: Any = Spread()
    if ranked:
        metric.score = lambda observation: observation[0]

    def cut() -> Iterator[Any]:
        yield from labelled()[5:25]
        raise KeyError

    model, path = NumpyModel(), tmp_path / "state.jsonl"
    with pytest.raises(KeyError):
        model.evaluate(cut, metric, batch=5, resume=path)
    found = model.evaluate(labelled, metric, batch=8, resume=path)
    whole = NumpyModel().evaluate(labelled(), metric)
    assert (found.resumed, found.total, found.slices, found.worst) == (20, whole.total, whole.slices, whole.worst)


def test_an_aggregate_that_fails_is_named_with_its_sample() -> None:
    metric = MeanAveragePrecision(lambda found: found[5])
    with pytest.raises(UsageError, match=r"metric 'mAP' failed on sample 's0': IndexError"):
        NumpyModel().evaluate(labelled(), metric)
