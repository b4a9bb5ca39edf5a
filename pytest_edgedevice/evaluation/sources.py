"""From what users have to a data set: arrays, an NPZ file, a golden, a folder of images, a generator."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.evaluation import columns
from pytest_edgedevice.evaluation.dataset import NAME, ArrayDataset, Dataset, SampleDataset
from pytest_edgedevice.evaluation.folder import folder_samples

if TYPE_CHECKING:
    from pytest_edgedevice.values import ModelInfo, Outputs

LABELS = ("labels", "label", "y")
IDS = ("ids", "id")
TAGS = ("tags",)


@runtime_checkable
class GoldenLike(Protocol):
    """A golden set, as ``load_golden`` makes it."""

    name: str
    ids: tuple[str, ...]
    tags: tuple[tuple[str, ...], ...]

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Input name to samples."""

    @property
    def references(self) -> Outputs:
        """Output name to references."""

    def check_model(self, info: ModelInfo) -> None:
        """Raise ``GoldenError`` if the references speak for another model."""


def as_dataset(source: Any) -> Dataset:
    """Make a data set of what a user has.

    Args:
        source: A ``Dataset``; a golden (its references are the labels); a mapping of arrays, or the path of an NPZ file
            with them, in which ``labels``, ``ids`` and ``tags`` have these names and everything else is an input;
            or samples: a sequence, a generator, or a function that makes one, and so can be begun again.

    Raises:
        InputError: It is none of these, or its parts do not fit together.
    """
    if isinstance(source, Dataset):
        return source
    if isinstance(source, GoldenLike):
        return from_golden(source)
    if isinstance(source, Mapping):
        return from_mapping(source)
    if isinstance(source, str | os.PathLike):
        return from_npz(source)
    if isinstance(source, Sequence | Iterator) or callable(source) or isinstance(source, Iterable):
        return from_samples(source)
    raise InputError(
        f"a {type(source).__name__} is no data set",
        hint="give arrays by name, an NPZ file, a golden, a Dataset, or samples: (inputs, label)",
    )


def from_arrays(
    inputs: Any,
    labels: Any = None,
    *,
    ids: Sequence[str] | None = None,
    tags: Sequence[Sequence[str]] | None = None,
    name: str = NAME,
) -> Dataset:
    """Samples along the first axis of arrays.

    Args:
        inputs: Input name to array (n, ...), or the array for a model with one input.
        labels: One a sample: an array (n, ...), a list, or a mapping of name to such.
        ids: Name of each sample.
        tags: Tags of each sample.
        name: Of the set.

    Raises:
        InputError: The numbers of samples differ, or two ids are the same.
    """
    inputs, labels, ids, tags = (_plain(one) for one in (inputs, labels, ids, tags))
    return ArrayDataset(inputs, labels, _texts(ids), _tags(tags), name)


def from_mapping(arrays: Mapping[str, Any], *, name: str = NAME) -> Dataset:
    """A mapping of arrays in which ``labels``, ``ids`` and ``tags`` are those, and everything else is an input."""
    taken = {what: _taken(arrays, names) for what, names in (("labels", LABELS), ("ids", IDS), ("tags", TAGS))}
    inputs = {key: value for key, value in arrays.items() if key not in taken.values()}
    if not inputs:
        raise InputError(f"data set {name!r} has no inputs, only {', '.join(map(repr, arrays)) or 'nothing'}")
    given = {what: None if key is None else arrays[key] for what, key in taken.items()}
    return from_arrays(inputs, given["labels"], ids=given["ids"], tags=given["tags"], name=name)


def from_npz(path: str | os.PathLike[str], *, name: str = "") -> Dataset:
    """The arrays of an NPZ file, as for ``from_mapping``; a folder is refused, see ``from_folder``."""
    place = Path(path)
    if place.is_dir():
        raise InputError(
            f"data set {str(place)!r} is a folder",
            hint="evaluation.sources.from_folder(path, load=...) says how its images become inputs",
        )
    try:
        with zipfile.ZipFile(place), np.load(place, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read data set {str(place)!r}: {error}", hint="numpy.savez(...) makes one") from error
    return from_mapping(arrays, name=name or place.stem)


def from_golden(golden: GoldenLike) -> Dataset:
    """A golden's samples, with its references as labels: a mapping of output name to array for each."""
    return ArrayDataset(
        golden.inputs, golden.references, golden.ids, golden.tags, golden.name, check=golden.check_model
    )


def from_samples(source: Any, *, name: str = NAME, samples: int | None = None) -> Dataset:
    """Samples of any iterable, or of a function that makes one.

    Args:
        source: Gives ``Sample``, ``(inputs, label[, id[, tags]])``, or mappings with these names.
        name: Of the set.
        samples: How many there will be, where that is known; for the progress that is shown.
    """
    if callable(source) and not isinstance(source, Iterable):
        return SampleDataset(source, name=name, samples=samples)
    count = len(source) if samples is None and isinstance(source, Sequence) else samples
    return SampleDataset(lambda: source, name=name, samples=count, once=isinstance(source, Iterator))


def from_folder(
    path: str | os.PathLike[str],
    load: Callable[[Path], Any],
    *,
    labels: str | os.PathLike[str] | None = None,
    name: str = "",
) -> Dataset:
    """Files in a folder, with their labels in a CSV or JSON file; each is read when it is its turn.

    Args:
        path: The folder.
        load: Makes a sample's inputs of a file's path: its array without the samples' axis, or a mapping of those.
        labels: A CSV file whose columns are ``file``, ``label``, and where wanted ``id`` and ``tags`` (separated by
            spaces); or a JSON file: a list of objects with these keys, or a mapping of file to label. By default
            ``labels.csv`` or ``labels.json`` in the folder.
        name: Of the set; the folder's by default.

    Raises:
        InputError: The labels cannot be read, or name a file that is missing or outside of the folder; when it is
            its turn, ``load`` failed on a file.
    """
    entries = folder_samples(Path(path), None if labels is None else Path(labels))

    def begin() -> Iterator[Any]:
        return ((_loaded(load, one.file), one.label, one.id, one.tags) for one in entries)

    return SampleDataset(begin, name=name or Path(path).resolve().name, samples=len(entries))


def _loaded(load: Callable[[Path], Any], file: Path) -> Any:
    try:
        return load(file)
    except Exception as error:
        raise InputError(f"load failed on {str(file)!r}: {type(error).__name__}: {error}"[:600]) from error


def _taken(arrays: Mapping[str, Any], names: Sequence[str]) -> str | None:
    found = [name for name in names if name in arrays]
    if len(found) > 1:
        raise InputError(f"which of {found} are the labels?", hint="evaluation.sources.from_arrays(inputs, labels)")
    return found[0] if found else None


def _plain(column: Any) -> Any:
    """Columns of tables as arrays: those find their values by the names of rows, not by places."""
    if isinstance(column, Mapping):
        return {name: _plain(one) for name, one in column.items()}
    return column.to_numpy() if hasattr(column, "to_numpy") else column


def _texts(values: Any) -> Sequence[str] | None:
    """The id of each sample; what is no list of them is left for the data set to refuse."""
    return [str(one) for one in values] if columns.is_column(values) else values


def _tags(values: Any) -> Sequence[Sequence[str]] | None:
    """Tags of each sample; what is no list of them is left for the data set to refuse."""
    return [columns.tags_of(one) for one in values] if columns.is_column(values) else values
