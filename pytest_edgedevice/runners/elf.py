"""Programs and libraries (ELF): what they are built for, what they need of others, and what they give.

A wheel's name claims which C library it needs, and some claim wrongly; the loader goes by what is in
the file. Runs here and on boards: Python 3.9, standard library only, nothing of ours.

Source:
    Linux Standard Base, Core, chapter 10.7, "Symbol Versioning"; elf(5). Android's note:
    bionic/libc/arch-common/bionic/crtbrand.S.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64"}
MOST_ENTRIES = 20000
MOST_NOTE_BYTES = 4096
_NEED, _DEFINE = 0x6FFFFFFE, 0x6FFFFFFD
_PROGRAM, _LIBRARY = 2, 3
_INTERPRETER, _NOTE = 3, 4
_ANDROID = b"Android\0"
Version = tuple[int, ...]


class NotElfError(ValueError):
    """The bytes are no ELF file, or a broken one."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Symbol versions of one file.

    Attributes:
        machine: As ``uname -m`` says it; ``e_machine N`` for those that we know no engine for.
        needs: Library to the names of the versions that it must have.
        gives: Names of the versions that the file itself defines.
    """

    machine: str
    needs: dict[str, list[str]] = field(default_factory=dict)
    gives: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file is built for.

    Attributes:
        machine: As ``uname -m`` says it; ``e_machine N`` for those that we know no engine for.
        bits: 32 or 64.
        loadable: Whether it is a program or a library, and no object file or core dump.
        interpreter: The loader that a program asks for; empty for libraries and static programs.
        android: Least API level of Android that it was built for; None for what was not built for Android.
    """

    machine: str
    bits: int
    loadable: bool
    interpreter: str = ""
    android: int | None = None


def header_of(content: bytes) -> Header:
    """Read what an ELF file is built for.

    Raises:
        NotElfError: It is none, or is cut or broken.
    """
    try:
        return _header(content)
    except (struct.error, IndexError):  # numbers that point behind its end
        raise NotElfError("it is cut short") from None
    except ValueError as error:
        raise NotElfError(str(error) or "it is cut short") from None


def versions_of(content: bytes) -> Versions:
    """Read the version sections of an ELF file.

    Raises:
        NotElfError: It is none, or is cut or broken.
    """
    try:
        return _read(content)
    except (struct.error, IndexError):  # numbers that point behind its end
        raise NotElfError("it is cut short") from None
    except ValueError as error:
        raise NotElfError(str(error) or "it is cut short") from None


def highest(names: list[str], prefix: str) -> Version | None:
    """The highest of versions such as ``GLIBC_2.34``; None where there is none of that prefix."""
    found = []
    for name in names:
        numbers = name[len(prefix) + 1 :].split(".")
        if name.startswith(prefix + "_") and all(number.isdecimal() and len(number) < 6 for number in numbers):
            found.append(tuple(int(number) for number in numbers))
    return max(found) if found else None


def _start(content: bytes) -> tuple[bool, str, str]:
    """Whether it has 64 bits, its byte order, its machine."""
    if content[:4] != b"\x7fELF" or content[4] not in (1, 2) or content[5] not in (1, 2):
        raise ValueError("it is no ELF file")
    order = "<" if content[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", content, 18)[0]
    return content[4] == 2, order, MACHINES.get(machine, f"e_machine {machine}")


def _header(content: bytes) -> Header:
    wide, order, machine = _start(content)
    kind = struct.unpack_from(order + "H", content, 16)[0]
    table = struct.unpack_from(order + ("Q" if wide else "I"), content, 32 if wide else 28)[0]
    size, count = struct.unpack_from(order + "HH", content, 54 if wide else 42)
    layout = order + ("IIQQQQQQ" if wide else "IIIIIIII")
    interpreter, android = "", None
    for number in range(count):
        part = struct.unpack_from(layout, content, table + number * size)
        offset, length = (part[2], part[5]) if wide else (part[1], part[4])
        if offset + length > len(content):
            raise ValueError("it is cut short")
        if part[0] == _INTERPRETER:
            interpreter = _text(content, offset)
        elif part[0] == _NOTE and android is None:
            android = _android(content[offset : offset + min(length, MOST_NOTE_BYTES)], order)
    return Header(machine, 64 if wide else 32, kind in (_PROGRAM, _LIBRARY), interpreter, android)


def _android(notes: bytes, order: str) -> int | None:
    """The API level in the note that every program and library for Android has."""
    at = 0
    while at + 12 <= len(notes):
        name, text, kind = struct.unpack_from(order + "III", notes, at)
        start = at + 12 + (name + 3) // 4 * 4
        if kind == 1 and notes[at + 12 : at + 12 + name] == _ANDROID and text >= 4:
            return int(struct.unpack_from(order + "I", notes, start)[0])
        at = start + (text + 3) // 4 * 4
    return None


def _read(content: bytes) -> Versions:
    wide, order, machine = _start(content)
    table = struct.unpack_from(order + ("Q" if wide else "I"), content, 40 if wide else 32)[0]
    size, count = struct.unpack_from(order + "HH", content, 58 if wide else 46)
    layout = order + ("IIQQQQIIQQ" if wide else "IIIIIIIIII")
    sections = [struct.unpack_from(layout, content, table + number * size) for number in range(count)]
    needs: dict[str, list[str]] = {}
    gives: list[str] = []
    for _, kind, _, _, offset, _, link, entries, _, _ in sections:
        if kind not in (_NEED, _DEFINE):
            continue
        texts = sections[link][4]
        if kind == _NEED:
            for library, names in _needed(content, order, offset, entries, texts):
                needs.setdefault(library, []).extend(names)
        else:
            gives += _defined(content, order, offset, entries, texts)
    return Versions(machine, needs, gives)


def _needed(content: bytes, order: str, offset: int, entries: int, texts: int) -> Iterator[tuple[str, list[str]]]:
    for _ in range(min(entries, MOST_ENTRIES)):
        _, count, file, first, following = struct.unpack_from(order + "HHIII", content, offset)
        names, one = [], offset + first
        for _ in range(min(count, MOST_ENTRIES)):
            _, _, _, name, another = struct.unpack_from(order + "IHHII", content, one)
            names.append(_text(content, texts + name))
            one += another
        yield _text(content, texts + file), names
        offset += following


def _defined(content: bytes, order: str, offset: int, entries: int, texts: int) -> Iterator[str]:
    for _ in range(min(entries, MOST_ENTRIES)):
        _, _, _, _, _, first, following = struct.unpack_from(order + "HHHHIII", content, offset)
        yield _text(content, texts + struct.unpack_from(order + "I", content, offset + first)[0])
        offset += following


def _text(content: bytes, offset: int) -> str:
    end = content.index(b"\0", offset, offset + 256)
    return content[offset:end].decode("ascii", "replace")
