"""Files of a golden: paths that stay in its folder, arrays that are as large as they claim.

Owns safe paths and the reading of NPY files and NPZ members, with sizes checked
before anything is allocated and pickles never loaded. Knows nothing of samples
or models. Raises only ``GoldenError``.
"""

from __future__ import annotations

import math
import re
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.fields import Field, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAX_BYTES = 2 << 30  # of one file's arrays, unpacked: far above any golden, far below a bomb's
DTYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)


class Archives:
    """NPZ files that stay open while many of their members are read; their directory is parsed once."""

    def __init__(self) -> None:
        self._files: dict[Path, zipfile.ZipFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._files.values():
            archive.close()

    def open(self, file: Path) -> zipfile.ZipFile:
        """The archive, open."""
        if file not in self._files:
            self._files[file] = zipfile.ZipFile(file)
        return self._files[file]


@dataclass(frozen=True, slots=True)
class Stored:
    """An array on disk, known by its header: an NPY file, or one member of an NPZ file.

    Attributes:
        file: The file, proven to lie in the golden's folder.
        member: Name within the NPZ; None for an NPY file.
        shape: Shape by the header, which the file's size confirms.
        dtype: numpy's name of the element type.
        place: Field of the document that names it, for messages.
    """

    file: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: str
    place: Field

    @property
    def label(self) -> str:
        """How the document writes it, e.g. ``batch.npz#image``."""
        return self.file.name if self.member is None else f"{self.file.name}#{self.member}"

    def read(self, archives: Archives | None = None) -> npt.NDArray[Any]:
        """The values, in C order and native byte order, read-only; ``archives`` keeps NPZ files open."""
        with _decoding(self.place, self.label), _opened(self, archives) as (stream, size_bytes):
            shape, fortran, dtype = _header(stream, size_bytes=size_bytes, place=self.place, label=self.label)
            if (shape, dtype.name) != (self.shape, self.dtype):
                self.place.fail(f"{self.label} changed while it was being used", hint="run again")
            values = np.frombuffer(stream.read(math.prod(shape) * dtype.itemsize), dtype)
            ordered = values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
            # ascontiguousarray would turn a scalar into one element
            array = np.array(ordered, dtype=dtype.newbyteorder("="), order="C")
        array.flags.writeable = False
        return array


def inside(place: Field, relative: str) -> Path:
    """The path that ``relative`` names, proven to lie inside the document's folder; it need not exist.

    Raises:
        GoldenError: It is absolute, or climbs out by ``..`` or by a link.
    """
    folder = place.file.parent
    parts = relative.split("/")
    if "\\" in relative or re.match("[A-Za-z]:", relative) or {"", ".", ".."} & set(parts):
        place.fail(
            f"{relative!r} is not a plain path inside the golden's folder",
            hint="write it relative to golden.json, with '/', without '..' and without a leading '/'",
        )
    file = folder / relative
    try:
        safe = file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # a name too long, a link that names itself
        place.fail(f"{relative!r} cannot be looked up: {error}", hint="mend the path")
    if not safe:
        place.fail(f"{relative!r} leads out of the golden's folder", hint="copy the file into the folder")
    return file


def within(place: Field, relative: str, *, elsewhere: Mapping[str, Path] | None = None) -> Path:
    """The existing file that ``relative`` names, proven to lie inside the document's folder.

    ``elsewhere`` has those that may lie outside, because their hash is known.

    Raises:
        GoldenError: It leads out of the folder, or is no file.
    """
    if elsewhere and relative in elsewhere:
        return elsewhere[relative]
    file = inside(place, relative)
    try:
        found = file.is_file()
    except OSError as error:  # a name too long
        place.fail(f"{relative!r} cannot be looked up: {error}", hint="mend the path")
    if not found:
        place.fail(f"{relative!r} is not a file in {place.file.parent}", hint="add the file, or take the entry out")
    return file


def stored(
    place: Field,
    reference: str,
    *,
    seen: dict[str, dict[str, Stored]] | None = None,
    elsewhere: Mapping[str, Path] | None = None,
) -> Stored:
    """Look at the header of ``x.npy`` or ``x.npz#member``; no values are read.

    ``seen`` keeps the members of archives from call to call, for sets with a member a sample.
    """
    name, sign, member = reference.partition(".npz#")
    if sign:
        archives = {} if seen is None else seen
        known = archives.get(name) or archives.setdefault(name, members(place, name + ".npz", elsewhere=elsewhere))
        if member not in known:
            place.fail(f"{name}.npz has no array {member!r}", hint=nearest(member, known))
        return replace(known[member], place=place)
    if reference.endswith(".npz"):
        first = next(iter(members(place, reference, elsewhere=elsewhere)), "name")
        place.fail(f"{reference!r} does not say which array", hint=f"write {reference + '#' + first!r}")
    file = within(place, reference, elsewhere=elsewhere)
    with _decoding(place, file.name), file.open("rb") as stream:
        return _look(stream, file, None, place=place, size_bytes=file.stat().st_size)


def members(place: Field, relative: str, *, elsewhere: Mapping[str, Path] | None = None) -> dict[str, Stored]:
    """Every array of an NPZ file by name, by its header; sizes are checked, no values are read."""
    file = within(place, relative, elsewhere=elsewhere)
    found: dict[str, Stored] = {}
    with _decoding(place, file.name), zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
        total = sum(info.file_size for info in infos)
        if total > MAX_BYTES:
            place.fail(f"{file.name} unpacks to {total} bytes; at most {MAX_BYTES} are taken")
        for info in infos:
            name = info.filename.removesuffix(".npy")
            if name == info.filename or name in found:
                problem = "twice" if name in found else "which is no array"
                place.fail(f"{file.name} holds {info.filename!r} {problem}", hint="write it with numpy.savez")
            with archive.open(info) as stream:
                found[name] = _look(stream, file, name, place=place, size_bytes=info.file_size)
    return found


def _look(stream: IO[bytes], file: Path, member: str | None, *, place: Field, size_bytes: int) -> Stored:
    label = file.name if member is None else f"{file.name}#{member}"
    shape, _, dtype = _header(stream, size_bytes=size_bytes, place=place, label=label)
    return Stored(file, member, shape, dtype.name, place)


def _header(
    stream: IO[bytes], *, size_bytes: int, place: Field, label: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):  # later ones serve structured dtypes, and their headers have no small size limit
        place.fail(
            f"{label} is NPY version {version[0]}.{version[1]}; only 1.0 is read",
            hint="save it with numpy.save",
        )
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.name not in DTYPES:
        place.fail(f"{label} holds {dtype}, which no tensor has", hint=f"store one of {', '.join(DTYPES)}")
    claimed = math.prod(shape) * dtype.itemsize
    present = size_bytes - stream.tell()
    if min(shape, default=0) < 0 or claimed != present or claimed > MAX_BYTES:
        place.fail(
            f"{label} claims {claimed} bytes (shape {shape}, {dtype.name}), but holds {present}"
            f" (at most {MAX_BYTES} are taken)",
            hint="write the file again",
        )
    return tuple(int(size) for size in shape), bool(fortran), dtype


@contextmanager
def _opened(source: Stored, archives: Archives | None) -> Iterator[tuple[IO[bytes], int]]:
    if source.member is None:
        with source.file.open("rb") as stream:
            yield stream, source.file.stat().st_size
    else:
        with Archives() as own:
            archive = (archives or own).open(source.file)
            info = archive.getinfo(f"{source.member}.npy")
            with archive.open(info) as member:
                yield member, info.file_size


@contextmanager
def _decoding(place: Field, label: str) -> Iterator[None]:
    """Whatever a decoder raises on foreign bytes becomes one ``GoldenError``."""
    try:
        yield
    except GoldenError:
        raise
    except Exception as error:  # noqa: BLE001 - zipfile, zlib and numpy's header parser raise a dozen types
        place.fail(f"{label} cannot be read: {type(error).__name__}: {error}", hint="write the file again")
