"""A golden that cannot detect a broken model is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import load_golden

if TYPE_CHECKING:
    from tests.unit.goldens.conftest import Folder


def test_a_sound_golden_passes(folder: Folder) -> None:
    load_golden(folder.write()).check()


@pytest.mark.parametrize(
    ("references", "text"),
    [
        (np.zeros((3, 4)), r"'scores' has 12 values, all equal \(0\)"),
        (np.ones((3, 1), bool), r"'scores' has 3 values, all equal \(True\)"),
        (np.tile(np.arange(4.0), (3, 1)), "'scores' is identical for all 3 samples"),
        (np.zeros((3, 0)), "'scores' is empty in every sample"),
    ],
)
def test_a_reference_that_ignores_the_input_is_refused(folder: Folder, references: Any, text: str) -> None:
    golden = load_golden(folder.refer(scores=references, other=folder.images))
    with pytest.raises(GoldenError, match=rf"golden\.json: references: {text}; a model that ignores its input"):
        _ = golden.references


def test_one_sample_with_one_value_can_detect_nothing(folder: Folder) -> None:
    np.savez(folder.path / "images.npz", image=folder.images[:1])
    folder.document["samples"] = [{"id": "a"}]
    with pytest.raises(GoldenError, match=r"has one value \(2\)"):
        load_golden(folder.refer(scores=[2.0])).check()


def test_one_sample_with_several_values_may_do(folder: Folder) -> None:
    np.savez(folder.path / "images.npz", image=folder.images[:1])
    folder.document["samples"] = [{"id": "a"}]
    load_golden(folder.refer(scores=[[1.0, 2.0]])).check()


def test_a_constant_output_passes_where_the_document_lists_it(folder: Folder) -> None:
    folder.document["constant_outputs"] = ["anchors"]
    load_golden(folder.refer(anchors=np.ones((3, 4)), scores=folder.images)).check()


def test_ragged_references_are_compared_with_their_shapes(folder: Folder) -> None:
    load_golden(folder.refer(**{f"b/{i}": np.arange(i + 2.0) for i in range(3)})).check()
    same = {f"b/{i}": np.arange(2.0) for i in range(3)}
    with pytest.raises(GoldenError, match="'b' is identical for all 3 samples"):
        load_golden(folder.refer(**same)).check()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_references_that_are_not_finite_are_refused_with_the_sample(folder: Folder, bad: float) -> None:
    scores = folder.images.copy()
    scores[1, 0, 0] = bad
    with pytest.raises(GoldenError, match="'scores' is not finite in sample 'b'"):
        load_golden(folder.refer(scores=scores)).check()


def test_nan_in_the_inputs_is_refused_with_the_sample(folder: Folder) -> None:
    folder.images[2, 0, 0] = np.nan
    np.savez(folder.path / "images.npz", image=folder.images)
    with pytest.raises(GoldenError, match="inputs: 'image' has NaN in sample 'c'"):
        _ = load_golden(folder.write()).inputs


def test_infinite_inputs_pass_as_masks_have_them(folder: Folder) -> None:
    folder.images[2, 0, 0] = -np.inf
    np.savez(folder.path / "images.npz", image=folder.images)
    assert load_golden(folder.write()).inputs["image"][2][0, 0] == -np.inf


def test_two_samples_with_the_same_inputs_are_named(folder: Folder) -> None:
    folder.images[2] = folder.images[0]
    np.savez(folder.path / "images.npz", image=folder.images)
    with pytest.raises(GoldenError, match="samples 'a' and 'c' are identical after pre-processing"):
        _ = load_golden(folder.write()).inputs


def test_samples_that_differ_in_one_of_two_inputs_are_no_duplicates(folder: Folder) -> None:
    np.savez(folder.path / "images.npz", image=np.ones((3, 2)), mask=np.arange(3))
    inputs = {"image": {"array": "images.npz#image"}, "mask": {"array": "images.npz#mask"}}
    load_golden(folder.write(inputs=inputs)).check()


def test_a_slice_is_not_judged_by_itself(folder: Folder) -> None:
    golden = load_golden(folder.refer(scores=[1.0, 1.0, 2.0]))
    golden.select("dark").check()
