"""The inputs of a golden: found at once, read when they are wanted.

Owns putting samples along the first axis. Knows nothing of references or models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pytest_edgedevice.goldens.document import Document, Sample
from pytest_edgedevice.goldens.files import MAX_BYTES, Archives, Stored, stored, within
from pytest_edgedevice.goldens.preprocess import SUFFIXES, load_image

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.goldens.fields import Field
    from pytest_edgedevice.goldens.inputs import Input

Array = npt.NDArray[Any]
Samples = Array | list[Array]
Reader = Callable[[], Samples]


def plan(document: Document, elsewhere: Mapping[str, Path]) -> tuple[tuple[Sample, ...], dict[str, Reader]]:
    """Look every file up, and return the samples with one reader an input.

    Args:
        document: What the golden says.
        elsewhere: Files that lie outside its folder, by the path that the document has for them.

    Raises:
        GoldenError: A file is missing or of the wrong kind, or numbers of samples differ.
    """
    whole = {
        name: stored(one.array, one.array.text(), elsewhere=elsewhere)
        for name, one in document.inputs.items()
        if one.array
    }
    samples = document.samples if document.samples is not None else _numbered(document, whole)
    readers: dict[str, Reader] = {}
    seen: dict[str, dict[str, Stored]] = {}
    for name, one in document.inputs.items():
        if name in whole:
            _counted(whole[name], len(samples))
            readers[name] = whole[name].read
        else:
            readers[name] = _stacking([_one(sample.files[name], one, seen, elsewhere) for sample in samples], one.place)
    return samples, readers


def stack(arrays: Sequence[Array]) -> Samples:
    """Samples along a new first axis; a list where their shapes differ. Read-only."""
    if len({one.shape for one in arrays}) > 1:
        for one in arrays:
            one.flags.writeable = False
        return list(arrays)
    stacked = np.stack(arrays)
    stacked.flags.writeable = False
    return stacked


def _numbered(document: Document, whole: Mapping[str, Stored]) -> tuple[Sample, ...]:
    first = next(iter(whole.values()))
    if not first.shape or first.shape[0] == 0:
        first.place.fail(f"{first.label} has shape {first.shape}; samples run along the first axis")
    return tuple(Sample(str(index), document.tags, {}) for index in range(first.shape[0]))


def _counted(array: Stored, samples: int) -> None:
    if array.shape[:1] != (samples,):
        array.place.fail(
            f"{array.label} has shape {array.shape}, but the golden has {samples} samples",
            hint="samples run along the first axis; store one row a sample",
        )


def _one(
    field: Field, one: Input, seen: dict[str, dict[str, Stored]], elsewhere: Mapping[str, Path]
) -> Callable[[Archives], Array]:
    text = field.text()
    suffix = PurePosixPath(text).suffix.lower()
    if suffix in {".npy", ".npz"} or ".npz#" in text:
        if one.processed:
            field.fail(
                f"{text!r} is an array, but input {one.place.path} has pre-processing, which is for images",
                hint="store an image, or take the pre-processing out and store processed arrays",
            )
        return stored(field, text, seen=seen, elsewhere=elsewhere).read
    file = within(field, text, elsewhere=elsewhere)
    if suffix not in SUFFIXES:
        field.fail(
            f"{text!r} is neither an image nor an array",
            hint=f"known are .npy, .npz#name, {', '.join(SUFFIXES)}",
        )
    return lambda _: load_image(file, one.steps, place=field)


def _stacking(readers: Sequence[Callable[[Archives], Array]], place: Field) -> Reader:
    def read() -> Samples:
        arrays: list[Array] = []
        size_bytes = 0
        with Archives() as archives:
            for reader in readers:
                arrays.append(reader(archives))
                size_bytes += arrays[-1].nbytes
                if size_bytes > MAX_BYTES:
                    problem = f"its samples take more than {MAX_BYTES} bytes"
                    place.fail(problem, hint="resize them, or split the golden")
        dtypes = sorted({one.dtype.name for one in arrays})
        if len(dtypes) > 1:
            place.fail(f"its samples have different dtypes: {', '.join(dtypes)}", hint="store them all alike")
        return stack(arrays)

    return read
