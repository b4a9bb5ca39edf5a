"""The float model beside a quantised one, by the names that converters give them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_edgedevice.runners.model_content import is_model

if TYPE_CHECKING:
    from pathlib import Path

_SHORTENED = re.compile(
    r"([-_.](full|dynamic|dynamic[-_]?range|weights?([-_]only)?|integer|ptq|qat|drq"
    r"|u?int(8|16)|[fw](p|loat)?16|i8|u8|q8|quant(ized|ised)?))+$",
    re.IGNORECASE,
)
_FLOAT = ("", "_float32", "-float32", ".float32", "_fp32", "-fp32", "_float", "-float", "_f32")


def float_twin(path: Path) -> Path | None:
    """``digits_float32.tflite`` or ``digits.tflite`` beside ``digits_int8.tflite``; None without such a model."""
    base = _SHORTENED.sub("", path.stem)
    if base == path.stem or not base:
        return None
    places = (path.with_name(f"{base}{ending}{path.suffix}") for ending in _FLOAT)
    return next((place for place in places if is_model(place)), None)
