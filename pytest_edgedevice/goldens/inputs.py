"""What one entry of ``inputs`` in ``golden.json`` says, checked field by field.

Owns the keys of pre-processing and their texts. Reads no files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.goldens import preprocess
from pytest_edgedevice.goldens.preprocess import Preprocessing, Resize, Steps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.goldens.fields import Field

INPUT_KEYS = ("array", "color", "resize", "scale", "mean", "std", "quantize", "layout", "dtype")
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-(1 << 15), (1 << 15) - 1)}
TINY = 1e-30  # smaller divisors overflow float32


@dataclass(frozen=True, slots=True)
class Input:
    """One model input: the images' pre-processing, or one array with all samples.

    ``processed`` tells whether the document gives any pre-processing, which arrays cannot take.
    """

    place: Field
    steps: Preprocessing
    processed: bool
    array: Field | None


def read_input(field: Field) -> Input:
    """Check one entry of ``inputs``."""
    keys = field.members(known=INPUT_KEYS)
    array = keys.pop("array", None)
    if array is not None:
        array.text()
        for one in keys.values():
            one.fail(
                "is for images; an array is handed over as it is stored",
                hint="process the array before storing it",
            )
    return Input(field, _preprocessing(keys), bool(keys), array)


def _preprocessing(keys: Mapping[str, Field]) -> Preprocessing:
    chosen: dict[str, Any] = {}
    for key, choices in (
        ("color", preprocess.COLORS),
        ("layout", preprocess.LAYOUTS),
        ("dtype", preprocess.TYPES),
    ):
        if key in keys:
            chosen[key] = keys[key].choice(choices)
    if "scale" in keys:
        chosen["scale"] = keys["scale"].number()
    channels = 1 if chosen.get("color") == "L" else 3
    for key in ("mean", "std"):
        if key in keys:
            chosen[key] = _per_channel(keys[key], channels)
    if min((abs(value) for value in chosen.get("std", ())), default=1.0) < TINY:
        keys["std"].fail("is 0, and values are divided by it", hint="give a divisor, e.g. 127.5")
    if "resize" in keys:
        chosen["resize"] = _resize(keys["resize"])
    if "quantize" in keys:
        chosen["quantize"] = _quantize(keys["quantize"])
        wanted = chosen["quantize"].dtype
        if chosen.setdefault("dtype", wanted) != wanted:
            keys["dtype"].fail(f"is {chosen['dtype']}, but quantize gives {wanted}", hint="leave 'dtype' out")
    return Preprocessing(**chosen)


def _per_channel(field: Field, channels: int) -> tuple[float, ...]:
    if not isinstance(field.value, list):
        return (field.number(),)
    if len(field.value) not in {1, channels}:
        field.fail(f"has {len(field.value)} values for {channels} channels", hint="give one number, or one a channel")
    return tuple(entry.number() for entry in field.entries())


def _resize(field: Field) -> Resize:
    keys = field.members(known=("width", "height", "filter"), required=("width", "height", "filter"))
    width, height = (keys[side].integer(minimum=1, maximum=1 << 15) for side in ("width", "height"))
    if width * height > preprocess.MAX_PIXELS:
        field.fail(f"{width} x {height} is more than {preprocess.MAX_PIXELS} pixels", hint="resize to less")
    return Resize(width, height, keys["filter"].choice(preprocess.FILTERS))


def _quantize(field: Field) -> Steps:
    every = ("scale", "zero_point", "dtype")
    keys = field.members(known=every, required=every)
    dtype = keys["dtype"].choice(tuple(LIMITS))
    scale = keys["scale"].number()
    if scale < TINY:
        keys["scale"].fail(f"is {scale:g}, but a positive number is needed", hint="copy it from the model's input")
    low, high = LIMITS[dtype]
    return Steps(scale, keys["zero_point"].integer(minimum=low, maximum=high), dtype)
