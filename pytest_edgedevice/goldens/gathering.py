"""Inputs that are to become a golden: arrays and folders of images, wherever they lie.

Owns what a golden's document says of them. Reads headers and hashes, no values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.document import NAME
from pytest_edgedevice.goldens.fields import Field
from pytest_edgedevice.goldens.files import members
from pytest_edgedevice.goldens.hashing import file_sha256
from pytest_edgedevice.goldens.preprocess import SUFFIXES
from pytest_edgedevice.goldens.recording import DEFAULT_FILE

if TYPE_CHECKING:
    import os

FORMS = "NAME=FILE.npy, NAME=FILE.npz#ARRAY, FILE.npz (an array an input) or NAME=FOLDER of images"


@dataclass(slots=True)
class Gathered:
    """What a document says of its inputs, and where their files are.

    Attributes:
        inputs: The document's ``inputs``.
        samples: The document's ``samples``; None where every input is an array.
        files: Name in the golden to the file itself.
    """

    inputs: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] | None = None
    files: dict[str, Path] = field(default_factory=dict)

    def add_file(self, path: Path) -> str:
        """Take a file in, and give its name in the golden."""
        if path.name in (NAME, DEFAULT_FILE):
            raise GoldenError(f"{path} has the name of one of the golden's own files", hint="rename it")
        if self.files.setdefault(path.name, path).resolve() != path.resolve():
            raise GoldenError(f"{path} and {self.files[path.name]} have one name", hint="rename one of them")
        return path.name

    def hashes(self) -> dict[str, str]:
        """The document's ``files``."""
        return {name: file_sha256(path) for name, path in self.files.items()}

    def folders(self) -> list[Path]:
        """Where the files lie."""
        return list(dict.fromkeys(path.parent for path in self.files.values()))


def gather(
    given: Sequence[str | os.PathLike[str]] | Mapping[str, str | os.PathLike[str]],
    *,
    only_input: str = "",
    preprocess: Mapping[str, Any] | None = None,
) -> Gathered:
    """Look at inputs.

    Args:
        given: One or several of ``FORMS``; or input name to file or folder.
        only_input: The model's input where it has exactly one: what has no name is that.
        preprocess: Keys of ``inputs.NAME`` in ``golden.json``, for the folder of images.

    Raises:
        GoldenError: There is nothing, or not in one of the forms.
    """
    pairs = list(given.items()) if isinstance(given, Mapping) else [_named(str(one)) for one in given]
    found = Gathered()
    for name, text in pairs:
        _add(found, name, str(text), only_input=only_input, preprocess=preprocess)
    if not found.inputs:
        raise GoldenError("no inputs are given", hint=f"name them with --inputs: {FORMS}")
    if preprocess and found.samples is None:
        raise GoldenError(
            "pre-processing is for images, and every input is an array", hint="process the arrays before storing them"
        )
    return found


def _named(text: str) -> tuple[str, str]:
    """Input name, which may be empty, and path."""
    name, sign, path = text.partition("=")
    return ("", text) if not sign or Path(text).exists() else (name, path)


def _add(found: Gathered, name: str, text: str, *, only_input: str, preprocess: Mapping[str, Any] | None) -> None:
    file, sign, array = text.rpartition(".npz#") if ".npz#" in text else (text, "", "")
    path = Path(file + ".npz" if sign else file)
    if path.is_dir():
        _new(found, name or only_input, text, dict(preprocess or {}))
        _images(found, path)
        return
    if not path.is_file():
        raise GoldenError(f"inputs {text!r} do not exist", hint=f"paths are relative to {Path.cwd()}")
    if path.suffix == ".npy":
        _new(found, name or only_input, text, {"array": found.add_file(path)})
        return
    if path.suffix != ".npz":
        raise GoldenError(f"inputs {text!r} are neither arrays nor a folder of images", hint=f"known are {FORMS}")
    place = Field(None, path.resolve())
    arrays = [array] if sign else list(members(place, path.resolve().name))
    if name and len(arrays) != 1:
        raise GoldenError(
            f"{path} holds {len(arrays)} arrays for input {name!r}: {', '.join(map(repr, arrays[:12]))}",
            hint=f"say which: {name}={path}#{arrays[0] if arrays else 'ARRAY'}",
        )
    for one in arrays:
        _new(found, name or (only_input if sign else one), text, {"array": f"{found.add_file(path)}#{one}"})


def _new(found: Gathered, name: str, text: str, entry: dict[str, Any]) -> None:
    if not name:
        raise GoldenError(f"inputs {text!r} do not say for which input of the model", hint=f"write NAME={text}")
    if name in found.inputs:
        raise GoldenError(f"input {name!r} is given twice", hint="leave one of them out")
    found.inputs[name] = entry


def _images(found: Gathered, folder: Path) -> None:
    """A sample an image, in the order of their names, which are the samples' ids."""
    if found.samples is not None:
        raise GoldenError("two inputs are folders of images", hint="store all but one of them as arrays")
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not images:
        raise GoldenError(f"{folder} holds no image", hint=f"known are {', '.join(SUFFIXES)}")
    stems = [path.stem for path in images]
    found.samples = [
        {"id": path.stem if stems.count(path.stem) == 1 else path.name, "file": found.add_file(path)} for path in images
    ]
