"""Records references: runs the server's model over a golden's inputs and keeps what it says.

Owns judging the callable's result and the provenance in ``golden.json``. Nothing
is written unless all of it is valid.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens import blindness, references
from pytest_edgedevice.goldens.document import NAME, unknown_names
from pytest_edgedevice.goldens.fields import Field
from pytest_edgedevice.goldens.files import DTYPES, inside
from pytest_edgedevice.goldens.framework import guessed, installed_version
from pytest_edgedevice.goldens.golden import Reference, Source
from pytest_edgedevice.goldens.provenance import parse_provenance
from pytest_edgedevice.goldens.samples import Array, Samples, stack
from pytest_edgedevice.goldens.writing import packed, replace_all

if TYPE_CHECKING:
    import os

DEFAULT_FILE = "references.npz"


@dataclass(frozen=True, slots=True)
class Changes:
    """What a recording did; true where it changed anything, and as text a phrase for people.

    Attributes:
        changed: Whether anything was written.
        files: Files that were written, by their path within the folder.
        details: One phrase for each output and provenance field that changed, for people.
    """

    changed: bool
    files: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.changed

    def __str__(self) -> str:
        return f"wrote {' and '.join(self.files)} ({'; '.join(self.details)})" if self.changed else "unchanged"


def record_references(
    golden_folder: str | os.PathLike[str],
    reference: Reference,
    *,
    model_sha256: str | Sequence[str] | None = None,
    framework: str = "",
    version: str = "",
    date: dt.date | None = None,
    note: str | None = None,
    source: Mapping[str, str] | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> Changes:
    """Compute the references of a golden and write them with their provenance.

    The same values and provenance give the same bytes. Where nothing but the date would change,
    nothing is written.

    Args:
        golden_folder: The folder that holds ``golden.json``; references on disk may be absent or broken.
        reference: From inputs (name to array (n, ...), or a list where shapes vary; read-only) to outputs
            by server output name: array (n, ...), or a list of n arrays. Called once.
        model_sha256: Model files the references speak for; None keeps those in the document.
        framework: What computed them; by default the distribution that the callable comes from, or
            else what the document says.
        version: Its version; by default the installed one.
        date: Day of the recording; today in UTC by default.
        note: Free text; None keeps the document's.
        source: What else is known of what computed them; by default nothing, for what the document
            says of another recording would be wrong.
        inputs: Folders with inputs that the golden knows by their hash only.

    Raises:
        GoldenError: The golden is wrong, or the callable's result is.
        InfraError: A file cannot be written.
        Exception: Whatever the callable raises. In every case the folder stays as it was.
    """
    golden = Source(Path(golden_folder), with_references=False, inputs=[Path(one) for one in inputs])
    computed = _computed(golden, reference)
    members = _members(golden, computed)

    name, guess = (framework, "") if framework else guessed(reference)
    name = name or golden.document.provenance.framework
    given: dict[str, Any] = {
        "model_sha256": model_sha256 if isinstance(model_sha256, str | None) else list(model_sha256),
        "framework": name,
        "version": version or guess or installed_version(name),
        "note": note,
        "source": dict(source or {}),
    }
    day = date or dt.datetime.now(dt.UTC).date()
    return _write(golden, computed, members, given, day=day)


def _computed(source: Source, reference: Reference) -> dict[str, Samples]:
    """Call the reference and bring its result into the form that is stored."""
    result: Any = reference(source.inputs)
    if not isinstance(result, Mapping) or not result:
        raise GoldenError(
            f"{source.where}: the reference callable gave {type(result).__name__}, not outputs by name",
            hint="return {output name: array}, samples along the first axis",
        )
    place = Field(None, source.folder / NAME, "references")
    outputs: dict[str, Samples] = {}
    for name, value in result.items():
        outputs[Field(name, source.folder / NAME, "references").text()] = _samples(name, value, source, place=place)
    constant = source.document.constant_outputs
    for key, names in (("outputs", source.document.outputs), ("constant_outputs", constant)):
        if names:
            unknown_names(source.document.root.child(key), names, outputs, what="output of the reference callable")
    blindness.check_references(outputs, source.ids, constant=constant, where=source.where)
    return outputs


def _samples(name: str, value: Any, source: Source, *, place: Field) -> Samples:
    count = len(source.samples)
    if isinstance(value, list | tuple):
        arrays = [_array(name, one, place=place) for one in value]
        dtypes = sorted({one.dtype.name for one in arrays})
        if len(arrays) == count and len(dtypes) == 1:
            return stack(arrays)
        found = f"{len(arrays)} arrays of {' and '.join(dtypes) or 'nothing'}"
    else:
        array = _array(name, value, place=place)
        if array.shape[:1] == (count,):
            return array
        found = f"shape {array.shape}"
    return place.fail(
        f"the reference callable gave {found} for {name!r}; the golden has {count} samples",
        hint="return one row a sample along the first axis, all of one dtype",
    )


def _array(name: str, value: Any, *, place: Field) -> Array:
    try:
        array = np.array(value, order="C")  # a copy: the callable may reuse its buffer
    except Exception as error:  # noqa: BLE001 - whatever a foreign tensor's __array__ raises
        place.fail(f"the reference callable's {name!r} is no array: {error}", hint="return numpy arrays")
    if array.dtype.name not in DTYPES:
        place.fail(f"the reference callable's {name!r} holds {array.dtype}", hint=f"known are {', '.join(DTYPES)}")
    array.flags.writeable = False
    return array


def _members(source: Source, computed: Mapping[str, Samples]) -> dict[str, Array]:
    """Arrays by their name in the NPZ file, proven to be read back as what they are."""
    count = len(source.samples)
    members: dict[str, Array] = {}
    for name, samples in computed.items():
        if isinstance(samples, list):
            members.update(zip(references.ragged_members(name, count), samples, strict=True))
        else:
            members[name] = samples
    back = references.grouped(members, count, literal=source.document.outputs)
    if back.keys() != computed.keys():
        odd = sorted(back.keys() ^ computed.keys())
        raise GoldenError(
            f"{source.where}: references: {odd} cannot be told from one output with an array a sample",
            hint="list them in 'outputs' (each may keep its name), which takes names as they stand",
        )
    return members


def _write(
    source: Source,
    computed: Mapping[str, Samples],
    members: Mapping[str, Array],
    given: dict[str, Any],
    *,
    day: dt.date,
) -> Changes:
    root = source.document.root
    target = root.value.get("references", DEFAULT_FILE)
    place = source.document.references or Field(target, root.file, "references")
    path = inside(place, target)
    old = _old(source)
    details = _differences(old, computed)

    before = dict(root.value.get("provenance", {}))
    provenance = before | {key: value for key, value in given.items() if value is not None}
    provenance = {key: value for key, value in provenance.items() if value not in ("", [], {})}
    details += [f"provenance.{key}" for key in given if _lasting(before.get(key)) != _lasting(provenance.get(key))]
    if not details and "references" in root.value:
        return Changes(changed=False)
    provenance["date"] = day.strftime("%Y-%m-%d")
    parse_provenance(Field(provenance, root.file, "provenance"))
    text = json.dumps(root.value | {"references": target, "provenance": provenance}, indent=2, ensure_ascii=False)
    files = {path: packed(members), root.file: f"{text}\n".encode()}
    replace_all(files)
    return Changes(changed=True, files=(target, NAME), details=tuple(details))


def _lasting(value: Any) -> Any:
    """A field of the provenance without its moment, which alone is no reason to write."""
    return {key: one for key, one in value.items() if key != "time"} if isinstance(value, dict) else value


def _old(source: Source) -> dict[str, Samples]:
    """What is on disk now; nothing where that cannot be read, for it is about to be replaced."""
    try:
        found = references.find(source.document, len(source.samples))
        return {name: references.read(arrays, name) for name, arrays in found.items()}
    except GoldenError:
        return {}


def _differences(old: Mapping[str, Samples], new: Mapping[str, Samples]) -> list[str]:
    phrases = [f"{name}: gone" for name in old if name not in new]
    for name, samples in new.items():
        if name not in old:
            phrases.append(f"{name}: new")
            continue
        pairs = list(zip(old[name], samples, strict=False))
        if len(old[name]) != len(samples) or any(a.shape != b.shape or a.dtype != b.dtype for a, b in pairs):
            phrases.append(f"{name}: other shape or dtype")
            continue
        changed = [(a, b) for a, b in pairs if a.tobytes() != b.tobytes()]
        if changed:
            largest = max(float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max()) for a, b in changed)
            phrases.append(f"{name}: {len(changed)} of {len(samples)} samples differ, by at most {largest:g}")
    return phrases
