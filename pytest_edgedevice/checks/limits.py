"""A number against a bound: the model's size, and whatever the user computed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, SupportsFloat

from pytest_edgedevice.checks.numerals import plain, tolerance
from pytest_edgedevice.errors import ModelError, UsageError
from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    from pytest_edgedevice.checks.seams import ModelLike

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class SizeResult:
    """A model's size in bytes, and the largest that was allowed."""

    size_bytes: int
    max_bytes: float

    @property
    def passed(self) -> bool:
        """Whether the size is within the bound."""
        return self.size_bytes <= self.max_bytes


@dataclass(frozen=True, slots=True)
class MetricResult:
    """The user's own number, and its bounds; None where there is none."""

    name: str
    value: float
    at_least: float | None
    at_most: float | None
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the value is a number and within its bounds, which belong to the range."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        return low <= self.value <= high


def size_result(
    model: ModelLike | str | os.PathLike[str], *, max_bytes: float | None, max_mb: float | None
) -> SizeResult:
    """Compare a model's size with its bound; see ``EdgeCheck.size``."""
    if (max_bytes is None) == (max_mb is None):
        raise UsageError("size needs one bound", hint="give either max_bytes or max_mb (1 MB = 1,000,000 bytes)")
    limit = _bound("max_bytes", max_bytes) if max_mb is None else _times_mb(_bound("max_mb", max_mb))
    assert limit is not None
    if limit < 0:
        raise UsageError(f"a size cannot be below 0: {max_bytes if max_mb is None else max_mb!r}")
    return SizeResult(_size_of(model), limit)


def size_text(name: str, result: SizeResult) -> str:
    """Word a model that is too large; empty when it is not."""
    if result.passed:
        return ""
    beyond = result.size_bytes - result.max_bytes
    return (
        f"{name!r} has {result.size_bytes:,} bytes ({result.size_bytes / MB:.4g} MB), "
        f"{math.ceil(beyond):,} more than the {math.floor(result.max_bytes):,} allowed"
    )


def metric_result(
    name: str, value: SupportsFloat, *, at_least: float | None, at_most: float | None, unit: str
) -> MetricResult:
    """Compare the user's number with its bounds; see ``EdgeCheck.metric``."""
    if not name:
        raise UsageError("a metric needs a name")
    number = _number(value)
    if number is None:
        raise UsageError(f"metric {name!r} must be one number, not {shown(value)}")
    low, high = _bound("at_least", at_least), _bound("at_most", at_most)
    if low is not None and high is not None and low > high:
        raise UsageError(f"metric {name!r}: at_least {low:g} is above at_most {high:g}, so nothing could pass")
    return MetricResult(name, number, low, high, unit)


def metric_text(result: MetricResult) -> str:
    """Word a number that is out of bounds; empty when it is not."""
    if result.passed:
        return ""
    unit = f" {result.unit}" if result.unit else ""
    if math.isnan(result.value):
        return f"{result.name!r} is NaN\n  look at what it was computed from: a division by zero, an empty set?"
    low, high = result.at_least, result.at_most
    below = low is not None and result.value < low
    bound = low if below else high
    assert bound is not None
    distance = abs(result.value - bound)
    relation = "below the required" if below else "above the allowed"
    return (
        f"{result.name!r} is {_full(result.value, bound)}{unit}, "
        f"{relation} {tolerance(bound)}{unit} by {plain(distance)}"
    )


def _full(value: float, bound: float) -> str:
    short = plain(value)
    return short if float(short) != bound else repr(value)


def _size_of(model: ModelLike | str | os.PathLike[str]) -> int:
    if not isinstance(model, str | os.PathLike):
        return model.info.size_bytes
    path = Path(model)
    try:
        if path.is_dir():  # some engines' models are folders
            return sum(part.stat().st_size for part in path.rglob("*") if part.is_file())
        return path.stat().st_size
    except OSError as error:
        raise ModelError(f"cannot read the size of model {str(path)!r}: {error.strerror}") from error


def _times_mb(megabytes: float | None) -> float | None:
    return None if megabytes is None else round(megabytes * MB, 3)  # 0.3 MB is 300,000 bytes, not 299,999.99


def _bound(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    number = _number(value)
    if number is None or math.isnan(number):
        raise UsageError(f"{name} must be a number, not {shown(value)}")
    return number


def _number(value: object) -> float | None:
    """The value as a float; None where it is text, an array or anything else that is not one number."""
    if isinstance(value, str | bytes | bool) or getattr(value, "ndim", None) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except (ArithmeticError, TypeError, ValueError):  # a whole number that no float can hold, or somebody's own
        return None
