"""Inference libraries inside what they are shipped in: Android archives, apps, wheels.

Archives are strangers': no name in them becomes a path here, and nothing is unpacked beyond its limit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.runners.native.building import cache_folder
from pytest_edgedevice.runners.native.targets import ABIS, Target

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHIVES = (".aab", ".aar", ".apk", ".whl", ".zip")
LIBRARIES = {
    "tflite": ("libtensorflowlite_c.so", "libtensorflowlite_jni.so", "libtensorflowlite_jni_stable.so"),
    "litert": ("libLiteRt.so",),
}
"""Engine to the names of its libraries, the preferred one first: the C library has nothing but what is needed."""
GPU_FILES = ("libtensorflowlite_gpu_jni.so", "libtensorflowlite_gpu_delegate.so")
"""Libraries with the GPU delegate that may lie beside TensorFlow Lite's."""
MOST_KEPT = 16
KEPT_S = 86_400.0
MOST_ENTRIES = 200_000
MOST_LIBRARY_BYTES = 1 << 30
CHUNK_BYTES = 1 << 20


def unpacked(archive: Path, target: Target, *, engine: str = "") -> Path:
    """Take the library for a device out of an archive, once.

    Args:
        archive: The file.
        target: What the library must be built for.
        engine: Which engine's; empty for the first that is there.

    Raises:
        UsageError: It is no archive, a broken one, or holds no such library; what it holds is listed.
        InfraError: The cache cannot be written to.
    """
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            with zipfile.ZipFile(file) as opened:
                entry = _chosen(archive, opened, target, engine)
                folder = cache_folder() / "unpacked" / f"{digest[:32]}-{_short(entry.filename)}"
                if folder.is_dir():
                    os.utime(folder)  # used last
                else:
                    _forget_old(folder.parent)
                for other in _beside(opened, entry):
                    _unpack(opened, other, folder / PurePosixPath(other.filename).name)
                return _unpack(opened, entry, folder / PurePosixPath(entry.filename).name)
    except OSError as error:
        raise UsageError(f"the runtime {str(archive)!r} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"the runtime {str(archive)!r} is no archive, or a broken one: {str(error)[:200]}", hint="download it anew"
        ) from None


def keys_in(archive: Path) -> list[str]:
    """Android ABIs that an archive has folders with libraries for.

    Raises:
        UsageError: It is no archive, or a broken one.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            return sorted({abi for _, abi in _members(opened) if abi})
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UsageError(f"the runtime {str(archive)!r} is no archive, or a broken one: {str(error)[:200]}") from None


def _chosen(archive: Path, opened: zipfile.ZipFile, target: Target, engine: str) -> zipfile.ZipInfo:
    """The member with the best name among those for the device's ABI, or for none in particular."""
    wanted = LIBRARIES[engine] if engine else [name for names in LIBRARIES.values() for name in names]
    found = {}
    others = []
    for entry, abi in _members(opened):
        name = PurePosixPath(entry.filename).name
        others.append(f"{abi}/{name}" if abi else name)
        if name in wanted and abi in ("", target.abi) and (abi or name not in found):
            found[name] = entry
    best = next((found[name] for name in wanted if name in found), None)
    if best is None:
        has = ", ".join(sorted(set(others))[:8]) or "no library at all"
        raise UsageError(
            f"the runtime {str(archive)!r} holds none of {', '.join(wanted)} for {target.abi}; it has {_printable(has)}"
        )
    if best.file_size > MOST_LIBRARY_BYTES:
        raise UsageError(f"{best.filename[-60:]!r} in {str(archive)!r} claims {best.file_size >> 20} MiB")
    return best


def _members(opened: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Every library, with the Android ABI whose folder it is in; empty where it is in none."""
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"it holds {len(entries)} files")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.suffix == ".so" and not entry.is_dir():
            yield entry, path.parent.name if path.parent.name in ABIS else ""


def _beside(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> list[zipfile.ZipInfo]:
    """What must lie beside a library: its GPU delegate, where it is shipped with one."""
    folder = PurePosixPath(entry.filename).parent
    found = [one for one, _ in _members(opened) if PurePosixPath(one.filename).parent == folder]
    return [one for one in found if PurePosixPath(one.filename).name in GPU_FILES]


def _unpack(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path) -> Path:
    """Write a member beside its place and move it there: nobody ever loads half a library."""
    if place.is_file():
        return place
    part = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=place.parent)
        with os.fdopen(descriptor, "wb") as file, opened.open(entry) as source:
            _copy(source, file)
        Path(part).replace(place)
    except OSError as error:
        raise InfraError(f"cannot write {place}: {error.strerror or error}", hint="free space there") from None
    finally:
        if part:
            Path(part).unlink(missing_ok=True)
    return place


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy no more than a library may have: what an entry claims of its size is a claim."""
    left = MOST_LIBRARY_BYTES
    while content := source.read(min(CHUNK_BYTES, left)):
        target.write(content)
        left -= len(content)
    if not left:
        raise ValueError(f"a library in it has more than {MOST_LIBRARY_BYTES >> 20} MiB")


def _forget_old(root: Path) -> None:
    """Make room: of what nobody has used today, only the latest few stay. A cache that cannot be read is no fault."""
    with contextlib.suppress(OSError):
        used = sorted(((path.stat().st_mtime, path) for path in root.iterdir()), reverse=True)
        for when, path in used[MOST_KEPT:]:
            if when < time.time() - KEPT_S:
                shutil.rmtree(path, ignore_errors=True)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:400])
