"""Outputs against a reference's, and the inputs that both were given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.cli.running_error import deviation
from pytest_edgedevice.cli.running_inputs import random_inputs, read_inputs
from pytest_edgedevice.errors import InputError
from pytest_edgedevice.values import ModelInfo, TensorSpec

if TYPE_CHECKING:
    from pathlib import Path

ROW = np.array([[1.0, -4.0]], np.float32)


def test_equal_outputs_are_equal() -> None:
    found = deviation({"y": ROW}, {"y": ROW.copy()})
    assert (found.equal, found.absolute, found.relative, found.steps) == (True, 0.0, 0.0, None)


def test_the_error_is_the_worst_of_all_outputs_and_relative_to_its_own() -> None:
    found = deviation({"a": ROW + 1, "b": ROW * 0 + 101}, {"a": ROW, "b": ROW * 0 + 100})
    assert (found.absolute, found.relative) == (1.0, 0.25)
    assert found.outputs == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.bool_])
def test_whole_numbers_differ_by_steps(dtype: Any) -> None:
    found = deviation({"y": np.array([[1, 1]], dtype)}, {"y": np.array([[0, 1]], dtype)})
    assert (found.absolute, found.steps, found.equal) == (None, 1, False)


def test_a_reference_of_zeros_has_no_relative_error() -> None:
    found = deviation({"y": ROW}, {"y": ROW * 0})
    assert (found.absolute, found.relative) == (4.0, None)


def test_nan_is_a_problem_that_is_counted_on_both_sides() -> None:
    found = deviation({"y": ROW * np.nan}, {"y": ROW})
    assert (found.equal, found.problem) == (False, "y: 2 NaN or Inf here, 0 in the reference")


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ({"y": np.ones((1, 3), np.float32)}, "y: shapes differ"),
        ({"y": np.ones((1, 2), np.int8)}, "y: dtypes differ in kind"),
        ({"z": ROW}, "the outputs have other names"),
    ],
)
def test_outputs_that_cannot_be_compared_are_a_problem(other: dict[str, Any], text: str) -> None:
    assert deviation(other, {"y": ROW}).problem.startswith(text)


def test_outputs_of_varying_shape_are_compared_one_by_one() -> None:
    short, long = np.ones(2, np.float32), np.ones(3, np.float32)
    assert deviation({"y": [short, long + 2]}, {"y": [short, long]}).absolute == 2.0


def test_two_outputs_without_elements_are_equal() -> None:
    empty = np.ones((1, 0, 4), np.float32)
    assert deviation({"y": empty}, {"y": empty.copy()}).equal
    assert not deviation({"y": empty}, {"y": np.ones((1, 1, 4), np.float32)}).equal


def test_an_infinite_reference_has_no_relative_error() -> None:
    assert deviation({"y": ROW}, {"y": ROW * np.inf}).relative is None


def test_inputs_are_read_by_name(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"serving_default_x:0": ROW, "café": ROW}
    np.savez(tmp_path / "a.npz", **arrays)
    assert set(read_inputs(tmp_path / "a.npz")) == {"serving_default_x:0", "café"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"PK\x03\x04 and then nothing", "are no file of arrays"),
        (b"", "are no file of arrays"),
        (b"\x80\x04pickle", "are no file of arrays"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_holds_no_arrays_is_refused(tmp_path: Path, content: bytes | None, text: str) -> None:
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=text):
        read_inputs(tmp_path / "a.npz")


@pytest.mark.parametrize("at", [60, 200, 300])
def test_a_file_that_is_damaged_is_refused(tmp_path: Path, at: int) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.random.default_rng(0).random((9, 9)))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[at : at + 40] = bytes(40)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match="are no file of arrays"):
        read_inputs(tmp_path / "a.npz")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    with pytest.raises(InputError, match="are no file of arrays"):
        read_inputs(tmp_path / "a.npz")


def test_a_single_array_has_no_name(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROW)
    with pytest.raises(InputError, match="one array without a name"):
        read_inputs(tmp_path / "a.npy")


def test_a_file_without_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz")
    with pytest.raises(InputError, match="hold no array"):
        read_inputs(tmp_path / "a.npz")


def test_random_inputs_have_the_sample_axis_of_the_model_or_a_new_one() -> None:
    specs = (TensorSpec("a", "float32", (1, 3)), TensorSpec("b", "int8", (3, 2)), TensorSpec("c", "float32", ()))
    info = ModelInfo("m", "", 1, "", specs, (), "litert", "2", 1)
    shapes = {name: array.shape for name, array in random_inputs(info).items()}
    assert shapes == {"a": (1, 3), "b": (1, 3, 2), "c": (1,)}
