"""Files of a golden stay in its folder and are as large as they claim."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import files
from pytest_edgedevice.goldens.fields import Field

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> Field:
    folder = tmp_path / "golden"
    folder.mkdir()
    return Field(None, folder / "golden.json", "samples[3].file")


def header(shape: str = "(2,)", descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../golden.json", "a/../../b", "./a", "a//b", "", "a\\b", "C:x", "a/", "~/../x", ".."],
)
def test_a_path_that_is_not_plain_is_refused(place: Field, path: str) -> None:
    with pytest.raises(GoldenError, match=r"golden\.json: samples\[3\]\.file: .* is not a plain path"):
        files.within(place, path)


def test_a_link_out_of_the_folder_is_refused(place: Field) -> None:
    (place.file.parent.parent / "secret.npy").write_bytes(header() + bytes(8))
    (place.file.parent / "link.npy").symlink_to("../secret.npy")
    with pytest.raises(GoldenError, match="leads out of the golden's folder"):
        files.stored(place, "link.npy")


def test_a_link_within_the_folder_is_followed(place: Field) -> None:
    (place.file.parent / "real.npy").write_bytes(header() + bytes(8))
    (place.file.parent / "link.npy").symlink_to("real.npy")
    assert files.stored(place, "link.npy").shape == (2,)


@pytest.mark.parametrize("name", ["loop.npy", "x" * 300, "none.npy", "folder.npy", "fifo.npy"])
def test_what_is_no_readable_file_is_refused_without_waiting(place: Field, name: str) -> None:
    folder = place.file.parent
    (folder / "loop.npy").symlink_to("loop.npy")
    (folder / "folder.npy").mkdir()
    os.mkfifo(folder / "fifo.npy")
    with pytest.raises(GoldenError, match=r"samples\[3\]\.file"):
        files.within(place, name)


@pytest.mark.parametrize("dtype", files.DTYPES)
def test_arrays_come_back_as_they_were_saved(place: Field, dtype: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(dtype)
    np.save(place.file.parent / "x.npy", array)
    loaded = files.stored(place, "x.npy").read()
    assert (loaded.dtype, loaded.shape, loaded.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_fortran_order_and_foreign_byte_order_become_plain(place: Field) -> None:
    np.save(place.file.parent / "x.npy", np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)))
    loaded = files.stored(place, "x.npy").read()
    assert loaded.dtype.isnative
    assert loaded.flags.c_contiguous
    assert loaded.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("shape", [(), (0, 4)])
def test_scalars_and_empty_arrays_keep_their_shape(place: Field, shape: tuple[int, ...]) -> None:
    np.savez(place.file.parent / "x.npz", a=np.zeros(shape, np.float32))
    assert files.stored(place, "x.npz#a").read().shape == shape


def test_loaded_arrays_are_read_only(place: Field) -> None:
    np.save(place.file.parent / "x.npy", np.zeros(2))
    with pytest.raises(ValueError, match="read-only"):
        files.stored(place, "x.npy").read()[0] = 1


def test_pickles_are_never_loaded(place: Field) -> None:
    np.save(place.file.parent / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(GoldenError, match="holds object, which no tensor has"):
        files.stored(place, "x.npy")


@pytest.mark.parametrize(
    "content",
    [
        header("(9999999999999,)") + bytes(8),
        header("(1,)") + bytes(8),
        header("(-2,)") + bytes(8),
        header("(2, -1, -1)") + bytes(8),
        header("'x'") + bytes(8),
        header("(2,)", "'|S4'") + bytes(8),
        header("(2,)", "[('a', '<f4')]") + bytes(8),
        header("((" * 2000) + bytes(8),
        b"\x93NUMPY\x02\x00" + header()[8:],
        b"not an array",
        b"",
    ],
)
def test_a_file_that_lies_about_its_content_is_refused_from_its_header(place: Field, content: bytes) -> None:
    (place.file.parent / "x.npy").write_bytes(content)
    with pytest.raises(GoldenError, match=r"golden\.json: samples\[3\]\.file: x\.npy"):
        files.stored(place, "x.npy")


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked(place: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(place.file.parent / "x.npz", a=np.zeros(1000))
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    with pytest.raises(GoldenError, match=r"x\.npz unpacks to \d+ bytes; at most 1000"):
        files.stored(place, "x.npz#a")


def test_a_damaged_member_is_found_when_it_is_read(place: Field) -> None:
    np.savez(place.file.parent / "x.npz", a=np.zeros(100))
    whole = files.stored(place, "x.npz#a")
    raw = bytearray(whole.file.read_bytes())
    raw[400] ^= 1
    whole.file.write_bytes(raw)
    with pytest.raises(GoldenError, match=r"x.npz#a cannot be read: BadZipFile"):
        whole.read()


def test_a_file_that_changed_since_it_was_looked_at_is_refused(place: Field) -> None:
    np.save(place.file.parent / "x.npy", np.zeros(2))
    before = files.stored(place, "x.npy")
    np.save(place.file.parent / "x.npy", np.zeros(3))
    with pytest.raises(GoldenError, match="changed while it was being used"):
        before.read()


def test_a_missing_member_names_those_there_are(place: Field) -> None:
    np.savez(place.file.parent / "x.npz", image=np.zeros(2))
    with pytest.raises(GoldenError, match=r"no array 'imgae'\n  hint: did you mean 'image'\?"):
        files.stored(place, "x.npz#imgae")


def test_an_archive_without_a_member_named_says_how_to_write_it(place: Field) -> None:
    np.savez(place.file.parent / "x.npz", image=np.zeros(2))
    with pytest.raises(GoldenError, match=r"does not say which array\n  hint: write 'x.npz#image'"):
        files.stored(place, "x.npz")


@pytest.mark.parametrize("names", [["a.npy", "a.npy"], ["readme.txt"]])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_with_anything_but_distinct_arrays_is_refused(place: Field, names: list[str]) -> None:
    with zipfile.ZipFile(place.file.parent / "x.npz", "w") as archive:
        for name in names:
            archive.writestr(name, header() + bytes(8))
    with pytest.raises(GoldenError, match=r"twice|which is no array"):
        files.members(place, "x.npz")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255), length=st.integers(0, 400))
def test_a_damaged_archive_gives_an_array_or_a_golden_error(
    place: Field, position: int, value: int, length: int
) -> None:
    packed = io.BytesIO()
    np.savez(packed, a=np.arange(4.0))
    raw = bytearray(packed.getvalue())
    raw[position % len(raw)] = value
    (place.file.parent / "x.npz").write_bytes(raw[: len(raw) - (length if length < 200 else 0)])
    with contextlib.suppress(GoldenError):
        files.stored(place, "x.npz#a").read()
