"""From an image file to the tensor a model was trained on.

Owns the one order of operations that ``FORMAT.md`` documents: decode, colour,
resize, float32, ``(x * scale - mean) / std``, quantise, layout, dtype. Knows
Pillow and numpy; nothing of samples, models or references.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.quantization import affine

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image

    from pytest_edgedevice.goldens.fields import Field

COLORS = ("RGB", "BGR", "L")
LAYOUTS = ("HWC", "CHW", "NHWC", "NCHW")
FILTERS = ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")
TYPES = ("float32", "float16", "uint8", "int8", "uint16", "int16", "int32", "int64")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")  # not EPS: Pillow starts a program for it
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
MAX_PIXELS = 1 << 26


@dataclass(frozen=True, slots=True)
class Resize:
    """Target size in pixels, and the name of Pillow's filter."""

    width: int
    height: int
    filter: str


@dataclass(frozen=True, slots=True)
class Steps:
    """``scale`` and ``zero_point`` of the integers a fully quantised model takes."""

    scale: float
    zero_point: int
    dtype: str


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to an image; the defaults hand its 8-bit RGB values over as float32.

    Attributes:
        color: Channels and their order; one channel for ``L``.
        resize: None keeps the image's own size.
        scale: Factor on the 8-bit values.
        mean: Subtracted after scaling; one value, or one a channel.
        std: Divisor after that; one value, or one a channel.
        quantize: None hands real values over.
        layout: Axes of one sample; a leading N stands for the sample axis and changes nothing.
        dtype: Element type of the result.
    """

    color: Literal["RGB", "BGR", "L"] = "RGB"
    resize: Resize | None = None
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    quantize: Steps | None = None
    layout: str = "HWC"
    dtype: str = "float32"


def load_image(file: Path, steps: Preprocessing, *, place: Field) -> npt.NDArray[Any]:
    """One image file as the model takes it.

    Args:
        file: The image; one of ``SUFFIXES``.
        steps: What to do to it.
        place: Field of the document that names the file, for messages.

    Returns:
        Shape (height, width, channels), or (channels, height, width) for layout CHW; always three axes.

    Raises:
        GoldenError: The file is no image, too large or of 16 bits a channel, or values do not fit the dtype.
    """
    return transform(decode(file, steps, place=place), steps, place=place)


def decode(file: Path, steps: Preprocessing, *, place: Field) -> npt.NDArray[np.uint8]:
    """Decode, convert the colour and resize; shape (height, width, channels), 8 bits a channel."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # remarks on odd metadata; what matters is checked below
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    place.fail(f"{file.name} has {image.width} x {image.height} pixels", hint="store it resized")
                if _deep(file, image.mode):
                    place.fail(
                        f"{file.name} has more than 8 bits a channel, which Pillow would cut or clip",
                        hint="convert it to 8 bits, or store the values as NPY",
                    )
                pixels = _resized(_converted(image, steps.color), steps)
                values = np.array(pixels, dtype=np.uint8).reshape(pixels.height, pixels.width, -1)
                return values[..., ::-1] if steps.color == "BGR" else values
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        place.fail(f"{file.name} is too large to be decoded: {error}", hint="store it resized")
    except UnidentifiedImageError:
        place.fail(f"{file.name} is no image in one of {', '.join(FORMATS)}", hint="save it as PNG")
    except GoldenError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow's decoders raise whatever they trip over
        place.fail(f"{file.name} cannot be decoded: {error}", hint="save the image again")


def transform(pixels: npt.NDArray[np.uint8], steps: Preprocessing, *, place: Field) -> npt.NDArray[Any]:
    """Normalise, quantise, lay out and cast 8-bit pixels of shape (height, width, channels)."""
    with np.errstate(all="ignore"):  # what overflows is caught by the check below
        mean, std = np.asarray(steps.mean, np.float32), np.asarray(steps.std, np.float32)
        values = (pixels.astype(np.float32) * np.float32(steps.scale) - mean) / std
    if not np.isfinite(values).all():
        place.fail("pre-processing gives values that are not finite", hint="check scale, mean and std")
    if steps.quantize is not None:
        scale, zero_point, dtype = steps.quantize.scale, steps.quantize.zero_point, steps.quantize.dtype
        typed = affine(values, scale=scale, zero_point=zero_point, dtype=dtype, what=place.path)
    else:
        typed = _typed(values, steps.dtype, place=place)
    ordered = typed.transpose(2, 0, 1) if steps.layout.endswith("CHW") else typed
    return np.ascontiguousarray(ordered)


def _typed(values: npt.NDArray[np.float32], dtype: str, *, place: Field) -> npt.NDArray[Any]:
    if dtype.startswith("float"):
        limit = float(np.finfo(dtype).max)
        rounded = values
    else:
        limit = float(np.iinfo(dtype).max)
        rounded = np.rint(values)
    low = -limit if dtype.startswith("float") else float(np.iinfo(dtype).min)
    if rounded.size and (rounded.min() < low or rounded.max() > limit):
        place.fail(
            f"pre-processing gives values from {rounded.min():g} to {rounded.max():g}, beyond {dtype}",
            hint="check scale, mean and std, or give 'quantize', which clips",
        )
    return rounded.astype(dtype)


def _deep(file: Path, mode: str) -> bool:
    if mode.startswith("I") or mode == "F":
        return True
    with file.open("rb") as stream:  # Pillow opens 16-bit RGB as RGB and drops the low bytes without a word
        head = stream.read(25)
    return head.startswith(b"\x89PNG") and head[24:25] == b"\x10"


def _converted(image: Image.Image, color: str) -> Image.Image:
    # transparency of a palette is resolved first; then alpha is dropped, not blended, as is usual in training
    flat = image.convert("RGBA") if image.mode == "P" and "transparency" in image.info else image
    return flat.convert("L" if color == "L" else "RGB")


def _resized(pixels: Image.Image, steps: Preprocessing) -> Image.Image:
    if steps.resize is None:
        return pixels
    from PIL import Image

    method = Image.Resampling[steps.resize.filter.upper()]
    return pixels.resize((steps.resize.width, steps.resize.height), method)
