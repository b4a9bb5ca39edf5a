"""Models that are folders: the manifest that names one.

Both ends import this file: the host writes manifests, the agent reads them, and neither trusts what it is given.
Standard library only, Python 3.9.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Set

MAX_MANIFEST_BYTES = 4 << 20
MAX_FILES = 10_000
MAX_PATH_BYTES = 1024
MAX_PARTS = 16
MAX_PART_BYTES = 255
KEY, VERSION = "edgedevice_folder", 1
SHA256 = re.compile(r"[0-9a-f]{64}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")


class ManifestError(ValueError):
    """This is no manifest of a folder, or not of one that may be built."""


class Entry(NamedTuple):
    """One file of a model folder: its path below the folder, what it holds, and how many bytes that is."""

    path: str
    sha256: str
    size: int


class Manifest(NamedTuple):
    """What is in a model folder: its files, and the folders in it that hold nothing."""

    files: List[Entry]
    empty: List[str]


def encode_manifest(files: Iterable[Entry], empty: Iterable[str] = ()) -> bytes:
    """The one manifest of these files and empty folders, whatever their order.

    Raises:
        ManifestError: One has a path that cannot be told, or there are too many.
    """
    manifest = Manifest(sorted(files), sorted(empty))
    _check(manifest)
    told: Dict[str, Any] = {KEY: VERSION, "files": [entry._asdict() for entry in manifest.files]}
    if manifest.empty:
        told["folders"] = manifest.empty
    content = json.dumps(told, separators=(",", ":")).encode("ascii")
    if len(content) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"its manifest has {len(content)} bytes, over the limit of {MAX_MANIFEST_BYTES}")
    return content


def read_manifest(content: bytes) -> Manifest:
    """What a manifest lists, every promise about it checked.

    Raises:
        ManifestError: It breaks one.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"a manifest of {len(content)} bytes is over the limit of {MAX_MANIFEST_BYTES}")
    try:
        told = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"the manifest is not JSON: {str(error)[:200]}") from None
    if not isinstance(told, dict) or type(told.get(KEY)) is not int or told[KEY] != VERSION:
        raise ManifestError(f"the blob is no manifest of a folder: it has no {KEY!r} of {VERSION}")
    files, empty = told.get("files"), told.get("folders", [])
    if not isinstance(files, list) or not isinstance(empty, list):
        raise ManifestError("the manifest has no list 'files', or 'folders' is none")
    if len(files) + len(empty) > MAX_FILES:
        raise ManifestError(f"the manifest has {len(files) + len(empty)} entries, over the limit of {MAX_FILES}")
    if not all(isinstance(one, str) for one in empty):
        raise ManifestError("a folder of the manifest has no path")
    manifest = Manifest([_entry(one) for one in files], empty)
    _check(manifest)
    return manifest


def suffix_of(paths: Iterable[str]) -> str:
    """What the name of a folder with these files ends with, for runtimes that go by it; may be empty."""
    found = set(paths)
    return ".mlpackage" if "Manifest.json" in found else ".mlmodelc" if "coremldata.bin" in found else ""


def _entry(told: Any) -> Entry:
    if not isinstance(told, dict):
        raise ManifestError("an entry of 'files' is not an object")
    path, sha256, size = told.get("path"), told.get("sha256"), told.get("size")
    if not isinstance(path, str):
        raise ManifestError("a file of the manifest has no path")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise ManifestError(f"{path[:80]!r} in the manifest has no sha256 of 64 lower-case hexadecimal digits")
    if type(size) is not int or size < 0:
        raise ManifestError(f"{path[:80]!r} in the manifest has no size")
    return Entry(path, sha256, size)


def _check(manifest: Manifest) -> None:
    paths = [entry.path for entry in manifest.files]
    if not paths or len(paths) + len(manifest.empty) > MAX_FILES:
        raise ManifestError(f"a model folder has 1 to {MAX_FILES} files and empty folders, not {len(paths)}")
    parents = _parents(paths) | _parents(manifest.empty)
    for path in (*paths, *manifest.empty):
        if path in parents:
            raise ManifestError(f"{path[:80]!r} is a file, or empty, and a folder of others at once")
    if both := set(paths).intersection(manifest.empty):
        raise ManifestError(f"{min(both)[:80]!r} is a file and a folder at once")


def _parents(paths: Sequence[str]) -> Set[str]:
    """Every folder that these paths lie in.

    Raises:
        ManifestError: They do not rise, or one is no path below a folder.
    """
    found: Set[str] = set()
    last = ""
    for path in paths:
        parts = _parts(path)
        if path <= last:  # code points and bytes of UTF-8 have one order
            raise ManifestError(f"{path[:80]!r} comes twice, or not in the order of the paths")
        last = path
        found.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    return found


def _parts(path: str) -> List[str]:
    """The parts of a path that stays below its folder.

    Raises:
        ManifestError: It does not, or its parts are none that every system can name.
    """
    try:
        sizes = [len(part.encode()) for part in path.split("/")]
    except UnicodeEncodeError:
        raise ManifestError(f"the path {path[:80]!r} is no text") from None
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or _FORBIDDEN.search(path):
        raise ManifestError(f"{path[:80]!r} is no path below a folder")
    if sum(sizes) + len(sizes) - 1 > MAX_PATH_BYTES or len(parts) > MAX_PARTS or max(sizes) > MAX_PART_BYTES:
        raise ManifestError(f"the path {path[:80]!r} is too long or too deep")
    return parts
