"""What a data set is: samples that come in chunks, any number of times or only once.

Owns the two shapes that data sets have, whole arrays and single samples. Where they come from is in ``sources``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import InputError
from pytest_edgedevice.evaluation import columns
from pytest_edgedevice.given import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_edgedevice.evaluation.columns import Column
    from pytest_edgedevice.values import ModelInfo

CHUNK_BYTES = 4 << 20
"""A chunk takes about so much at most, unless a single sample takes more."""
NAME = "data set"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample.

    Attributes:
        inputs: Input name to array without the samples' axis; or the array, for a model with one input.
        label: What the metric compares with; anything that it understands.
        id: Its name, for the list of the worst; its position by default.
        tags: Slices that it belongs to, e.g. ``("night", "rain")``.
    """

    inputs: Any
    label: Any = None
    id: str = ""
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Samples that are run and scored together.

    Attributes:
        inputs: A column of inputs; see ``columns``.
        labels: A column of labels; None where there are none.
        samples: How many.
        first: Position of the first one in the set.
        ids: Their names; None for their positions.
        tags: Tags of each; None where none has any.
    """

    inputs: Column
    labels: Column
    samples: int
    first: int
    ids: Sequence[str] | None = None
    tags: Sequence[Sequence[str]] | None = None

    def id_of(self, at: int) -> str:
        """The name of one sample."""
        return (str(self.ids[at]) if self.ids is not None else "") or str(self.first + at)

    def label_of(self, at: int) -> Any:
        """The label of one sample."""
        return None if self.labels is None else columns.row(self.labels, at)

    def only(self, places: Sequence[int]) -> Chunk:
        """Labels and names of some of the samples, without inputs."""
        return Chunk(
            None,
            None if self.labels is None else columns.rows(self.labels, places),
            len(places),
            self.first,
            [self.id_of(at) for at in places],
        )


class Dataset(ABC):
    """Samples with labels, ids and tags; made by ``pytest_edgedevice.evaluation.sources`` or by a subclass.

    Attributes:
        name: For people, and for finding an evaluation that was cut.
        samples: How many there are; None where that is not known before the end.
        once: Whether they can be had a single time only, as those of a generator.
    """

    name: str = NAME
    samples: int | None = None
    once: bool = False

    @abstractmethod
    def chunks(self, most: Callable[[], int]) -> Iterator[Chunk]:
        """All samples in order, from the beginning with each call.

        Args:
            most: Asked before each chunk: how many samples it may hold at most.
        """

    def check_model(self, info: ModelInfo) -> None:  # noqa: B027 - most are for any model
        """Raise ``GoldenError`` where the labels were made for other model files than this one."""


@dataclass(frozen=True)
class ArrayDataset(Dataset):
    """Samples along the first axis of arrays, which are never copied; see ``Chunk`` for the columns."""

    inputs: Column
    labels: Column = None
    ids: Sequence[str] | None = None
    tags: Sequence[Sequence[str]] | None = None
    name: str = NAME
    check: Callable[[ModelInfo], None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        given = {"inputs": self.inputs, "labels": self.labels, "ids": self.ids, "tags": self.tags}
        counts: dict[str, int | None] = {}
        for what, column in given.items():
            if column is None and what != "inputs":
                continue
            _check_columns(column, what, self.name)
            counts[what] = columns.length(column)
        if len(set(counts.values())) != 1 or None in counts.values():
            raise InputError(f"data set {self.name!r} has different numbers of samples: {counts}")
        if self.ids is not None and len({str(one) for one in self.ids}) < len(self.ids):
            raise InputError(f"data set {self.name!r}: two samples have the same id")
        object.__setattr__(self, "samples", counts["inputs"])

    def chunks(self, most: Callable[[], int]) -> Iterator[Chunk]:
        """See ``Dataset``."""
        samples = self.samples or 0
        each_bytes = columns.size_bytes(columns.row(self.inputs, 0)) if samples else 1
        fitting = max(1, CHUNK_BYTES // max(each_bytes, 1))
        first = 0
        while first < samples:
            last = min(first + max(min(most(), fitting), 1), samples)
            yield Chunk(
                columns.part(self.inputs, first, last),
                None if self.labels is None else columns.part(self.labels, first, last),
                last - first,
                first,
                None if self.ids is None else self.ids[first:last],
                None if self.tags is None else self.tags[first:last],
            )
            first = last

    def check_model(self, info: ModelInfo) -> None:
        """See ``Dataset``."""
        if self.check is not None:
            self.check(info)


class SampleDataset(Dataset):
    """Samples one by one, of any iterable.

    Args:
        begin: Gives the samples from the beginning, or what ``sample_of`` takes for one.
        name: See ``Dataset``.
        samples: See ``Dataset``.
        once: Whether the samples can be had a single time only, as those of a generator.
    """

    def __init__(
        self, begin: Callable[[], Iterable[Any]], *, name: str = NAME, samples: int | None = None, once: bool = False
    ) -> None:
        self._begin = begin
        self.once = once
        self._begun = False
        self.name = name
        self.samples = samples

    def chunks(self, most: Callable[[], int]) -> Iterator[Chunk]:
        """See ``Dataset``.

        Raises:
            InputError: The samples were used up before; or something among them is none.
        """
        if self.once and self._begun:
            raise InputError(
                f"data set {self.name!r} gives its samples only once, and they were used already",
                hint="give a function that makes the generator, not the generator: lambda: samples()",
            )
        self._begun = True
        gathered: list[Sample] = []
        size_bytes, first, limit = 0, 0, most()
        begun = self._begin()
        if not isinstance(begun, Iterable):
            raise InputError(
                f"data set {self.name!r}: the function gave {shown(begun)}, and no samples",
                hint="give a function that makes a generator or a list of samples",
            )
        for at, one in enumerate(begun):
            gathered.append(sample_of(one, at, self.name))
            size_bytes += columns.size_bytes(gathered[-1].inputs)
            if len(gathered) >= limit or size_bytes >= CHUNK_BYTES:
                yield _chunk(gathered, first)
                first, size_bytes, gathered, limit = first + len(gathered), 0, [], most()
        if gathered:
            yield _chunk(gathered, first)


def sample_of(one: Any, at: int, name: str) -> Sample:
    """What stands for a sample: a ``Sample``, ``(inputs, label[, id[, tags]])``, or a mapping with those names.

    Raises:
        InputError: It is none of them.
    """
    if isinstance(one, Sample):
        found = one
    elif isinstance(one, Mapping) and "inputs" in one and one.keys() <= {"inputs", "label", "id", "tags"}:
        found = Sample(**one)
    elif isinstance(one, tuple) and 1 <= len(one) <= 4:
        found = Sample(*one)
    else:
        raise InputError(
            f"entry {at} of data set {name!r} is no sample, but a {type(one).__name__}",
            hint="give Sample(inputs, label, id, tags), a tuple like it, or a mapping with these names",
        )
    if isinstance(found.tags, str):
        raise InputError(f"the tags of sample {at} of data set {name!r} are one text: give a tuple, ({found.tags!r},)")
    return found


def _chunk(samples: Sequence[Sample], first: int) -> Chunk:
    try:
        inputs = columns.stacked([one.inputs for one in samples])
    except (KeyError, TypeError, IndexError) as error:
        last = first + len(samples) - 1
        raise InputError(f"samples {first} to {last} have different names of inputs: {error}") from error
    tags = [columns.tags_of(one.tags) for one in samples]
    return Chunk(
        inputs,
        [one.label for one in samples] if any(one.label is not None for one in samples) else None,
        len(samples),
        first,
        [_id_of(one.id) for one in samples],
        tags if any(tags) else None,
    )


def _check_columns(column: Column, what: str, name: str) -> None:
    """Refuse what has no value for each sample, by its name."""
    for key, one in column.items() if isinstance(column, Mapping) else ((None, column),):
        if not columns.is_column(one):
            where = what if key is None else f"{key!r} of the {what}"
            wanted = "an array or a list with one value a sample"
            raise InputError(f"data set {name!r}: {where} must be {wanted}, not {shown(one)}")


def _id_of(given: Any) -> str:
    return "" if given is None else str(given)
