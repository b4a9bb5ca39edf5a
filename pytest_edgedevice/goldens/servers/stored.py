"""Answers that were computed elsewhere: an NPZ file with one array an output, or an NPY file with the only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import GoldenError
from pytest_edgedevice.goldens.fields import Field
from pytest_edgedevice.goldens.files import members, stored
from pytest_edgedevice.goldens.hashing import file_sha256
from pytest_edgedevice.goldens.servers.server import Origin, Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class StoredAnswers(Server):
    """Hands stored outputs over, samples along the first axis; they are taken for those of the inputs given.

    Args:
        file: ``.npz``, or ``.npy`` for a model with one output.
        output: What the array of an NPY file is called.

    Raises:
        GoldenError: It is missing, no such file, or holds no numbers.
    """

    batch = -1

    def __init__(self, file: Path, *, output: str = "") -> None:
        self._file = file.resolve()
        place = Field(None, self._file)
        if self._file.suffix.lower() == ".npz":
            self._arrays = members(place, self._file.name)
        elif output:
            self._arrays = {output: stored(place, self._file.name)}
        else:
            raise GoldenError(
                f"{file}: an NPY file has no name for its array",
                hint="say whose it is with --output NAME, or write an NPZ file with numpy.savez",
            )

    def answer(self, inputs: Mapping[str, Any], outputs: Sequence[str]) -> Mapping[str, Any]:  # noqa: ARG002 - as stored
        """See ``Server``."""
        return {name: array.read() for name, array in self._arrays.items()}

    def origin(self) -> Origin:
        """See ``Server``."""
        return Origin(source={"kind": "file", "file": self._file.name, "sha256": file_sha256(self._file)})
