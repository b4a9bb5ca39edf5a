"""What is called a wheel is looked into before it goes anywhere."""

from __future__ import annotations

import hashlib
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.cli.boards import wheels as module
from pytest_edgedevice.cli.boards.looks import Look
from pytest_edgedevice.cli.boards.wheels import check_fit, read_wheel
from pytest_edgedevice.errors import InfraError, UsageError
from tests.unit.cli.made import elf, wheel

if TYPE_CHECKING:
    from pathlib import Path

BOARD = Look(python="3.11.2", machine="aarch64", libc="glibc 2.31", cxx=(3, 4, 28))
LITERT = {"libc.so.6": ["GLIBC_2.34"], "libstdc++.so.6": ["GLIBCXX_3.4.30"]}


def test_a_wheel_is_told_by_its_name_hash_and_size(tmp_path: Path) -> None:
    path = wheel(tmp_path, "small_one", "1.2", files={"small.py": b"x" * 1000})
    found = read_wheel(path)
    assert (found.project, found.version, found.size_bytes) == ("small_one", "1.2", path.stat().st_size)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.unpacked_bytes > 1000


def test_what_its_libraries_need_is_the_highest_of_all(tmp_path: Path) -> None:
    files = {"a/b.so": elf(needs=LITERT), "a/libc.so.2": elf(needs={"libc.so.6": ["GLIBC_2.17"]})}
    found = read_wheel(wheel(tmp_path, files=files))
    assert (found.machine, found.glibc, found.cxx) == ("aarch64", (2, 34), (3, 4, 30))


def test_what_it_brings_itself_is_no_need(tmp_path: Path) -> None:
    files = {"a.so": elf(needs={"libstdc++.so.6": ["GLIBCXX_3.4.33"]}), "libs/libstdc++.so.6": elf()}
    assert read_wheel(wheel(tmp_path, files=files)).cxx is None


@pytest.mark.parametrize("name", ["../out.py", "/etc/passwd", "a/../../b", "a\\..\\b", "./a"])
def test_a_file_that_would_leave_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="would leave its folder"):
        read_wheel(wheel(tmp_path, files={name: b""}))


def test_a_link_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("evil")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UsageError, match="link or a device"):
        read_wheel(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("small.py", "other")
    with pytest.raises(UsageError, match="in it twice"):
        read_wheel(path)


def test_a_bomb_is_refused_unopened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_UNPACKED_BYTES", 10_000)
    with pytest.raises(UsageError, match="unpacked"):
        read_wheel(wheel(tmp_path, files={"a.bin": bytes(20_000)}))


def test_more_files_than_anybody_needs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 2)
    with pytest.raises(UsageError, match="holds 4 files"):
        read_wheel(wheel(tmp_path))


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + bytes(18)])
def test_a_file_that_only_has_the_name_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "small-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="is no wheel, or a broken one"):
        read_wheel(path)


@pytest.mark.parametrize("name", ["small.zip", "small-1.0.tar.gz", "-x-1.0-py3-none-any.whl", "a b-1-py3-none-any.whl"])
def test_a_name_that_no_wheel_has_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no wheel's name"):
        read_wheel(tmp_path / name)


def test_a_wheel_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="No such file"):
        read_wheel(tmp_path / "small-1.0-py3-none-any.whl")


def test_a_library_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no library"):
        read_wheel(wheel(tmp_path, files={"a.so": b"text"}))


def test_libraries_for_two_architectures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="aarch64 and x86_64"):
        read_wheel(wheel(tmp_path, files={"a.so": elf("aarch64"), "b.so": elf("x86_64")}))


@pytest.mark.parametrize(
    ("library", "why"),
    [
        (elf("x86_64"), "is built for x86_64, and the board is aarch64"),
        (elf(needs=LITERT), "needs GLIBC_2.34, and the board has 2.31"),
        (elf(needs={"libstdc++.so.6": ["GLIBCXX_3.4.29"]}), "needs GLIBCXX_3.4.29, and the board has 3.4.28"),
    ],
)
def test_a_wheel_that_the_board_cannot_load_is_refused_with_what_would_fit(
    tmp_path: Path, library: bytes, why: str
) -> None:
    found = read_wheel(wheel(tmp_path, files={"a.so": library}))
    with pytest.raises(InfraError, match=why) as caught:
        check_fit([found], BOARD, others=["tflite"])
    assert caught.value.hint == "what fits: --engine tflite"


def test_the_name_of_a_wheel_is_not_believed_but_its_libraries_are(tmp_path: Path) -> None:
    claims_more = wheel(tmp_path, tag="cp311-cp311-manylinux_2_34_aarch64", files={"a.so": elf()})
    check_fit([read_wheel(claims_more)], BOARD, others=[])
