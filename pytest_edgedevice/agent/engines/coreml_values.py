"""Arrays of the wire as coremltools takes them, and what it gives as arrays of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.agent.engines.base import EngineError

if TYPE_CHECKING:
    from pytest_edgedevice.agent.engines.coreml_features import Feature


def given(feature: Feature, array: Any) -> Any:
    """One input as ``predict`` takes it, made once so that it costs nothing while time is taken.

    A copy of its own: Core ML keeps what it was given for some time after the prediction, and takes only what can be
    written to. Its Python interface has no float16, so that is widened, which loses nothing.
    """
    if feature.kind == "number":
        return int(array) if feature.dtype == "int64" else float(array)
    if feature.kind == "image":
        return _picture(feature, array)
    return np.array(array, dtype=np.float32 if feature.dtype == "float16" else feature.dtype, order="C")


def zeros(feature: Feature) -> Any:
    """An input of zeros in a shape that the model takes."""
    return given(feature, np.zeros(feature.usual, feature.dtype))


def taken(feature: Feature, value: Any) -> Any:
    """One output as a dense array of the type that the model declares; float16 comes widened, and is so again.

    Raises:
        EngineError: It is of another shape than the model declares.
    """
    if feature.kind == "image":
        mode = {"colour": "RGB", "grey": "L", "grey16": "F"}[feature.colour]
        value = np.asarray(value.convert(mode))[np.newaxis]
    array = np.ascontiguousarray(value, dtype=feature.dtype)
    if np.ndim(value) == 0:
        array = array.reshape(())  # ascontiguousarray makes one dimension of none
    shape = feature.shape or ()
    if len(array.shape) == len(shape) and all(want in (-1, size) for size, want in zip(array.shape, shape)):
        return array
    if -1 not in shape and array.size == np.prod(shape, dtype=np.int64):
        return array.reshape(shape)  # older formats pad shapes with ones
    raise EngineError(
        "model", f"output {feature.name!r} has shape {list(array.shape)}, and the model declares {list(shape)}"
    )


def _picture(feature: Feature, array: Any) -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        needs = f"input {feature.name!r} is an image, which coremltools takes as one of Pillow's"
        raise EngineError("engine", f"{needs}: pip install pillow") from error
    pixels = np.asarray(array)[0]
    return Image.fromarray(np.ascontiguousarray(pixels, np.float32 if feature.colour == "grey16" else np.uint8))
