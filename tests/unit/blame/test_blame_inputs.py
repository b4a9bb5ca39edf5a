"""Other pre-processings, twins by name, parts of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.blame.alternatives import alternatives
from pytest_edgedevice.blame.inputs import by_name
from pytest_edgedevice.blame.twins import float_twin
from pytest_edgedevice.checks import parts
from pytest_edgedevice.goldens.preprocess import Preprocessing
from pytest_edgedevice.values import ModelInfo, Placement, Quantization, Run, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3)).astype(np.float32)
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def spec(dtype: str = "float32", scale: float = 0.0) -> TensorSpec:
    quantization = Quantization((scale,), (-128,)) if scale else None
    return TensorSpec("x", dtype, (1, 5, 5, 3), quantization)


def made(inputs: Any, one: TensorSpec | None = None, declared: Any = None) -> dict[str, Any]:
    found = alternatives({"x": inputs}, [one or spec()], declared or {})
    return {what.removeprefix("'x' "): values["x"] for what, values in found}


@pytest.mark.parametrize(
    ("given", "wanted", "what"),
    [
        (PIXELS / 255, PIXELS, "in values from 0 to 255"),
        (PIXELS, PIXELS / 127.5 - 1, "in values from -1 to 1"),
        (PIXELS / 127.5 - 1, PIXELS / 255, "in values from 0 to 1"),
        (PIXELS / 255, (PIXELS / 255 - IMAGENET[0]) / IMAGENET[1], "in ImageNet's mean and std"),
        ((PIXELS / 255 - IMAGENET[0]) / IMAGENET[1], PIXELS, "in values from 0 to 255"),
        (PIXELS, PIXELS[..., ::-1], "with red and blue swapped (RGB and BGR)"),
        (PIXELS[..., ::-1], PIXELS / 255, "in values from 0 to 1 and with red and blue swapped"),
        (PIXELS, PIXELS.transpose(0, 3, 1, 2).reshape(PIXELS.shape), "laid out as NCHW, not NHWC"),
        (PIXELS, PIXELS.transpose(0, 2, 1, 3), "with height and width swapped"),
    ],
)
def test_a_common_mistake_is_undone(given: Any, wanted: Any, what: str) -> None:
    found = made(given.astype(np.float32))
    assert np.allclose(found[what], wanted, atol=1e-3)
    assert {one.dtype for one in found.values()} == {np.dtype("float32")}


def test_channels_may_come_first() -> None:
    first = PIXELS.transpose(0, 3, 1, 2).copy()
    found = made(first)
    assert np.array_equal(found["with red and blue swapped (RGB and BGR)"], first[:, ::-1])
    mean, std = (np.reshape(one, (3, 1, 1)) for one in IMAGENET)
    assert np.allclose(found["in ImageNet's mean and std"], (first / 255 - mean) / std, atol=1e-5)
    assert "with height and width swapped" in found


def test_what_a_golden_declares_is_undone_exactly() -> None:
    declared = Preprocessing(scale=2.0, mean=(100.0,), std=(3.0,))
    found = made(((PIXELS * 2 - 100) / 3).astype(np.float32), declared={"x": declared})
    assert np.allclose(found["in values from 0 to 255"], PIXELS, atol=1e-2)


def test_quantised_inputs_stay_quantised() -> None:
    steps = np.rint(PIXELS - 128).astype(np.int8)  # of values from 0 to 1, scale 1/255
    found = made(steps, spec("int8", 1 / 255))
    assert np.array_equal(found["with red and blue swapped (RGB and BGR)"], steps[..., ::-1])
    assert {one.dtype for one in found.values()} == {np.dtype("int8")}


@pytest.mark.parametrize("inputs", [[PIXELS[0]], np.ones((2, 4), np.float32), np.ones((2, 5, 5, 3), bool)])
def test_what_is_no_image_is_left_alone(inputs: Any) -> None:
    assert made(inputs) == {}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("digits_int8", "digits_float32"),
        ("digits-dynamic-range-quant", "digits"),
        ("a_full_int8", "a_fp32"),
        ("m.w8_float16", None),
        ("digits", None),
        ("int8", None),
    ],
)
def test_a_float_twin_is_found_by_the_names_of_converters(tmp_path: Path, name: str, other: str | None) -> None:
    if other:
        (tmp_path / f"{other}.tflite").touch()
    found = float_twin(tmp_path / f"{name}.tflite")
    assert (found.stem if found else None) == other


def run_of(values: Any, time_ns: int = 1) -> Run:
    info = ModelInfo("m", "ab", 1, "float32", (), (), "litert", "1", 1)
    placement = Placement("cpu", "cpu", 1, 1, 0, {}, "")
    return Run({"y": values}, len(values), (time_ns,) * len(values), info, placement, "local")


def test_a_quick_run_is_asked_again_as_a_whole_and_a_slow_one_by_its_worst_samples() -> None:
    values = np.zeros((10, 4), np.float32)
    values[7], values[2] = 9, 5
    reference = {"y": np.zeros((10, 4), np.float32)}
    assert parts.choices(run_of(values), reference) == [list(range(10))]
    slow = parts.choices(run_of(values, 10**9), reference)
    assert (set(slow[0]) >= {2, 7}, len(slow[0]), slow[1]) == (True, 4, list(range(10)))
    many = np.zeros((100, 4), np.float32)
    assert [len(one) for one in parts.choices(run_of(many), {"y": many})] == [4]


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1, 2], [1, 5], 3.0),
        ([np.inf], [np.inf], 0.0),
        ([1 + 1j], [1], 1.0),
        ([[1]], [1], np.inf),
        (["a"], ["b"], np.inf),
        ([], [], 0.0),
    ],
)
def test_the_distance_of_two_arrays(one: Any, other: Any, apart: float) -> None:
    assert parts.distance(one, other) == apart


def test_outputs_of_other_names_or_numbers_are_infinitely_far_apart() -> None:
    row = np.ones((1, 2))
    assert parts.apart({"a": row}, {"b": row}) == np.inf
    assert parts.apart({"a": row}, {"a": np.ones((2, 2))}) == np.inf
    assert parts.apart({"a": [row, row * 2]}, {"a": [row, row]}) == 1.0


def test_samples_that_vary_in_shape_are_picked_one_by_one() -> None:
    run = run_of([np.ones(2), np.ones(3), np.full(4, 7.0)])
    assert [one.shape for one in parts.part_of_run(run, [0, 2]).outputs["y"]] == [(2,), (4,)]
    assert parts.worst_first(run, {"y": [np.ones(2), np.ones(3), np.ones(4)]})[0] == 2
    assert parts.worst_first(run, {"y": [np.ones(2)]}) == [0, 1, 2]


@pytest.mark.parametrize("inputs", [{"x": PIXELS}, PIXELS, [{"x": PIXELS[:1]}, {"x": PIXELS[1:]}], {"x": list(PIXELS)}])
def test_inputs_in_every_form_have_one_sample_a_row(inputs: Any) -> None:
    found = by_name(inputs, [spec()])
    assert len(found["x"]) == 2
    assert np.array_equal(np.stack(list(found["x"])), PIXELS)
