"""Which files of a folder are samples: their labels come from a CSV or JSON file, which is read with suspicion."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from pytest_edgedevice.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MOST_BYTES = 256 << 20
DEFAULTS = ("labels.csv", "labels.json")
KEYS = {"file", "label", "id", "tags"}


class FolderSample(NamedTuple):
    """A file that is a sample."""

    file: Path
    label: Any
    id: str
    tags: tuple[str, ...]


def folder_samples(folder: Path, labels: Path | None) -> list[FolderSample]:
    """The samples of a folder, in the order of its labels.

    Args:
        folder: Where the files are.
        labels: The CSV or JSON file; None for the one of the usual name.

    Raises:
        InputError: It is missing or malformed, or names a file that is missing or outside of the folder.
    """
    if not folder.is_dir():
        raise InputError(f"data set {str(folder)!r} is no folder")
    place = _labels_of(folder) if labels is None else labels
    try:
        with place.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the labels {str(place)!r}: {error}") from error
    if len(raw) > MOST_BYTES:
        raise InputError(f"the labels {str(place)!r} take more than {MOST_BYTES >> 20} MiB")
    read = _of_json if place.suffix.lower() == ".json" else _of_csv
    found = [_sample(entry, folder, f"{place}: entry {at}") for at, entry in enumerate(read(text, place), start=1)]
    if not found:
        raise InputError(f"the labels {str(place)!r} name no sample")
    if len({one.id for one in found}) < len(found):
        raise InputError(f"the labels {str(place)!r} name two samples with one id")
    return found


def _labels_of(folder: Path) -> Path:
    found = [folder / name for name in DEFAULTS if (folder / name).is_file()]
    if len(found) != 1:
        what = "has both" if found else "has neither"
        raise InputError(f"data set {str(folder)!r} {what} labels.csv and labels.json", hint="name the file: labels=")
    return found[0]


def _of_csv(text: str, place: Path) -> Iterable[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        entries = list(reader)
    except csv.Error as error:
        raise InputError(f"{place}:{reader.line_num}: no CSV: {error}") from error
    if "file" not in (reader.fieldnames or ()):
        raise InputError(f"{place} has no column 'file', but {reader.fieldnames}", hint="file,label[,id][,tags]")
    if wrong := [at for at, entry in enumerate(entries, start=2) if None in entry or None in entry.values()]:
        raise InputError(f"{place}: line {wrong[0]} has another number of columns than the heading")
    return [{**entry, "label": _number(entry.get("label"))} for entry in entries]


def _number(text: str | None) -> Any:
    """A label of a CSV file: a whole number or another where it reads as one, else the text."""
    for kind in (int, float):
        try:
            value = kind(text or "")
        except ValueError:
            continue
        return value if math.isfinite(value) else text
    return text or None


def _of_json(text: str, place: Path) -> Iterable[Mapping[str, Any]]:
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: no JSON: {error}") from error
    if isinstance(found, dict):
        return [
            {"file": file, **entry} if isinstance(entry, dict) and entry.keys() <= KEYS else
            {"file": file, "label": entry}
            for file, entry in found.items()
        ]  # fmt: skip
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(f"{place} is no list of objects and no mapping of file to label")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _sample(entry: Mapping[str, Any], folder: Path, where: str) -> FolderSample:
    name, tags = entry.get("file"), entry.get("tags") or ()
    if not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{where}: 'file' is {name!r:.60}, and no file's name")
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{where}: file {name!r:.200} lies outside of the folder")
    if not file.is_file():
        raise InputError(f"{where}: file {name!r:.200} does not exist in {str(folder)!r}")
    words = tags.split() if isinstance(tags, str) else tags
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{where}: 'tags' is {tags!r:.60}, and no list of texts")
    return FolderSample(file, entry.get("label"), str(entry.get("id") or name), tuple(words))
