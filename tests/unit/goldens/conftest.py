"""One valid golden on disk, which the tests bend."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAMPLES = 3


class Folder:
    """A golden's folder: ``document`` is what will be in golden.json when ``write`` is called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        rng = np.random.default_rng(0)
        self.images = rng.random((SAMPLES, 2, 2), dtype=np.float32)
        np.savez(path / "images.npz", image=self.images)
        np.savez(path / "references.npz", scores=self.images.sum(2))
        self.document: dict[str, Any] = {
            "schema": 1,
            "name": "little",
            "inputs": {"image": {"array": "images.npz#image"}},
            "samples": [
                {"id": "a", "tags": ["dark"]},
                {"id": "b", "tags": ["dark", "odd"]},
                {"id": "c"},
            ],
            "references": "references.npz",
        }

    def write(self, **changes: Any) -> Path:
        """Write golden.json with ``changes``; a value of None takes the key out."""
        merged = self.document | changes
        kept = {key: value for key, value in merged.items() if value is not None}
        (self.path / "golden.json").write_text(json.dumps(kept, indent=2))
        return self.path

    def refer(self, **references: Any) -> Path:
        """Write other references, and the document."""
        np.savez(self.path / "references.npz", **references)
        return self.write()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A valid golden of three samples, not yet written."""
    return Folder(tmp_path / "little")


@pytest.fixture
def tree(folder: Folder) -> Callable[[], dict[str, bytes]]:
    """What is in the folder, to prove that nothing changed."""
    return lambda: {file.name: file.read_bytes() for file in folder.path.iterdir()}
