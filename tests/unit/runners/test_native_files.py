"""A program or library that cannot run on a device is refused on the host, with what to do instead."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.runners.native import files
from pytest_edgedevice.runners.native.files import Built, check_program, check_runtime, read_built
from pytest_edgedevice.runners.native.targets import Target
from tests.unit.cli.made import elf
from tests.unit.runners.made import built

if TYPE_CHECKING:
    from pathlib import Path

PHONE = Target("android", "aarch64", sdk=33)
BOARD = Target("linux", "aarch64", libc="glibc 2.31")


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path / "file")


class Reader:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, content: bytes) -> Built:
        self.path.write_bytes(content)
        return read_built(self.path, what="the native agent")


def needing(version: str) -> bytes:
    return elf("aarch64", needs={"libc.so.6": ["GLIBC_2.17", f"GLIBC_{version}"]})


@pytest.mark.parametrize(
    ("content", "target", "text"),
    [
        (built("x86_64"), PHONE, "file is built for x86_64, and it is android-arm64-v8a"),
        (built("armv7l", android=24), PHONE, "is built for Android on armeabi-v7a, and it is android-arm64-v8a"),
        (built("x86_64"), BOARD, "is built for x86_64, and it is linux-aarch64"),
        (built("x86_64", wide=False), Target("linux", "x86_64"), "is built for x86_64, and it is linux-x86_64"),
        (built("riscv64"), BOARD, "is built for e_machine 243"),
        (built(android=24), BOARD, "built for Android on arm64-v8a, and it runs Linux with its own C library"),
        (built(android=34), PHONE, "built for Android on arm64-v8a of API 34, and it has 33"),
        (needing("2.34"), BOARD, r"needs glibc 2\.34 or later, and it has glibc 2\.31"),
        (needing("2.34"), Target("linux", "aarch64", libc="musl 1.2"), r"needs glibc 2\.34 or later, and it has musl"),
    ],
)
def test_a_program_that_cannot_run_there_is_refused(read: Reader, content: bytes, target: Target, text: str) -> None:
    with pytest.raises(UsageError, match=text) as raised:
        check_program(read(content), target, name="it")
    assert "edgedevice build-agent" in raised.value.hint


@pytest.mark.parametrize(
    ("content", "target"),
    [
        (built(android=33), PHONE),
        (built(android=33), Target("android", "aarch64")),
        (built(), PHONE),  # a daemon of Android's on a plain Linux says so too
        (built("armv7l"), BOARD),
        (needing("2.31"), BOARD),
        (needing("2.99"), Target("linux", "aarch64")),  # it does not tell: its loader will
    ],
)
def test_a_program_that_may_run_there_is_taken(read: Reader, content: bytes, target: Target) -> None:
    check_program(read(content), target, name="it")


@pytest.mark.parametrize(
    ("runtime", "program", "target", "text"),
    [
        (built("x86_64"), built("aarch64"), BOARD, "is built for x86_64, and the agent on it is for aarch64"),
        (built("armv7l"), built("aarch64"), BOARD, "is built for armv7l"),
        (built(android=24), built(), BOARD, "is built for Android on arm64-v8a, and the agent on it is not"),
        (needing("2.17"), built(android=24), PHONE, "with glibc, and the agent on it is for Android"),
        (needing("2.34"), built(), BOARD, r"needs glibc 2\.34 or later"),
    ],
)
def test_a_library_that_the_agent_cannot_load_is_refused(
    read: Reader, runtime: bytes, program: bytes, target: Target, text: str
) -> None:
    with pytest.raises(UsageError, match=text) as raised:
        check_runtime(read(runtime), read(program), target, name="it")
    assert "EDGEDEVICE_RUNTIME" in raised.value.hint


def test_a_library_without_androids_note_is_taken_on_a_phone(read: Reader) -> None:
    check_runtime(read(built()), read(built(android=24)), PHONE, name="it")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"#!/bin/sh\n", "is no program or library for Linux or Android: it is no ELF file"),
        (b"\x7fELF", "is no program or library for Linux or Android"),
        (built(kind=1), "but an object file or a core dump"),
        (b"", "it is no ELF file"),
    ],
)
def test_what_is_no_program_is_told(read: Reader, content: bytes, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        read(content)


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "absent"):
        with pytest.raises(UsageError, match="is no file"):
            read_built(path, what="the native agent")


def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr("pathlib.Path.open", refused)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        read_built(tmp_path / "file", what="the native agent")


def test_what_is_larger_than_any_program_is_not_read(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="has more than 1 MiB"):
        read(built(more=bytes(1 << 20)))
