"""``edge_check.size`` and ``edge_check.metric``, and numbers as text."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_edgedevice.checks import CheckFailed
from pytest_edgedevice.checks.numerals import copyable, pair, percent, tolerance
from pytest_edgedevice.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_edgedevice.checks import EdgeCheck
    from pytest_edgedevice.values import Evidence

    Make = Callable[..., Any]


def test_a_model_within_its_size_passes_and_is_recorded(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    result = check.size(make_model([1.0]), max_mb=0.3)
    (evidence,) = recorded
    assert (result.size_bytes, result.max_bytes) == (229_746, 300_000)
    assert evidence.numbers == {"name": "face.tflite", "size_bytes": 229_746, "max_bytes": 300_000}
    assert (evidence.verdict, evidence.device) == ("pass", "local")


def test_a_model_that_is_too_large_says_by_how_much(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make
) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.size(make_model([1.0]), max_bytes=229_745)
    assert str(caught.value) == "'face.tflite' has 229,746 bytes (0.2297 MB), 1 more than the 229,745 allowed"
    assert [one.verdict for one in recorded] == ["fail"]


def test_a_file_and_a_folder_have_a_size(check: EdgeCheck, recorded: list[Evidence], tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"12345")
    assert check.size(tmp_path / "m.bin", max_bytes=5).passed
    assert check.size(str(tmp_path), max_bytes=5).size_bytes == 5
    assert recorded[0].model is None


def test_a_missing_file_is_the_models_error(check: EdgeCheck, recorded: list[Evidence], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        check.size(tmp_path / "absent.tflite", max_mb=1)
    assert recorded == []


@pytest.mark.parametrize(
    "bounds", [{}, {"max_mb": 1, "max_bytes": 1}, {"max_mb": math.nan}, {"max_bytes": -1}, {"max_mb": "1"}]
)
def test_a_size_needs_exactly_one_sound_bound(check: EdgeCheck, make_model: Make, bounds: Any) -> None:
    with pytest.raises(UsageError):
        check.size(make_model([1.0]), **bounds)


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0.5}, {"at_most": 0.5}, {"at_least": 0.5, "at_most": 0.5}])
def test_bounds_of_a_metric_belong_to_its_range(check: EdgeCheck, recorded: list[Evidence], bounds: Any) -> None:
    assert check.metric("top1", np.float32(0.5), **bounds).value == 0.5
    assert [one.verdict for one in recorded] == ["pass"]


@pytest.mark.parametrize(
    ("value", "bounds", "text"),
    [
        (0.9, {"at_least": 0.95}, "'top1' is 0.9 %, below the required 0.95 % by 0.05"),
        (3, {"at_most": 2}, "'top1' is 3 %, above the allowed 2 % by 1"),
        (0.94999999, {"at_least": 0.95}, "'top1' is 0.94999999 %, below the required 0.95 % by 1e-08"),
        (-math.inf, {"at_least": 0}, "'top1' is -inf %, below the required 0 % by inf"),
    ],
)
def test_a_metric_out_of_bounds_says_by_how_much(
    check: EdgeCheck, recorded: list[Evidence], value: Any, bounds: Any, text: Any
) -> None:
    with pytest.raises(CheckFailed) as caught:
        check.metric("top1", value, unit="%", **bounds)
    assert str(caught.value) == text
    json.dumps(recorded[0].numbers, allow_nan=False)


@pytest.mark.parametrize("bounds", [{}, {"at_least": 0}, {"at_most": 0}])
def test_nan_fails_whatever_the_bounds(check: EdgeCheck, recorded: list[Evidence], bounds: Any) -> None:
    with pytest.raises(CheckFailed, match="is NaN"):
        check.metric("iou", math.nan, **bounds)
    assert recorded[0].numbers["value"] == "nan"


@pytest.mark.parametrize("value", ["0.5", None, [1.0], np.ones(1), 1j])
def test_what_is_not_one_number_is_misuse(check: EdgeCheck, recorded: list[Evidence], value: Any) -> None:
    with pytest.raises(UsageError, match="must be one number"):
        check.metric("iou", value)
    assert recorded == []


@pytest.mark.parametrize("bounds", [{"at_least": math.nan}, {"at_most": "1"}, {"at_least": 2, "at_most": 1}])
def test_bounds_that_are_none_are_misuse(check: EdgeCheck, bounds: Any) -> None:
    with pytest.raises(UsageError):
        check.metric("iou", 1.0, **bounds)


def test_a_metric_needs_a_name(check: EdgeCheck) -> None:
    with pytest.raises(UsageError, match="needs a name"):
        check.metric("", 1.0)


def test_a_metric_may_belong_to_a_model_or_a_run(
    check: EdgeCheck, recorded: list[Evidence], make_model: Make, make_run: Make
) -> None:
    check.metric("a", 1, model=make_model([1.0]))
    check.metric("b", 1, model=make_run({"y": np.zeros(2)}))
    assert [(one.model and one.model.name, one.device) for one in recorded] == [("face.tflite", "local")] * 2


@given(st.floats(0, allow_infinity=False, allow_nan=False))
def test_a_copied_number_is_never_below_and_at_most_a_hundredth_above(value: float) -> None:
    text = copyable(value)
    if text is None:
        assert value > 1.79e308
    else:
        assert float(text) >= value
        if value > 1e-300:
            assert Decimal(text) <= Decimal(value) * Decimal("1.0101")


@given(st.floats(0, 1e300))
def test_a_tolerance_is_shown_as_it_was_given(value: float) -> None:
    assert float(tolerance(value)) == value


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (0.041, "4.1 %"), (1e-6, "0.0001 %"), (0.99999, "> 99.9 %"), (1, "100.0 %")],
)
def test_a_share_never_rounds_to_none_or_all(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [((0.741, 0.97), ("0.741", "0.97")), ((1.0000001, 1.0), ("1.0000001", "1")), ((5, 7), ("5", "7"))],
)
def test_two_values_have_the_digits_that_tell_them_apart(values: tuple[float, float], texts: tuple[str, str]) -> None:
    assert pair(*values) == texts
