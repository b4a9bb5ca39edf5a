"""A golden set: inputs with the server's reference outputs.

Owns loading a set, selecting from it and telling whether it speaks for a model.
Knows nothing of devices, runs or tolerances.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import blindness, kept, matching, references
from pytest_edgedevice.goldens.document import NAME, Document, Sample, read_document
from pytest_edgedevice.goldens.fields import nearest
from pytest_edgedevice.goldens.samples import Samples, plan

if TYPE_CHECKING:
    import os

    from pytest_edgedevice.goldens.preprocess import Preprocessing
    from pytest_edgedevice.goldens.provenance import Provenance
    from pytest_edgedevice.values import ModelInfo

Reference = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Source:
    """A whole set as it lies on disk; metadata is checked when it is made, arrays are read once."""

    def __init__(self, folder: Path, *, with_references: bool = True, inputs: Sequence[Path] = ()) -> None:
        self.document: Document = read_document(folder)
        self.folder = folder
        self._elsewhere = kept.elsewhere(self.document, inputs)
        self.samples: tuple[Sample, ...]
        self.samples, self._readers = plan(self.document, self._elsewhere)
        self.stored = references.find(self.document, len(self.samples)) if with_references else {}

    @property
    def where(self) -> str:
        """The document's path, for messages."""
        return str(self.folder / NAME)

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the samples, in order."""
        return tuple(sample.id for sample in self.samples)

    @cached_property
    def inputs(self) -> Mapping[str, Samples]:
        """Inputs of all samples, checked for NaN and duplicates; their files are those that were recorded."""
        kept.check_hashes(self.document, self._elsewhere)
        loaded = {name: read() for name, read in self._readers.items()}
        blindness.check_inputs(loaded, self.ids, where=self.where)
        return MappingProxyType(loaded)

    @cached_property
    def references(self) -> Mapping[str, Samples]:
        """References of all samples by *server* output name, checked to be able to detect something."""
        loaded = {name: references.read(arrays, name) for name, arrays in self.stored.items()}
        constant = self.document.constant_outputs
        blindness.check_references(loaded, self.ids, constant=constant, where=self.where)
        return MappingProxyType(loaded)


class Golden:
    """Inputs and reference outputs; made by ``load_golden``.

    Attributes:
        name: Name of the set.
        folder: Where it lies.
        ids: Name of each sample, in order.
        tags: Tags of each sample, in the same order; the set's own tags are in each.
        provenance: Which model files the references speak for, and what computed them.
    """

    def __init__(self, source: Source, picked: tuple[int, ...]) -> None:
        self._source = source
        self._picked = picked
        self.name: str = source.document.name
        self.folder: Path = source.folder
        self.ids: tuple[str, ...] = tuple(source.samples[index].id for index in picked)
        self.tags: tuple[tuple[str, ...], ...] = tuple(source.samples[index].tags for index in picked)
        self.provenance: Provenance = source.document.provenance

    def __repr__(self) -> str:
        return f"<Golden {self.name!r}: {len(self)} samples in {self.folder}>"

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.ids)

    @cached_property
    def inputs(self) -> Mapping[str, Samples]:
        """Input name to array (n, ...); a list, one a sample, where shapes vary.

        Read on first access, then kept; read-only.

        Raises:
            GoldenError: A file cannot be decoded, a value is NaN, or two samples are identical.
        """
        return self._pick(self._source.inputs)

    @cached_property
    def references(self) -> Mapping[str, Samples]:
        """Device output name to array (n, ...); a list, one a sample, where shapes vary.

        Read on first access, then kept; read-only.

        Raises:
            GoldenError: A value is not finite, or an output is the same for all samples and not
                listed in ``constant_outputs``.
        """
        servers = self._source.references
        names = references.device_names(self._source.document, servers)
        return self._pick({names[server]: samples for server, samples in servers.items()})

    @property
    def preprocessing(self) -> Mapping[str, Preprocessing]:
        """How images become inputs, by input name; nothing for inputs that are arrays."""
        inputs = self._source.document.inputs
        return MappingProxyType({name: one.steps for name, one in inputs.items() if one.array is None})

    def select(self, tag: str) -> Golden:
        """The samples that carry ``tag``, as a golden of its own.

        Whether the set can detect anything is judged over the whole set: a slice may be a
        single sample, or negatives only.

        Raises:
            GoldenError: No sample carries it; the text names the tags there are.
        """
        chosen = tuple(index for index, tags in zip(self._picked, self.tags, strict=True) if tag in tags)
        if not chosen:
            known = {one for tags in self.tags for one in tags}
            raise GoldenError(f"{self._source.where}: samples: none has the tag {tag!r}", hint=nearest(tag, known))
        return Golden(self._source, chosen)

    def check(self) -> None:
        """Read everything, and raise ``GoldenError`` for a golden that cannot detect a broken model.

        That is one with constant references, duplicate inputs or NaN. The first access to
        ``inputs`` and to ``references`` does its part of it by itself.
        """
        _ = self.inputs, self.references

    def check_model(self, info: ModelInfo) -> None:
        """Raise ``GoldenError`` where the references speak for other model files than this one."""
        matching.check_model(self.provenance, info, where=self._source.where)

    def inputs_for(self, info: ModelInfo) -> Mapping[str, Samples]:
        """The inputs with this model's dtypes: floats become integers by the model's own quantisation.

        So one golden serves a float model and its quantised conversion. Everything else is handed
        over unchanged, for the runner to judge.

        Raises:
            GoldenError: Names differ, an integer input has no quantisation, or the golden's own
                ``quantize`` has other parameters than the model.
        """
        steps = {name: one.steps.quantize for name, one in self._source.document.inputs.items()}
        return matching.inputs_for(self.inputs, info, steps=steps, where=self._source.where)

    def _pick(self, values: Mapping[str, Samples]) -> Mapping[str, Samples]:
        if len(self._picked) == len(self._source.samples):
            return MappingProxyType(dict(values))
        return MappingProxyType({name: _rows(samples, self._picked) for name, samples in values.items()})


def load_golden(
    folder: str | os.PathLike[str],
    *,
    reference: Reference | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> Golden:
    """Load a golden set: its metadata and all files' headers at once, its values on first access.

    Args:
        folder: The folder that holds ``golden.json``.
        reference: What can record the references. It is not called here, and never takes the
            place of references on disk; where those are absent, the error says how to record them.
        inputs: Folders with inputs that the golden knows by their hash only.

    Raises:
        GoldenError: The document or a file is missing, malformed or inconsistent, or there are no references.
    """
    source = Source(Path(folder), inputs=[Path(one) for one in inputs])
    if not source.stored:
        how = "run once with --edge-update-goldens"
        hint = how if reference is not None else f"pass reference= (a callable from inputs to outputs) and {how}"
        raise GoldenError(f"{source.where}: references: there are none", hint=hint)
    return Golden(source, tuple(range(len(source.samples))))


def _rows(samples: Samples, picked: Sequence[int]) -> Samples:
    if isinstance(samples, list):
        return [samples[index] for index in picked]
    rows: Any = samples[list(picked)]
    rows.flags.writeable = False
    return rows  # type: ignore[no-any-return]
