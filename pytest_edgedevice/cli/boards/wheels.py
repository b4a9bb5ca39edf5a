"""Wheels as files: what is one, where its content would go, and what its libraries really need."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.boards.needs import dotted
from pytest_edgedevice.cli.boards.placing import RefusalError, inner
from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.runners.elf import NotElfError, Version, highest, versions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.cli.boards.looks import Look

MOST_ENTRIES = 20_000
MOST_UNPACKED_BYTES = 2_000_000_000
CHUNK_BYTES = 1 << 20
_NAME = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.!+]+)(-\d[A-Za-z0-9_.]*)?-[\w.]+-[\w.]+-[\w.]+\.whl", re.ASCII)
_LIBRARY = re.compile(r"\.so(\.\d+)*$")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel that was looked into.

    Attributes:
        path: The file.
        project, version: Of its name.
        sha256: Of the whole file.
        size_bytes, unpacked_bytes: Of the file, and of what is in it.
        machine: What its libraries are built for; empty when it has none.
        glibc, cxx: Highest versions of GLIBC and GLIBCXX that they need.
    """

    path: Path
    project: str
    version: str
    sha256: str
    size_bytes: int
    unpacked_bytes: int
    machine: str = ""
    glibc: Version | None = None
    cxx: Version | None = None

    def lacks(self, look: Look) -> str:
        """What a board lacks for it, one clause; empty when it fits."""
        if self.machine and self.machine != look.machine:
            return f"is built for {self.machine}, and the board is {look.machine}"
        for name, least, has in (("GLIBC", self.glibc, look.glibc), ("GLIBCXX", self.cxx, look.cxx)):
            if least is not None and (has is None or has < least):
                return f"needs {name}_{dotted(least)}, and the board has {dotted(has) if has else 'none'}"
        return ""


def read_wheel(path: Path) -> Wheel:
    """Look into a wheel, and refuse what could do harm where it is unpacked.

    Raises:
        UsageError: It is no wheel, or a broken or a malicious one.
        InfraError: It cannot be read.
    """
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise UsageError(f"{path.name[:100]!r} is no wheel's name", hint="take wheels only, as pip download makes them")
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with zipfile.ZipFile(path) as archive:
            unpacked = _check_entries(path.name, archive)
            machine, glibc, cxx = _libraries(path.name, archive)
        size = path.stat().st_size
    except OSError as error:
        raise InfraError(f"cannot read {path}: {error.strerror or error}") from None
    except (zipfile.BadZipFile, RefusalError, NotImplementedError, RuntimeError, ValueError) as error:
        raise UsageError(f"{path.name} is no wheel, or a broken one: {error}", hint="download it anew") from None
    return Wheel(path, named[1], named[2], digest, size, unpacked, machine, glibc, cxx)


def check_fit(wheels: Sequence[Wheel], look: Look, *, others: Sequence[str]) -> None:
    """Refuse wheels whose libraries the board could not load.

    Args:
        wheels: All that would be brought there.
        look: The board.
        others: Engines that would fit it.

    Raises:
        InfraError: Which of them does not fit, and why.
    """
    for wheel in wheels:
        if why := wheel.lacks(look):
            fit = f"what fits: --engine {others[0]}" if others else "install a newer system there"
            raise InfraError(f"{wheel.path.name} {why}", hint=fit)


def _check_entries(name: str, archive: zipfile.ZipFile) -> int:
    """Refuse names that leave the folder, links, repeats, and more than anybody needs; the unpacked size."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise RefusalError(f"it holds {len(entries)} files")
    seen = set()
    for entry in entries:
        place = inner(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise RefusalError(f"{entry.filename[:100]!r} is a link or a device")
        if place and place in seen:
            raise RefusalError(f"{entry.filename[:100]!r} is in it twice")
        seen.add(place)
    if not any(PurePosixPath(place).match("*.dist-info/WHEEL") for place in seen):
        raise RefusalError("it lacks a .dist-info/WHEEL")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MOST_UNPACKED_BYTES:
        raise RefusalError(f"unpacked {name} has {unpacked / 1e6:.0f} MB")
    return unpacked


def _libraries(name: str, archive: zipfile.ZipFile) -> tuple[str, Version | None, Version | None]:
    """Architecture and highest needs of all libraries in it, but for what it brings itself."""
    entries = [entry for entry in archive.infolist() if _LIBRARY.search(entry.filename)]
    own = {PurePosixPath(entry.filename).name for entry in entries}
    machines: set[str] = set()
    names: list[str] = []
    for entry in entries:
        try:
            found = versions_of(archive.read(entry))
        except NotElfError as error:
            raise RefusalError(f"{entry.filename[:100]!r} is no library: {error}") from None
        machines.add(found.machine)
        names += [one for library, versions in found.needs.items() if library not in own for one in versions]
    if len(machines) > 1:
        raise RefusalError(f"{name} holds libraries for {' and '.join(sorted(machines))}")
    return "".join(machines), highest(names, "GLIBC"), highest(names, "GLIBCXX")
