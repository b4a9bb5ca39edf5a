"""What an engine needs of a board: by the libraries in its wheel where that is at hand, by this table otherwise.

The table holds what the newest wheels' libraries ask for. Their names say less: ai-edge-litert's claims glibc
2.27 and needs 2.34, tflite-runtime's claims 2.34 and needs 2.27.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_edgedevice.cli.boards.looks import Look
    from pytest_edgedevice.runners.elf import Version

TRY = {"litert": ("ai-edge-litert", "numpy"), "tflite": ("tflite-runtime==2.14.0", "numpy<2")}
"""Engine to what pip is asked for."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an engine's libraries need.

    Attributes:
        glibc, cxx: Least versions of GLIBC and GLIBCXX; None where none is asked for.
        first, last: Least and greatest Python, as minor versions of 3; 0 for no greatest.
    """

    glibc: Version | None
    cxx: Version | None
    first: int = 9
    last: int = 0


TABLE: dict[tuple[str, str], Needs] = {
    ("litert", "aarch64"): Needs((2, 34), (3, 4, 30)),
    ("litert", "x86_64"): Needs((2, 27), (3, 4, 22)),
    ("tflite", "aarch64"): Needs((2, 27), None, last=11),
    ("tflite", "x86_64"): Needs((2, 29), (3, 4, 22), last=11),
    ("tflite", "armv7l"): Needs((2, 27), None, last=11),
}
ARCHITECTURES = tuple(sorted({machine for _, machine in TABLE}))


def lacks(look: Look, needs: Needs) -> list[str]:
    """What a board lacks for an engine, a clause each; what it does not tell is no lack."""
    found = []
    if look.libc and look.glibc is None:
        found.append(f"glibc (it has {look.libc})")
    for name, has, least in (("glibc", look.glibc, needs.glibc), ("GLIBCXX", look.cxx, needs.cxx)):
        if has is not None and least is not None and has < least:
            found.append(f"{name} {dotted(least)} (it has {dotted(has)})")
    if needs.cxx is not None and look.python and look.cxx is None:
        found.append(f"libstdc++ with GLIBCXX {dotted(needs.cxx)} (it has none)")
    minor = minor_of(look)
    if minor is not None and (minor < needs.first or (needs.last and minor > needs.last)):
        span = f"3.{needs.first} to 3.{needs.last}" if needs.last else f"3.{needs.first} or later"
        found.append(f"Python {span} (it has {look.python})")
    return found


def fitting(look: Look) -> list[str]:
    """The engines that would load on a board, the preferred one first."""
    return [engine for (engine, machine), needs in TABLE.items() if machine == look.machine and not lacks(look, needs)]


def minor_of(look: Look) -> int | None:
    """The minor version of its Python 3; None where there is none."""
    parts = look.python.split(".")
    return int(parts[1]) if len(parts) > 1 and parts[0] == "3" and parts[1].isdecimal() and len(parts[1]) < 4 else None


def dotted(version: Version) -> str:
    """``(2, 34)`` as people write it."""
    return ".".join(map(str, version))
