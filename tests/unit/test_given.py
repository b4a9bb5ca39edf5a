"""What callers give as numbers: what counts as one, and how it is repeated in a message."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_edgedevice.given import is_number, shown


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("value", [0, -1, 2.5, 10**300])
def test_a_finite_number_is_one(value: Any) -> None:
    assert is_number(value)


@pytest.mark.parametrize("value", [True, None, "1", 1j, float("nan"), float("inf"), 10**400, -(10**5000)], ids=type)
def test_what_no_float_can_hold_is_no_number(value: Any) -> None:
    assert not is_number(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.5, "2.5"),
        ("a\nb", r"'a\nb'"),
        ("x" * 100, "'" + "x" * 59),
        (10**5000, "a whole number of 16610 bits"),
        (Hostile(), "a Hostile"),
    ],
    ids=["number", "text", "long", "huge", "hostile"],
)
def test_anything_can_be_shown_in_one_short_line(value: Any, text: str) -> None:
    assert shown(value) == text
