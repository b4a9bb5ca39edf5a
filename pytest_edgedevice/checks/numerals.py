"""Numbers as people read and copy them, and as JSON can hold them."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal
from typing import Any

Number = int | float | complex | bool


def tolerance(value: float) -> str:
    """A tolerance as it was given, e.g. ``0.001``; never shortened to another number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def copyable(value: float) -> str | None:
    """Three digits, rounded up so that what is copied passes; None where the value is not finite."""
    if not math.isfinite(value):
        return None
    exact = Decimal(value)
    step = Decimal(1).scaleb(exact.adjusted() - 2)
    text = f"{float((exact / step).to_integral_value(ROUND_CEILING) * step):.3g}" if value else "0"
    return text if math.isfinite(float(text)) else None


def pair(actual: Number, reference: Number) -> tuple[str, str]:
    """Two values with as many digits as it takes to tell them apart, four or more."""
    for digits in range(4, 18):
        texts = plain(actual, digits), plain(reference, digits)
        if texts[0] != texts[1]:
            break
    return texts


def plain(value: Number, digits: int = 4) -> str:
    """One value: integers and booleans in full, others in so many digits."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.{digits}g}"


def percent(share: float) -> str:
    """A share as percent that never rounds to none or to all, e.g. ``4.1 %``."""
    value = share * 100
    if value >= 99.95 and share < 1:
        return "> 99.9 %"
    return f"{value:.1f} %" if value >= 0.1 or not value else f"{value:.1g} %"


def json_ready(value: Any) -> Any:
    """The value itself where JSON has it, else text: NaN, Inf and complex numbers are not JSON."""
    if isinstance(value, complex) or (isinstance(value, float) and not math.isfinite(value)):
        return str(value)
    if hasattr(value, "dtype") and not isinstance(value, float):  # numpy's own long double is no float
        return json_ready(complex(value) if value.dtype.kind == "c" else float(value))
    return value
