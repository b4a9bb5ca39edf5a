"""Arguments of metrics: refused with their name and what they should be, before anything is computed.

Knows numpy and how to repeat what somebody gave.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_bound(
    name: str, value: Any, *, low: float = -math.inf, high: float = math.inf, optional: bool = False
) -> None:
    """Refuse a bound that is no finite number between ``low`` and ``high``, both allowed.

    Args:
        name: Of the argument.
        value: What was given.
        low: Smallest that is allowed.
        high: Largest that is allowed.
        optional: Whether None, for no bound at all, is allowed.

    Raises:
        ValueError: It is none.
    """
    if not (optional and value is None) and not _is_within(value, low, high):
        limits = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
        limits = f", {low:g} or more" if math.isinf(high) and not math.isinf(low) else limits
        raise ValueError(f"{name} must be a finite number{limits}, not {shown(value)}")


def check_whole(name: str, value: Any, *, low: int | None = None, optional: bool = False) -> None:
    """Refuse what is no whole number, or less than ``low``.

    Raises:
        ValueError: It is none.
    """
    if optional and value is None:
        return
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or (low is not None and value < low):
        least = "" if low is None else f", {low} or more"
        raise ValueError(f"{name} must be a whole number{least}, not {shown(value)}")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse what is none of a few texts.

    Raises:
        ValueError: It is none of them.
    """
    if not (isinstance(value, str) and value in choices):
        *some, last = (repr(one) for one in choices)
        raise ValueError(f"{name} must be {', '.join(some)} or {last}, not {shown(value)}")


def _is_within(value: Any, low: float, high: float) -> bool:
    """Decimals and fractions are no numbers here: arrays of floats do not calculate with them."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return False
    try:
        return bool(math.isfinite(value) and low <= value <= high)
    except OverflowError:  # a whole number that no float can hold
        return False
