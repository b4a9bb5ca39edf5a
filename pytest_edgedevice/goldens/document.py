"""What ``golden.json`` says, checked field by field.

Owns schema 1 and its texts. Reads no arrays and no images; files are only
looked up. Raises only ``GoldenError``, which names file, JSON path and remedy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.fields import Field, nearest, read_json
from pytest_edgedevice.goldens.inputs import Input, read_input
from pytest_edgedevice.goldens.provenance import Provenance, parse_provenance, sha256_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

SCHEMA = 1
NAME = "golden.json"
KEYS = (
    "schema",
    "name",
    "inputs",
    "samples",
    "references",
    "outputs",
    "constant_outputs",
    "tags",
    "provenance",
    "files",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: identity, tags, and the file of each input that is not one common array."""

    id: str
    tags: tuple[str, ...]
    files: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Document:
    """A checked ``golden.json``.

    Attributes:
        root: The whole document, for messages and for writing it back.
        samples: None when every input is one array and the document names no samples.
        references: Field with the NPZ file's name; None when there are none yet.
        outputs: Server output name to device output name, where they differ.
        constant_outputs: Server output names that may be constant.
        files: Files of the inputs by path, with their SHA-256; those listed may lie elsewhere.
    """

    root: Field
    name: str
    inputs: Mapping[str, Input]
    samples: tuple[Sample, ...] | None
    references: Field | None
    outputs: Mapping[str, str]
    constant_outputs: tuple[str, ...]
    tags: tuple[str, ...]
    provenance: Provenance
    files: Mapping[str, Field]


def read_document(folder: Path) -> Document:
    """Read and check ``folder/golden.json``.

    Raises:
        GoldenError: Folder or file are absent, the file is malformed, or a field is wrong.
    """
    file = folder / NAME
    try:
        found = file.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL in it
        found = False
    if not found:
        raise GoldenError(
            f"{file}: no such file", hint="a golden is a folder with a golden.json; see goldens/FORMAT.md"
        )
    root = read_json(file)
    top = root.members(required=("schema",))
    version = top["schema"].value
    if version != SCHEMA or isinstance(version, bool):
        top["schema"].fail(f"schema {version!r:.20} is not supported; this release reads schema {SCHEMA}")
    top = root.members(known=KEYS, required=("name", "inputs"))
    inputs = _inputs(top["inputs"])
    tags = _texts(top, "tags")
    samples = _samples(root, top.get("samples"), inputs, common=tags)
    return Document(
        root=root,
        name=_label(top["name"]),
        inputs=inputs,
        samples=samples,
        references=_references(top.get("references"), inputs, samples),
        outputs=_outputs(top.get("outputs")),
        constant_outputs=_texts(top, "constant_outputs"),
        tags=tags,
        provenance=parse_provenance(top.get("provenance")),
        files=_files(top.get("files"), inputs, samples),
    )


def _inputs(field: Field) -> dict[str, Input]:
    members = field.members()
    if not members:
        field.fail("names no input", hint='give every model input an entry, e.g. "inputs": {"image": {}}')
    return {one.checked(name): read_input(one) for name, one in members.items()}


def _samples(
    root: Field, field: Field | None, inputs: Mapping[str, Input], *, common: tuple[str, ...]
) -> tuple[Sample, ...] | None:
    single = [name for name, one in inputs.items() if one.array is None]
    if field is None:
        if single:
            root.fail("the key 'samples' is missing", hint=f"name a file for input {single[0]!r} in every sample")
        return None
    samples = tuple(_sample(entry, single, common=common) for entry in field.entries())
    if not samples:
        field.fail("is empty", hint="a golden needs at least one sample")
    first: dict[str, int] = {}
    for index, sample in enumerate(samples):
        if sample.id in first:
            place = f"samples[{first[sample.id]}]"
            field.entries()[index].child("id").fail(f"{sample.id!r} is the id of {place} already", hint="rename one")
        first[sample.id] = index
    return samples


def _sample(field: Field, single: list[str], *, common: tuple[str, ...]) -> Sample:
    keys = field.members(known=("id", "file", "files", "tags"), required=("id",))
    files: dict[str, Field] = {}
    if "file" in keys:
        if len(single) != 1 or "files" in keys:
            keys["file"].fail(
                f"serves sets with one input that has a file a sample; here are {len(single)}: {single}"
                if len(single) != 1
                else "stands beside 'files'",
                hint="use 'files': {input: path}" if single else "leave it out; every input is one array",
            )
        files = {single[0]: keys["file"]}
    elif "files" in keys:
        files = keys["files"].members(known=single)
    for name in single:
        if name not in files:
            field.fail(f"has no file for input {name!r}", hint='add "file", or "files" with one path an input')
    for file in files.values():
        file.text()
    tags = _texts(keys, "tags")
    return Sample(_label(keys["id"]), (*common, *(tag for tag in tags if tag not in common)), files)


def _references(field: Field | None, inputs: Mapping[str, Input], samples: tuple[Sample, ...] | None) -> Field | None:
    if field is None:
        return None
    if not field.text().endswith(".npz"):
        field.fail(f"is {field.value!r}, but an NPZ file is needed", hint="store them with numpy.savez")
    for place in _places(inputs, samples):
        if file_of(place) == field.value:  # a recording would write over it
            field.fail(
                f"{field.value!r} is the file of {place.path} as well",
                hint="give references a file of their own",
            )
    return field


def _places(inputs: Mapping[str, Input], samples: tuple[Sample, ...] | None) -> list[Field]:
    """Every field that names a file of the inputs."""
    places = [one.array for one in inputs.values() if one.array is not None]
    return places + [file for sample in samples or () for file in sample.files.values()]


def file_of(place: Field) -> str:
    """The file in a path such as ``batch.npz#image``."""
    name, sign, _ = place.text().partition(".npz#")
    return name + ".npz" if sign else name


def _files(field: Field | None, inputs: Mapping[str, Input], samples: tuple[Sample, ...] | None) -> dict[str, Field]:
    if field is None:
        return {}
    hashes = field.members()
    unknown_names(field, hashes, {file_of(place) for place in _places(inputs, samples)}, what="file of an input")
    for one in hashes.values():
        sha256_text(one)
    return hashes


def _outputs(field: Field | None) -> dict[str, str]:
    if field is None:
        return {}
    names = {one.checked(server): one.text() for server, one in field.members().items()}
    taken: dict[str, str] = {}
    for server, device in names.items():
        if device in taken:
            field.child(server).fail(f"{device!r} is the name for {taken[device]!r} already", hint="rename one")
        taken[device] = server
    return names


def _label(field: Field) -> str:
    text = field.text()
    if "/" in text or "\\" in text or text in {".", ".."}:
        field.fail(f"{text!r} cannot name a file in a report", hint="leave out '/' and '\\'")
    return text


def _texts(keys: Mapping[str, Field], key: str) -> tuple[str, ...]:
    if key not in keys:
        return ()
    return tuple(dict.fromkeys(entry.text() for entry in keys[key].entries()))


def unknown_names(field: Field, names: Collection[str], known: Collection[str], *, what: str) -> None:
    """Refuse a name of ``names`` that is not in ``known``; ``what`` says what the names are."""
    for name in names:
        if name not in known:
            field.fail(f"{name!r} is no {what}", hint=nearest(name, known))
