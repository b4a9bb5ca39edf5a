"""Wheels and libraries made for a test: small, and wrong in exactly one way."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = {"armv7l": 40, "x86_64": 62, "aarch64": 183, "riscv64": 243}


def elf(
    machine: str = "aarch64",
    *,
    needs: dict[str, list[str]] | None = None,
    gives: list[str] | None = None,
    wide: bool = True,
    order: str = "<",
) -> bytes:
    """A library of three sections: names, versions that it needs, versions that it gives."""
    texts = bytearray(b"\0")

    def text(value: str) -> int:
        texts.extend(value.encode() + b"\0")
        return len(texts) - len(value) - 1

    need, entries = bytearray(), list((needs or {}).items())
    for number, (library, names) in enumerate(entries):
        following = 16 + 16 * len(names) if number + 1 < len(entries) else 0
        need += struct.pack(order + "HHIII", 1, len(names), text(library), 16, following)
        for place, name in enumerate(names):
            need += struct.pack(order + "IHHII", 0, 0, 0, text(name), 16 if place + 1 < len(names) else 0)
    given, all_given = bytearray(), gives or []
    for number, name in enumerate(all_given):
        given += struct.pack(order + "HHHHIII", 1, 0, 0, 1, 0, 20, 28 if number + 1 < len(all_given) else 0)
        given += struct.pack(order + "II", text(name), 0)
    start = 64 if wide else 52
    places = [start, start + len(texts), start + len(texts) + len(need)]
    table = places[2] + len(given)
    header = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    numbers = (3, NUMBERS[machine], 1, 0, 0, table, 0, start, 0, 0, 64 if wide else 40, 3, 0)
    header += struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *numbers)
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    sections = struct.pack(layout, 0, 3, 0, 0, places[0], len(texts), 0, 0, 1, 0)
    sections += struct.pack(layout, 0, 0x6FFFFFFE, 0, 0, places[1], len(need), 0, len(entries), 1, 0)
    sections += struct.pack(layout, 0, 0x6FFFFFFD, 0, 0, places[2], len(given), 0, len(all_given), 1, 0)
    return header + bytes(texts) + bytes(need) + bytes(given) + sections


def wheel(
    folder: Path,
    project: str = "small",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    files: dict[str, bytes] | None = None,
    requires: tuple[str, ...] = (),
) -> Path:
    """A wheel with what pip needs to choose it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{project}-{version}-{tag}.whl"
    info = f"{project}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project.replace('_', '-')}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    own: dict[str, str | bytes] = {
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**(files or {f"{project}.py": b""}), **own}.items():
            archive.writestr(name, content)
    return path


def engine_wheels(folder: Path, *, version: str = "9.9", interpreter: bytes = b"") -> Path:
    """What ``setup --wheels`` needs for litert: an engine that loads, and a numpy, both of this test's making."""
    files = {"ai_edge_litert/__init__.py": b"", "ai_edge_litert/interpreter.py": interpreter}
    wheel(folder, "ai_edge_litert", version, files=files, requires=("numpy",))
    wheel(folder, "numpy", "1.0", files={"numpy/__init__.py": b"__version__ = '1.0'\n"})
    return folder
