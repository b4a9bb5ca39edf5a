"""What would match instead: orders of samples, forgotten steps, scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_edgedevice.metrics.hints import hint_of
from pytest_edgedevice.metrics.structure import as_samples

RANDOM = np.random.default_rng(5)
LOGITS = RANDOM.standard_normal((6, 10)) * 3
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def hint(actual: Any, reference: Any, atol: float = 1e-6) -> str:
    return hint_of(as_samples(actual), as_samples(reference), same_structure=True, atol=atol, rtol=0)


@pytest.mark.parametrize(("by", "told"), [(1, "i-1"), (-1, "i+1"), (2, "i-2")])
def test_rotated_samples_are_told_by_how_far(by: int, told: str) -> None:
    assert f"the reference's sample {told} throughout" in hint(np.roll(LOGITS, by, axis=0), LOGITS)


def test_samples_that_are_one_late_are_told_although_the_first_is_new() -> None:
    late = np.vstack([RANDOM.standard_normal((1, 10)), LOGITS[:-1]])
    assert "the reference's sample i-1 throughout: the samples are shifted" in hint(late, LOGITS)


def test_reversed_samples_are_told() -> None:
    assert hint(LOGITS[::-1], LOGITS) == "the samples match in reverse order"


def test_shuffled_samples_are_told_with_their_partners() -> None:
    found = hint(LOGITS[[0, 2, 1, 3, 5, 4]], LOGITS)
    assert found == "all samples match in another order: device 1 is 2, 2 is 1, 4 is 5, 5 is 4 of the reference"


def test_many_shuffled_samples_are_cut() -> None:
    many = RANDOM.standard_normal((200, 3))
    assert "..." in hint(RANDOM.permutation(many), many)


def test_one_stranger_among_swapped_samples_leaves_a_guess() -> None:
    odd = LOGITS[[1, 0, 2, 3, 4, 5]].copy()
    odd[5] += 1
    assert "their order may differ" in hint(odd, LOGITS)


def test_shuffled_ragged_samples_are_told() -> None:
    reference = [RANDOM.standard_normal(n) for n in (2, 2, 3)]
    assert "device 0 is 1, 1 is 0 of the reference" in hint([reference[1], reference[0], reference[2]], reference)


def test_equal_samples_are_not_called_shuffled() -> None:
    same = np.ones((4, 3))
    assert hint(same * [[1], [1], [1], [2]], same) == ""


def test_a_noisy_shuffle_is_found_within_the_tolerance() -> None:
    noisy = LOGITS[[3, 1, 2, 0, 4, 5]] + RANDOM.normal(0, 1e-4, LOGITS.shape)
    assert "device 0 is 3, 3 is 0" in hint(noisy, LOGITS, atol=1e-3)


def test_a_missing_softmax_is_told_on_the_side_that_lacks_it() -> None:
    assert hint(LOGITS, SOFTMAX).startswith("the device's softmax would match")
    assert hint(SOFTMAX, LOGITS).startswith("the reference's softmax would match")


def test_a_missing_sigmoid_is_told() -> None:
    assert hint(LOGITS, 1 / (1 + np.exp(-LOGITS))).startswith("the device's sigmoid would match")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: r / 255, "device = reference * 1/255 would match"),
        (lambda r: r * 255, "device = reference * 255 would match"),
        (lambda r: r + 3.5, "device = reference + 3.5 would match"),
        (lambda r: (r - 0.5) / 0.25, "device = reference * 4 - 2 would match"),
        (lambda r: -r, "device = reference * -1 would match"),
    ],
)
def test_a_constant_scale_or_offset_is_told(change: Any, told: str) -> None:
    assert hint(change(LOGITS), LOGITS).startswith(told)


def test_a_line_through_two_values_is_no_hint() -> None:
    two = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert "device =" not in hint(two * 3 + 1, two)


def test_reversed_channels_are_told() -> None:
    image = RANDOM.standard_normal((2, 5, 4, 3))
    assert hint(image[..., ::-1], image) == "np.flip(reference, 3) would match (RGB and BGR?)"


def test_noise_has_no_hint() -> None:
    assert hint(LOGITS + RANDOM.normal(0, 0.5, LOGITS.shape), LOGITS) == ""
