"""Blobs by content hash in the agent's folder, and model folders that are built from them.

A transport that can write files places them there itself; ``put`` is for
peers without one. A blob appears under its name only when its hash is right.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from typing import Optional, Union

from pytest_edgedevice.agent.folders import (
    MAX_MANIFEST_BYTES,
    SHA256,
    Entry,
    Manifest,
    ManifestError,
    read_manifest,
    suffix_of,
)

LINKED_BYTES = 1 << 20
"""Larger files of a model folder are its blobs themselves, for weights may have gigabytes; of others it has copies, for
coremltools writes a package's manifest anew when it opens it, and a blob must stay what its name says."""


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
        self._built: Optional[str] = None

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
            raise _unwritten("cannot store the blob", error) from error
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

    def build(self, sha256: object) -> str:
        """The folder that a manifest describes, made of the blobs that are here; there is one at a time.

        Raises:
            StoreError: ``protocol`` for a manifest that breaks a promise, ``missing`` where a blob is not here.
        """
        import tempfile  # few models are folders

        files, empty = self._manifest(self.find(sha256))
        self.drop_folder()
        try:
            self._built = tempfile.mkdtemp(prefix=f"{sha256}.", dir=self.folder)
            root = os.path.join(self._built, "model" + suffix_of(entry.path for entry in files))
            for entry in files:
                self._take(entry, os.path.join(root, *entry.path.split("/")))
            for path in empty:
                os.makedirs(os.path.join(root, *path.split("/")))
        except OSError as error:
            self.drop_folder()
            if isinstance(error, (FileExistsError, NotADirectoryError)):  # this system takes two of them for one
                raise StoreError("protocol", f"two paths of the manifest are one here: {error}") from error
            raise _unwritten("cannot build the model's folder", error) from error
        return root

    def _manifest(self, path: str) -> Manifest:
        """What a manifest lists, all of it here: nothing is written for one of which something is wrong."""
        with open(path, "rb") as file:
            content = file.read(MAX_MANIFEST_BYTES + 1)
        try:
            manifest = read_manifest(content)
        except ManifestError as error:
            raise StoreError("protocol", str(error)) from error
        for entry in manifest.files:
            size = os.path.getsize(self.find(entry.sha256))
            if size != entry.size:
                raise StoreError("protocol", f"{entry.path[:80]!r} has {entry.size} bytes, and its blob {size}")
        return manifest

    def _take(self, entry: Entry, target: str) -> None:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        blob = self.path(entry.sha256)
        if entry.size > LINKED_BYTES:
            try:
                os.link(blob, target)
                return
            except FileExistsError:
                raise
            except OSError:  # a file system without links
                pass
        with open(blob, "rb") as source, open(target, "xb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)

    def drop_folder(self) -> None:
        """Remove the folder that was built, if there is one."""
        if self._built is not None:
            shutil.rmtree(self._built, ignore_errors=True)
            self._built = None

    def wipe(self) -> None:
        """Remove every blob, whole or not; what is in use stays readable for whoever uses it."""
        self._partial.clear()
        for name in os.listdir(self.folder):
            if SHA256.fullmatch(name.split(".")[0]) and os.path.isfile(os.path.join(self.folder, name)):
                os.unlink(os.path.join(self.folder, name))

    def _drop(self, sha256: str) -> None:
        self._partial.pop(sha256, None)
        part = self.path(sha256) + ".part"
        if os.path.exists(part):
            os.unlink(part)


def _unwritten(what: str, error: OSError) -> StoreError:
    return StoreError("full" if error.errno == errno.ENOSPC else "internal", f"{what}: {error}")
