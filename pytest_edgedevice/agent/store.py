"""Blobs by content hash in the agent's folder.

A transport that can write files places them there itself; ``put`` is for
peers without one. A blob appears under its name only when its hash is right.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from typing import Union

SHA256 = re.compile(r"[0-9a-f]{64}")


class StoreError(Exception):
    """A blob cannot be stored or found; ``kind`` is the protocol's error kind."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Store:
    """The folder with the blobs, each file named by the sha256 of its content.

    Args:
        folder: Existing folder, ours alone.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._partial: dict[str, tuple[int, hashlib._Hash]] = {}

    def path(self, sha256: object) -> str:
        """Where the blob is or will be; the only way from a peer's word to a path."""
        if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
            raise StoreError("protocol", "a blob is named by 64 lower-case hexadecimal digits")
        return os.path.join(self.folder, sha256)

    def find(self, sha256: object) -> str:
        """The path of a blob that is here."""
        path = self.path(sha256)
        if not os.path.isfile(path):
            raise StoreError("missing", f"no blob {sha256} here")
        return path

    def has(self, sha256: object) -> bool:
        """Whether the whole blob is here."""
        return os.path.isfile(self.path(sha256))

    def put(self, sha256: str, offset: object, total: object, chunk: Union[bytes, memoryview]) -> bool:
        """Append a chunk; True when the blob is complete and its hash right.

        Chunks come in order. A chunk at offset 0 starts over.
        """
        path = self.path(sha256)
        if type(offset) is not int or type(total) is not int or not 0 <= offset <= offset + len(chunk) <= total:
            raise StoreError("protocol", f"chunk of {len(chunk)} at {offset!r} does not lie inside {total!r} bytes")
        if offset == 0:
            self._drop(sha256)
            self._partial[sha256] = (0, hashlib.sha256())
        have, digest = self._partial.get(sha256, (0, None))
        if digest is None or have != offset:
            raise StoreError("protocol", f"chunk at {offset} does not follow the {have} bytes that are here")
        try:
            with open(path + ".part", "ab") as file:
                file.write(chunk)
        except OSError as error:
            self._drop(sha256)
            raise StoreError(
                "full" if error.errno == errno.ENOSPC else "internal", f"cannot store the blob: {error}"
            ) from error
        digest.update(chunk)
        self._partial[sha256] = (offset + len(chunk), digest)
        if offset + len(chunk) < total:
            return False
        if digest.hexdigest() != sha256:
            self._drop(sha256)
            raise StoreError("protocol", f"blob {sha256} arrived with hash {digest.hexdigest()}")
        del self._partial[sha256]
        os.replace(path + ".part", path)
        return True

    def _drop(self, sha256: str) -> None:
        self._partial.pop(sha256, None)
        part = self.path(sha256) + ".part"
        if os.path.exists(part):
            os.unlink(part)
