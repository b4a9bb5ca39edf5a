"""Metrics with names, and whatever users and hostile outputs may do to one."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.evaluation import MeanAveragePrecision
from pytest_edgedevice.evaluation.scoring import scorer_of
from tests.unit.evaluation.conftest import NumpyModel, one_hot

if TYPE_CHECKING:
    from collections.abc import Callable

INPUTS = one_hot([0, 1, 2])


class Unwilling:
    """A number of several values, as tensors may be."""

    def __float__(self) -> float:
        raise TypeError


def evaluated(metric: Any, labels: Any = (0, 1, 2), compute: Callable[[Any], Any] = lambda x: x) -> Any:
    return NumpyModel(compute).evaluate({"x": INPUTS, "labels": labels}, metric)


def test_top_k_counts_ties_as_sorting_does() -> None:
    same = evaluated("top-2", compute=np.ones_like)
    assert (same.value, same.metric) == (2 / 3, "top-2")


def test_nan_among_the_outputs_is_never_right() -> None:
    assert evaluated("accuracy", compute=lambda x: np.where(x == 1, np.nan, x)).value == 0


def test_a_reference_output_may_be_the_label() -> None:
    assert evaluated("accuracy", labels=INPUTS[[0, 1, 1]]).value == 2 / 3


@pytest.mark.parametrize("labels", [[0.0, 1.0, 2.0], np.array([0, 1, 2], np.uint8), np.array([[0], [1], [2]])])
def test_labels_are_class_numbers_of_any_kind(labels: Any) -> None:
    assert evaluated("accuracy", labels).value == 1


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 1, 3], "label 3 of sample '2' is no class from 0 to 2"),
        ([0, -1, 2], "label -1 of sample '1'"),
        (["a", "b", "c"], "are no class numbers"),
        ([0, 1.5, 2], "are no class numbers"),
        ([[0, 1], [1], 2], "are no class numbers"),
        ([None, None, None], "are no class numbers"),
    ],
)
def test_labels_that_are_no_classes_are_refused_by_sample(labels: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        evaluated("accuracy", labels)


@pytest.mark.parametrize("metric", ["accuracy", "mean_abs_error"])
def test_a_named_metric_needs_labels(metric: str) -> None:
    with pytest.raises(UsageError, match="the data set has none"):
        NumpyModel().evaluate({"x": INPUTS}, metric)


@pytest.mark.parametrize(
    ("metric", "value"), [("mean_abs_error", 2 / 3), ("max_abs_error", 1.0), ("mean_squared_error", 2 / 3)]
)
def test_errors_are_of_outputs_and_labels_of_one_shape(metric: str, value: float) -> None:
    labels = INPUTS[[1, 2, 0]]
    whole = NumpyModel().evaluate({"x": INPUTS, "labels": labels}, metric)
    single = NumpyModel().evaluate(list(zip(INPUTS, labels, strict=True)), metric)
    named = NumpyModel(outputs=("a", "b")).evaluate(
        [(one, {"a": label, "b": label}) for one, label in zip(INPUTS, labels, strict=True)], metric
    )
    assert [found.value for found in (whole, single, named)] == [pytest.approx(value)] * 3
    assert (whole.higher_is_better, whole.total.kind) == (False, "mean")


def test_errors_of_nothing_are_no_rate() -> None:
    assert evaluated("max_abs_error", INPUTS).total.kind == "mean"


@pytest.mark.parametrize("label", [np.zeros(2), "text", np.array([None] * 3), {"other": np.zeros(3)}])
def test_labels_of_another_shape_have_no_error(label: Any) -> None:
    with pytest.raises(UsageError, match="the label of sample '0' has"):
        NumpyModel(outputs=("a", "b") if isinstance(label, dict) else ("y",)).evaluate(
            [(INPUTS[0], label)], "max_abs_error"
        )


@pytest.mark.parametrize("result", [True, np.bool_(True), 1, np.int64(1), 1.0, np.float32(1), np.array([1.0])])
def test_a_callable_gives_a_number_or_whether_it_is_right(result: Any) -> None:
    assert evaluated(lambda output, label: result).total.successes == 3


def test_numbers_that_are_only_0_and_1_are_a_rate_and_others_a_mean() -> None:
    assert evaluated(lambda output, label: float(label == 1)).total.kind == "rate"
    assert evaluated(lambda output, label: 0.5 + label).total.kind == "mean"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_counted_and_leaves_no_value(bad: float) -> None:
    found = evaluated(lambda output, label: bad if label == 1 else 0.5)
    assert (np.isnan(found.value), found.total.not_finite, found.worst[0].id) == (True, 1, "1")
    assert found.total.bounds(0.95) == (None, None)
    assert found.total.needed(0.5, 0.95) is None


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (None, "None"),
        ("0.5", "'0.5'"),
        ([1], r"\[1\]"),
        (1j, "1j"),
        (np.zeros(2), r"shape \(2,\)"),
        (np.array("a"), "a"),
        (10**400, "1000"),
        (Decimal("sNaN"), "sNaN"),
        (Unwilling(), "Unwilling"),
    ],
)
def test_a_result_of_another_type_is_refused_by_sample(result: Any, told: str) -> None:
    with pytest.raises(UsageError, match=f"gave .*{told}.* for sample '0'"):
        evaluated(lambda output, label: result)


def test_a_metric_that_raises_is_named_with_its_sample() -> None:
    def shaky(output: Any, label: int) -> float:
        return 1 / (label - 2)

    with pytest.raises(UsageError, match=r"metric 'shaky' failed on sample '2': ZeroDivisionError") as caught:
        evaluated(shaky)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("metric", ["top-0", "top", "mAP", "", 5, None, [1]])
def test_what_is_no_metric_is_refused(metric: Any) -> None:
    with pytest.raises(UsageError, match="metric"):
        scorer_of(metric)


def test_more_places_than_there_are_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="only 3 values"):
        evaluated("top-4")


def test_outputs_whose_shapes_vary_have_no_classes() -> None:
    with pytest.raises(UsageError, match="shapes vary"):
        evaluated("accuracy", compute=list)


def test_a_low_score_may_be_a_good_one() -> None:
    def cost(output: Any, label: Any) -> float:
        return float(label)

    cost.higher_is_better = False  # type: ignore[attr-defined]
    found = evaluated(cost)
    assert (found.higher_is_better, found.worst[0].id, found.value) == (False, "2", 1.0)


@pytest.mark.parametrize("metric", ["mean_abs_error", "max_abs_error", "mean_squared_error"])
@pytest.mark.parametrize(
    "label", [np.full((3, 3), "a"), np.full((3, 3), None), np.full((3, 3), 1j), [[[1], [1, 2]]] * 3]
)
def test_errors_from_what_is_no_number_are_refused_by_sample(metric: str, label: Any) -> None:
    with pytest.raises(UsageError, match=f"metric '{metric}': the label of sample '0' has shape"):
        evaluated(metric, labels=label)


def test_errors_of_outputs_without_values_are_refused() -> None:
    with pytest.raises(UsageError, match=r"the output \(0,\)"):
        evaluated("max_abs_error", labels=np.zeros((3, 0)), compute=lambda x: x[:, :0])


@pytest.mark.parametrize("as_column", [list, np.asarray])
@pytest.mark.parametrize("label", [np.inf, 1e300])
def test_errors_beyond_numbers_are_told_and_no_warning(label: float, as_column: Any) -> None:
    labels = as_column(np.full((3, 3), label))
    found = evaluated("mean_squared_error", labels=labels, compute=lambda x: x + np.float32(np.inf))
    assert (math.isnan(found.value), found.total.not_finite) == (True, 3)


@pytest.mark.parametrize("label", [np.full((3, 3), "a"), np.full((3, 3), np.nan)])
def test_labels_that_are_no_outputs_are_refused(label: Any) -> None:
    with pytest.raises(UsageError, match="are no class numbers"):
        evaluated("accuracy", labels=label)


@pytest.mark.parametrize("scores", [(1e308, 1e308, 1e308), (1e308, -1e308, 0.5), (math.inf, -math.inf, 0.5)])
def test_scores_beyond_numbers_have_no_bounds(scores: tuple[float, ...]) -> None:
    each = iter(scores)
    found = evaluated(lambda output, label: next(each), labels=[0, 1, 2])
    assert found.total.bounds(0.95) == (None, None)


@pytest.mark.parametrize("options", [{"ious": ()}, {"ious": (0.0,)}, {"ious": (2,)}, {"ious": "a"}, {"decode": None}])
def test_a_map_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="must be"):
        MeanAveragePrecision(**{"decode": list, **options})


def test_boxes_whose_score_is_no_number_have_no_map() -> None:
    metric = MeanAveragePrecision(lambda output: ([[0, 0, 1, 1]], [math.nan]))
    with pytest.raises(UsageError, match="failed on sample '0': ValueError: the score of a box is NaN"):
        evaluated(metric, labels=[([[0, 0, 1, 1]],)] * 3)
