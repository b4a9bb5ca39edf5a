"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hex digest of a file's bytes.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
