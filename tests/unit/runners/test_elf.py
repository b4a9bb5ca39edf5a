"""Symbol versions are read as the loader reads them, from files of any width, order and honesty."""

from __future__ import annotations

import ast
import ctypes
import platform
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_edgedevice.cli.boards.asking import PARTS
from pytest_edgedevice.runners import elf as module
from pytest_edgedevice.runners.elf import Header, NotElfError, header_of, highest, versions_of
from pytest_edgedevice.transports.ssh.bundle import older
from tests.unit.cli.made import elf
from tests.unit.runners.made import built

NEEDS = {"libc.so.6": ["GLIBC_2.17", "GLIBC_2.34"], "libstdc++.so.6": ["GLIBCXX_3.4.30", "CXXABI_1.3"]}


def loaded(name: str) -> Path:
    """Where the loader finds a library of this machine."""
    ctypes.CDLL(name)
    lines = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()
    return Path(next(line.split()[-1] for line in lines if Path(line.split()[-1]).name.startswith(name)))


def test_this_machines_c_library_gives_what_the_system_says_it_is() -> None:
    library = ctypes.CDLL("libc.so.6")
    library.gnu_get_libc_version.restype = ctypes.c_char_p
    said = tuple(int(part) for part in library.gnu_get_libc_version().decode().split("."))
    assert highest(versions_of(loaded("libc.so.6").read_bytes()).gives, "GLIBC") == said[:2]


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_library_needs_is_read_at_any_width_and_order(wide: bool, order: str) -> None:
    found = versions_of(elf("aarch64", needs=NEEDS, gives=["A_1", "A_2"], wide=wide, order=order))
    assert (found.machine, found.needs, found.gives) == ("aarch64", NEEDS, ["A_1", "A_2"])


def test_a_processor_that_no_engine_is_for_is_told_by_its_number() -> None:
    assert versions_of(elf("riscv64")).machine == "e_machine 243"


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"PK\x03\x04" + bytes(100), b"\x7fELF\x07\x07" + bytes(100)])
def test_what_is_no_library_is_an_error(content: bytes) -> None:
    with pytest.raises(NotElfError):
        versions_of(content)


def test_every_library_that_is_cut_short_is_an_error_or_read() -> None:
    whole = elf(needs=NEEDS, gives=["A_1"])
    for length in range(len(whole)):
        with pytest.raises(NotElfError):
            versions_of(whole[:length])


def test_a_list_of_versions_that_leads_back_to_itself_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 50)
    content = bytearray(elf(needs={"libc.so.6": ["GLIBC_2.17"]}))
    table = int.from_bytes(content[40:48], "little")
    content[table + 64 + 44 : table + 64 + 48] = (0xFFFFFFFF).to_bytes(4, "little")  # so many entries, all the first
    assert len(versions_of(bytes(content)).needs["libc.so.6"]) == 50


def test_the_highest_version_is_by_number_and_not_by_letter() -> None:
    assert highest(["GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.9", "GLIBC_PRIVATE", "GLIBCXX_9.9"], "GLIBC") == (2, 34)


def test_no_version_of_a_kind_is_none() -> None:
    assert highest(["CXXABI_1.3", "GLIBC_PRIVATE", "GLIBC_2.99999999"], "GLIBC") is None


@pytest.mark.parametrize("part", PARTS)
def test_what_runs_on_boards_can_be_read_by_python_3_9(part: str) -> None:
    root = Path(module.__file__).parents[1]
    ast.parse(older((root / part).read_text(encoding="utf-8")), feature_version=(3, 9))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("machine", ["aarch64", "armv7l", "x86_64", "i686"])
def test_what_a_program_is_built_for_is_in_its_header(machine: str, order: str) -> None:
    content = built(machine, android=29 if order == "<" else None, interpreter="/system/bin/linker", order=order)
    bits = 64 if machine in ("aarch64", "x86_64") else 32
    expected = Header(machine, bits, loadable=True, interpreter="/system/bin/linker", android=29)
    assert header_of(content) == (expected if order == "<" else replace(expected, android=None))


def test_this_interpreter_is_a_program_for_this_machine() -> None:
    found = header_of(Path(sys.executable).read_bytes())
    assert (found.machine, found.bits, found.loadable, found.android) == (platform.machine(), 64, True, None)
    assert found.interpreter.startswith("/lib")


def test_an_object_file_is_not_loadable() -> None:
    assert not header_of(built(kind=1)).loadable


def test_every_program_that_is_cut_short_is_an_error() -> None:
    whole = built(android=24, interpreter="/system/bin/linker64")
    for length in range(len(whole)):
        with pytest.raises(NotElfError, match=r"^it is ") as raised:
            header_of(whole[:length])
        assert "buffer" not in str(raised.value)


def test_notes_of_others_and_torn_ones_say_nothing_of_android() -> None:
    content = bytearray(built(android=24))
    place = content.index(b"Android\0")
    content[place : place + 7] = b"Another"
    assert header_of(bytes(content)).android is None
    content = bytearray(built(android=24))
    content[place - 12 : place - 8] = (0xFFFFFFFF).to_bytes(4, "little")  # a name as long as all memory
    assert header_of(bytes(content)).android is None
