"""Arguments that are none: each metric refuses them with their name when it is made, and never while it judges."""

from __future__ import annotations

import inspect
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from pytest_edgedevice import metrics

NEEDED: dict[str, dict[str, Any]] = {"ulp": {"at_most": 1}, "mse": {"at_most": 1}, "boxes": {"boxes": "b"}}
ODD: list[Any] = [
    [], {}, "odd", b"x", 1j, int, object(), np.array([1.0, 2.0]),
    Decimal("sNaN"), Decimal("0.1"), Fraction(1, 3), 10**400, 10**5000,
]  # fmt: skip
SWITCHES = {"logits", "channels"}  # anything is true or false
NAMES = {"boxes", "scores", "classes", "count"}
ARGUMENTS = [
    (name, argument)
    for name in metrics.METRICS
    for argument in inspect.signature(getattr(metrics, name)).parameters
    if argument not in SWITCHES
]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS, ids=str)
def test_what_is_no_value_of_an_argument_is_refused_by_its_name(name: str, argument: str) -> None:
    for odd in ODD:
        if isinstance(odd, str) and argument in NAMES:
            continue
        if isinstance(odd, int) and (argument == "ignore" or (argument, name) in {("k", "topk"), ("axis", "masks")}):
            continue  # whole numbers of any size are whole numbers
        with pytest.raises(ValueError, match=argument):
            getattr(metrics, name)(**{**NEEDED.get(name, {}), argument: odd})


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("mse", "at_most"),
        ("ulp", "at_most"),
        ("within", "share"),
        ("topk", "ties"),
        ("boxes", "recall"),
        ("mse", "over"),
    ],
)
def test_none_is_no_value_where_something_has_to_be_judged(name: str, argument: str) -> None:
    with pytest.raises(ValueError, match=argument):
        getattr(metrics, name)(**{**NEEDED.get(name, {}), argument: None})


def test_numbers_of_numpy_are_numbers() -> None:
    half: Any = np.float32(0.5)
    assert metrics.within(atol=half).atol == 0.5


@pytest.mark.parametrize("name", ["topk", "kl", "js", "ssim", "masks"])
def test_complex_numbers_are_refused_where_they_mean_nothing(name: str) -> None:
    image = np.full((2, 12, 12), 0.5 + 0.5j)
    image[0] = 1j
    with pytest.raises(ValueError, match="complex"):
        getattr(metrics, name)().judge(image, image)


@pytest.mark.parametrize("metric", [metrics.within(of_peak=10), metrics.steps(at_most=3, scale=1e308)])
def test_a_tolerance_beyond_all_floats_is_the_largest_float(metric: Any) -> None:
    reference = np.array([[1e308, 0.0]])
    assert metric.elementwise(reference)[0] == np.finfo(np.float64).max


@pytest.mark.parametrize("name", ["steps", "ssim", "kl"])
def test_extreme_values_are_judged_and_warn_of_nothing(name: str) -> None:
    most = np.finfo(np.float64).max
    reference = np.zeros((1, 12, 12))
    reference[0, 0, 0] = most
    options: dict[str, dict[str, Any]] = {"steps": {"scale": 0.1}, "ssim": {"peak": 1e-3}, "kl": {"logits": True}}
    assert not getattr(metrics, name)(**options[name]).judge(-reference, reference).passed
