"""Whole data sets: every sample once, with its own label, slices and the worst, and nothing kept of the inputs."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import InputError, UsageError
from pytest_edgedevice.evaluation import Dataset, Sample, from_arrays
from pytest_edgedevice.evaluation.sources import from_mapping
from tests.unit.evaluation.conftest import STEPS, AheadModel, NumpyModel, one_hot

if TYPE_CHECKING:
    from collections.abc import Iterator

LABELS = [0, 1, 2, 0, 1, 2, 0, 1]
GUESSES = [0, 1, 2, 0, 1, 1, 2, 1]  # two are wrong: the sixth and the seventh


def test_accuracy_is_the_share_of_labels_that_are_the_greatest_output(model: NumpyModel) -> None:
    found = model.evaluate({"x": one_hot(GUESSES), "labels": LABELS})
    assert (found.value, found.total.successes, found.samples, found.metric) == (6 / 8, 6, 8, "accuracy")


def test_the_worst_samples_are_kept_by_id(model: NumpyModel) -> None:
    data = from_arrays({"x": one_hot(GUESSES)}, LABELS, ids=[f"photo {at}" for at in range(8)])
    assert [one.id for one in model.evaluate(data, worst=5).worst] == ["photo 5", "photo 6"]


def test_no_more_of_the_worst_are_kept_than_asked_for_and_of_equal_ones_the_first(model: NumpyModel) -> None:
    errors = np.array([[1, 0, 0], [5, 0, 0], [3, 0, 0], [5, 0, 0], [2, 0, 0]], np.float32)
    found = model.evaluate({"x": errors, "labels": np.zeros((5, 3))}, "max_abs_error", worst=3, batch=2)
    assert [(one.id, one.score) for one in found.worst] == [("1", 5), ("3", 5), ("2", 3)]


def test_slices_are_the_samples_that_carry_a_tag(model: NumpyModel) -> None:
    tags = [("night", "rain"), (), ("night",), (), ("rain",), ("night",), (), ()]
    found = model.evaluate(from_arrays({"x": one_hot(GUESSES)}, LABELS, tags=tags))
    assert {tag: (one.successes, one.samples) for tag, one in found.slices.items()} == {"night": (2, 3), "rain": (2, 2)}


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 60), batch=st.integers(1, 20), ahead=st.booleans(), seed=st.integers(0, 99))
def test_it_makes_no_difference_in_which_chunks_samples_run(count: int, batch: int, ahead: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    values, labels = random.random((count, 3), dtype=np.float32), random.integers(0, 3, count)
    tags = [("even",) if at % 2 == 0 else () for at in range(count)]
    data = from_arrays({"x": values}, labels, tags=tags)
    chosen = (AheadModel if ahead else NumpyModel)().evaluate(data, batch=batch, resume=False)
    right = values.argmax(1) == labels
    assert (chosen.total.successes, chosen.slices["even"].successes) == (right.sum(), right[::2].sum())
    assert [one.id for one in chosen.worst] == [str(at) for at in np.flatnonzero(~right)[:10]]


def test_a_mean_has_the_same_bits_whatever_the_chunks(model: NumpyModel) -> None:
    data: dict[str, Any] = {
        "x": np.random.default_rng(0).random((4500, 3), dtype=np.float32),
        "labels": np.zeros((4500, 3)),
    }
    values = {model.evaluate(data, "mean_abs_error", batch=batch).value for batch in (50, 256, 4500)}
    assert len(values) == 1
    assert values.pop() == pytest.approx(float(np.mean(data["x"].astype(np.float64))), rel=1e-12)


def test_a_generator_of_unknown_length_is_drawn_as_it_is_needed() -> None:
    model, drawn = AheadModel(), 0

    def samples() -> Iterator[Any]:
        nonlocal drawn
        for at in range(100):
            assert drawn - sum(model.ran) <= 4 * 5
            drawn += 1
            yield one_hot(at % 3), at % 3

    assert model.evaluate(samples(), batch=5).samples == 100


def test_memory_does_not_grow_with_the_number_of_samples() -> None:
    model = AheadModel(lambda x: x[:, :3], width=50_000)  # 200 kB each

    def samples() -> Iterator[Sample]:
        for at in range(1500):
            yield Sample(np.full(50_000, at, np.float32), 0, str(at), ("all",))

    tracemalloc.start()
    try:
        model.evaluate(samples(), resume=False)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 60e6  # all of them are 300 MB


def test_a_generator_is_not_begun_twice(model: NumpyModel) -> None:
    data = from_mapping({"x": one_hot([0])})
    samples = Samples(iter([(one_hot(0), 0)]))
    assert (data.once, samples.data.once) == (False, True)
    model.evaluate(samples.data)
    with pytest.raises(InputError, match="only once"):
        model.evaluate(samples.data)


class Samples:
    """A data set of an iterator, kept to be used twice."""

    def __init__(self, source: Any) -> None:
        from pytest_edgedevice.evaluation.sources import as_dataset

        self.data: Dataset = as_dataset(source)


def test_floats_become_the_models_own_steps_and_its_steps_real_numbers() -> None:
    model = NumpyModel(dtype="int8", quantization=STEPS)
    inputs = np.array([[1.0, 2.5, -3.0]], np.float32)
    found = model.evaluate({"x": inputs, "labels": [0]}, lambda output, _: output.tolist() == [1.0, 2.5, -3.0])
    assert found.value == 1


def test_a_single_input_may_have_any_name(model: NumpyModel) -> None:
    assert model.evaluate({"pictures": one_hot([1]), "labels": [1]}).value == 1


def test_one_of_several_outputs_is_named_for_the_metric() -> None:
    model = NumpyModel(outputs=("boxes", "scores"))
    data = {"x": one_hot(GUESSES), "labels": LABELS}
    assert model.evaluate(data, output="scores").value == 6 / 8
    assert model.evaluate(data, lambda found, _: sorted(found) == ["boxes", "scores"]).value == 1
    with pytest.raises(UsageError, match="name it: output="):
        model.evaluate(data)
    with pytest.raises(InputError, match="no output 'points'"):
        model.evaluate(data, output="points")


@pytest.mark.parametrize("data", [[], iter(()), {"x": np.empty((0, 3), np.float32)}])
def test_a_data_set_without_samples_is_refused(model: NumpyModel, data: Any) -> None:
    with pytest.raises(InputError, match="no samples"):
        model.evaluate(data)


@pytest.mark.parametrize("options", [{"batch": 0}, {"batch": True}, {"batch": 1 << 20}, {"worst": -1}, {"worst": 1.5}])
def test_numbers_out_of_their_range_are_refused(model: NumpyModel, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be a whole number"):
        model.evaluate({"x": one_hot([0]), "labels": [0]}, **options)


def test_too_many_tags_are_no_slices(model: NumpyModel) -> None:
    tags = [(f"photo {at}",) for at in range(1200)]
    with pytest.raises(InputError, match="more than 1,000 different tags"):
        model.evaluate(from_arrays({"x": one_hot([0] * 1200)}, [0] * 1200, tags=tags))


def test_progress_is_told_and_wiped(model: NumpyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_edgedevice.evaluation.telling.FIRST_S", 0.0)
    told: list[str] = []
    model.evaluate({"x": one_hot(GUESSES), "labels": LABELS}, progress=told.append)
    assert told[0].startswith("evaluating net.tflite on desk: 8 of 8 samples after 0 s, 0.75 so far, about 0 s left")
    assert told[-1] == ""


def test_progress_of_a_generator_names_no_end(model: NumpyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_edgedevice.evaluation.telling.FIRST_S", 0.0)
    told: list[str] = []
    model.evaluate(iter([(one_hot(0), 0)]), progress=told.append)
    assert told[0] == "evaluating net.tflite on desk: 1 samples after 0 s, 1 so far"
