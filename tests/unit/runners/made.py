"""Programs and libraries made for a test: headers without code."""

from __future__ import annotations

import struct
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = {"i686": 3, "armv7l": 40, "x86_64": 62, "aarch64": 183, "riscv64": 243}
TFLITE = b"\0TfLiteVersion\0"
LITERT = b"\0LiteRtCreateEnvironment\0"


def note(name: bytes, kind: int, text: bytes, order: str = "<") -> bytes:
    pad = [-len(part) % 4 * b"\0" for part in (name, text)]
    return struct.pack(order + "III", len(name), len(text), kind) + name + pad[0] + text + pad[1]


def built(
    machine: str = "aarch64",
    *,
    android: int | None = None,
    interpreter: str = "",
    wide: bool | None = None,
    order: str = "<",
    kind: int = 3,
    more: bytes = b"",
) -> bytes:
    """A program or library with program headers for what is given, and bytes of the test's choice behind it."""
    wide = machine not in ("i686", "armv7l") if wide is None else wide
    parts: list[tuple[int, bytes]] = [(1, b"")]
    if interpreter:
        parts.append((3, interpreter.encode() + b"\0"))
    parts.append((4, note(b"GNU\0", 3, b"some id", order)))
    if android is not None:
        parts.append((4, note(b"GNU\0", 3, b"1", order) + note(b"Android\0", 1, struct.pack(order + "I", android))))
    start, size = (64, 56) if wide else (52, 32)
    data = bytearray()
    table = b""
    for number, content in parts:
        offset = start + size * len(parts) + len(data)
        row = (number, 4, offset, 0, 0, len(content), 0, 0) if wide else (number, offset, 0, 0, len(content), 0, 0, 0)
        table += struct.pack(order + ("IIQQQQQQ" if wide else "IIIIIIII"), *row)
        data += content
    header = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    numbers = (kind, NUMBERS[machine], 1, 0, start, 0, 0, start, size, len(parts), 0, 0, 0)
    return (
        header + struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *numbers) + table + data
    ) + more


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path
