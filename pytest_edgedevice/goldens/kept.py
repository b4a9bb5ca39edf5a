"""Inputs that a golden knows by their hash: found where they are kept, and proven to be the same.

People's photos do not belong into a repository. A golden that lists a file in
``files`` needs only its hash; the file itself may lie in a folder that somebody
names when the golden is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.goldens.files import inside, within
from pytest_edgedevice.goldens.hashing import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_edgedevice.goldens.document import Document


def elsewhere(document: Document, folders: Sequence[Path]) -> dict[str, Path]:
    """Files of ``document.files`` that do not lie in the golden's folder, by the path that the document has.

    Raises:
        GoldenError: One is in none of the folders, or its path leads out of them.
    """
    found: dict[str, Path] = {}
    for relative, place in document.files.items():
        if inside(place, relative).is_file():
            continue
        known = next((folder / relative for folder in folders if (folder / relative).is_file()), None)
        if known is None:
            searched = f"; searched in {', '.join(map(str, folders))}" if folders else ""
            place.fail(
                f"{relative!r} is not kept with this golden, which knows its hash only{searched}",
                hint="name its folder: edge_inputs in the ini file, --inputs-from, or load_golden(inputs=[FOLDER])",
            )
        found[relative] = known
    return found


def check_hashes(document: Document, outside: Mapping[str, Path]) -> None:
    """Refuse a file that is another than the one whose references were recorded.

    Raises:
        GoldenError: A hash differs.
    """
    for relative, place in document.files.items():
        file = within(place, relative, elsewhere=outside)
        if file_sha256(file) != place.text().lower():
            place.fail(
                f"{file} is not the file that the references were recorded for: its SHA-256 differs",
                hint="bring that file back, or record the golden again: edgedevice record ... --force",
            )
