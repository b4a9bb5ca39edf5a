"""Pre-processing is exactly what FORMAT.md says, in that order."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.fields import Field
from pytest_edgedevice.goldens.preprocess import Preprocessing, Resize, Steps, load_image

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


def loaded(tmp_path: Path, image: Image.Image, name: str = "x.png", /, **steps: Any) -> npt.NDArray[Any]:
    image.save(tmp_path / name)
    return load_image(tmp_path / name, Preprocessing(**steps), place=place(tmp_path))


def place(tmp_path: Path) -> Field:
    return Field(None, tmp_path / "golden.json", "samples[0].file")


def png(*, depth: int = 8, width: int = 2, height: int = 2, color_type: int = 2, data: bytes = bytes(100)) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def test_without_steps_pixels_become_float32_rgb(tmp_path: Path) -> None:
    result = loaded(tmp_path, Image.fromarray(PIXELS))
    assert result.dtype == np.float32
    assert np.array_equal(result, PIXELS)


def test_bgr_reverses_the_channels(tmp_path: Path) -> None:
    assert np.array_equal(loaded(tmp_path, Image.fromarray(PIXELS), color="BGR"), PIXELS[..., ::-1])


def test_grey_keeps_one_channel(tmp_path: Path) -> None:
    assert loaded(tmp_path, Image.fromarray(PIXELS), color="L").shape == (2, 4, 1)


@pytest.mark.parametrize("layout", ["CHW", "NCHW"])
def test_channels_first_moves_the_channels(tmp_path: Path, layout: str) -> None:
    result = loaded(tmp_path, Image.fromarray(PIXELS), layout=layout)
    assert np.array_equal(result, PIXELS.transpose(2, 0, 1))
    assert result.flags.c_contiguous


def test_resizing_is_pillows_on_eight_bits(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    for name in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"):
        expected = np.asarray(image.resize((3, 5), Image.Resampling[name.upper()]))
        assert np.array_equal(loaded(tmp_path, image, resize=Resize(3, 5, name)), expected), name


def test_normalising_scales_then_subtracts_then_divides_by_channel(tmp_path: Path) -> None:
    mean, std = np.array([0.1, 0.2, 0.3], np.float32), np.array([0.5, 0.25, 2], np.float32)
    result = loaded(tmp_path, Image.fromarray(PIXELS), scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 2.0))
    assert np.array_equal(result, (PIXELS.astype(np.float32) * np.float32(1 / 255) - mean) / std)


def test_quantising_rounds_halves_to_even_and_clips(tmp_path: Path) -> None:
    grey = Image.fromarray(np.array([[1, 3, 5, 255]], np.uint8))
    result = loaded(tmp_path, grey, color="L", quantize=Steps(2.0, 1, "int8"), dtype="int8")
    assert result.dtype == np.int8
    assert result.ravel().tolist() == [1, 3, 3, 127]


def test_an_integer_dtype_without_quantisation_rounds_halves_to_even(tmp_path: Path) -> None:
    result = loaded(tmp_path, Image.fromarray(np.array([[1, 3, 5]], np.uint8)), color="L", scale=0.5, dtype="int32")
    assert result.ravel().tolist() == [0, 2, 2]


@pytest.mark.parametrize(("dtype", "scale"), [("int8", 1.0), ("uint8", -1.0), ("float16", 1e6)])
def test_values_beyond_the_dtype_are_an_error_not_wrapped(tmp_path: Path, dtype: str, scale: float) -> None:
    with pytest.raises(GoldenError, match=f"beyond {dtype}"):
        loaded(tmp_path, Image.fromarray(PIXELS), dtype=dtype, scale=scale)


def test_values_that_overflow_float32_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="not finite"):
        loaded(tmp_path, Image.fromarray(PIXELS), scale=3e38)


def test_grey_images_become_three_equal_channels(tmp_path: Path) -> None:
    result = loaded(tmp_path, Image.fromarray(PIXELS[..., 0]))
    assert np.array_equal(result, np.repeat(PIXELS[..., :1], 3, axis=2))


@pytest.mark.parametrize("mode", ["RGBA", "P", "1", "LA", "CMYK"])
def test_every_eight_bit_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    name = "x.tif" if mode == "CMYK" else "x.png"
    assert np.array_equal(loaded(tmp_path, image, name), np.asarray(image.convert("RGB")))


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    transparent = np.dstack([PIXELS, np.zeros((2, 4), np.uint8)])
    assert np.array_equal(loaded(tmp_path, Image.fromarray(transparent)), PIXELS)


def test_a_palette_with_transparency_gives_its_colours_without_a_warning(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "x.png", transparency=b"\x00\x80")
    result = load_image(tmp_path / "x.png", Preprocessing(), place=place(tmp_path))
    assert result.tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    image = Image.fromarray(PIXELS)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "x.png", exif=exif)
    assert load_image(tmp_path / "x.png", Preprocessing(), place=place(tmp_path)).shape == (2, 4, 3)


@pytest.mark.parametrize("color_type", [0, 2])
def test_sixteen_bit_images_are_refused_not_cut(tmp_path: Path, color_type: int) -> None:
    (tmp_path / "x.png").write_bytes(png(depth=16, color_type=color_type))
    with pytest.raises(GoldenError, match=r"samples\[0\]\.file: x\.png has more than 8 bits a channel"):
        load_image(tmp_path / "x.png", Preprocessing(), place=place(tmp_path))


@pytest.mark.parametrize("side", [8_300, 10_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    (tmp_path / "x.png").write_bytes(png(width=side, height=side))
    with pytest.raises(GoldenError, match=r"too large to be decoded|pixels"):
        load_image(tmp_path / "x.png", Preprocessing(), place=place(tmp_path))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(kind=st.sampled_from(["png", "jpeg", "gif", "bmp", "tiff", "webp", "ppm"]), data=st.data())
def test_a_damaged_image_gives_pixels_or_an_error(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    packed = io.BytesIO()
    Image.fromarray(PIXELS).save(packed, kind)
    raw = bytearray(packed.getvalue())
    for _ in range(3):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.png").write_bytes(raw[: data.draw(st.integers(1, len(raw)))])
    with contextlib.suppress(GoldenError):
        load_image(tmp_path / "x.png", Preprocessing(), place=place(tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        png()[:45],
        png(data=b""),
        png(height=0),
    ],
)
def test_what_is_no_whole_image_is_a_golden_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(GoldenError, match=r"samples\[0\]\.file: x\.png"):
        load_image(tmp_path / "x.png", Preprocessing(), place=place(tmp_path))
