"""Inference libraries are taken out of archives that strangers made."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError, UsageError
from pytest_edgedevice.runners.native import unpacking
from pytest_edgedevice.runners.native.targets import Target
from pytest_edgedevice.runners.native.unpacking import keys_in, unpacked
from tests.unit.runners.made import archive

if TYPE_CHECKING:
    from pathlib import Path

PHONE = Target("android", "aarch64")
BOARD = Target("linux", "aarch64")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(
    ("members", "target", "engine", "expected"),
    [
        (["jni/arm64-v8a/libtensorflowlite_jni.so", "jni/x86/libtensorflowlite_c.so"], PHONE, "", 0),
        (["lib/arm64-v8a/libtensorflowlite_jni.so", "lib/arm64-v8a/libtensorflowlite_c.so"], PHONE, "", 1),
        (["base/lib/arm64-v8a/libLiteRt.so", "base/lib/arm64-v8a/libtensorflowlite_c.so"], PHONE, "litert", 0),
        (["lib/armeabi-v7a/libLiteRt.so", "lib/arm64-v8a/libLiteRt.so"], PHONE, "", 1),
        (["lib/arm64-v8a/libLiteRt.so", "lib/armeabi-v7a/libLiteRt.so"], Target("android", "armv7l"), "", 1),
        (["pymicro_wakeword/lib/libtensorflowlite_c.so"], BOARD, "", 0),
        (["ai_edge_litert/libLiteRt.so", "ai_edge_litert/libother.so"], BOARD, "litert", 0),
        (["libLiteRt.so", "lib/arm64-v8a/libLiteRt.so"], PHONE, "", 1),
        (["../../../etc/libLiteRt.so"], BOARD, "", 0),
        (["/etc/libLiteRt.so"], BOARD, "", 0),
    ],
)
def test_the_library_for_a_device_is_found_wherever_it_lies(
    tmp_path: Path, cache: Path, members: list[str], target: Target, engine: str, expected: int
) -> None:
    path = archive(tmp_path / "a.zip", {name: str(at).encode() for at, name in enumerate(members)})
    found = unpacked(path, target, engine=engine)
    assert found.read_bytes() == str(expected).encode()
    assert found.resolve().is_relative_to(cache.resolve())


def test_it_is_unpacked_once_and_anew_where_the_archive_changes(tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path / "a.zip", {"libLiteRt.so": b"one"})
    first = unpacked(path, BOARD)
    made = first.stat()
    assert unpacked(path, BOARD) == first
    assert (first.stat().st_ino, first.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)
    archive(path, {"libLiteRt.so": b"two"})
    assert unpacked(path, BOARD).read_bytes() == b"two"
    assert first.read_bytes() == b"one"


def test_what_was_not_used_for_long_makes_room(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_KEPT", 1)
    paths = [archive(tmp_path / f"{at}.zip", {"libLiteRt.so": b"%d" % at}) for at in range(5)]
    places = [unpacked(path, BOARD) for path in paths[:4]]
    for at, place in enumerate(places[:3]):
        os.utime(place.parent, (at, at))
    unpacked(paths[1], BOARD)  # used again
    unpacked(paths[4], BOARD)
    assert [place.is_file() for place in places] == [False, True, False, True]


def test_its_gpu_delegate_is_laid_beside_it(tmp_path: Path) -> None:
    folder = "jni/arm64-v8a"
    members = {f"{folder}/libtensorflowlite_jni.so": b"runtime", f"{folder}/libtensorflowlite_gpu_jni.so": b"gpu"}
    members |= {"jni/x86/libtensorflowlite_gpu_jni.so": b"another", f"{folder}/libother.so": b"other"}
    found = unpacked(archive(tmp_path / "a.aar", members), PHONE)
    assert {path.name: path.read_bytes() for path in found.parent.iterdir()} == {
        "libtensorflowlite_jni.so": b"runtime",
        "libtensorflowlite_gpu_jni.so": b"gpu",
    }


def test_an_archive_without_it_says_what_it_has(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.apk", {"lib/x86/libLiteRt.so": b"", "lib/x86/libz\x1b.so": b"", "classes.dex": b""})
    with pytest.raises(
        UsageError, match=r"holds none of .*libLiteRt\.so for arm64-v8a; it has x86/libLiteRt\.so"
    ) as raised:
        unpacked(path, PHONE)
    assert "\x1b" not in raised.value.message
    with pytest.raises(UsageError, match="it has no library at all"):
        unpacked(archive(path, {"classes.dex": b""}), PHONE)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(200), b"rubbish" * 1000])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    for read in (keys_in, lambda one: unpacked(one, PHONE)):
        with pytest.raises(UsageError, match="is no archive, or a broken one"):
            read(path)


def test_an_archive_that_is_torn_or_lies_about_a_member_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    path = archive(tmp_path / "a.zip", {"libLiteRt.so": bytes(range(256)) * 100})
    content = bytearray(path.read_bytes())
    for place in range(40, len(content) - 300, 37):
        torn = bytearray(content)
        torn[place] ^= 0xFF
        path.write_bytes(torn)
        try:
            assert unpacked(path, BOARD).read_bytes() == bytes(range(256)) * 100
        except UsageError:
            continue
    assert all(one.stat().st_size == 25600 for one in cache.rglob("*") if one.is_file())


def test_an_encrypted_member_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"libLiteRt.so": b"secret"})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UsageError, match="encrypted"):
        unpacked(path, BOARD)


def test_a_bomb_is_stopped(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.zip", {"libLiteRt.so": bytes(5 << 20)})
    monkeypatch.setattr(unpacking, "MOST_LIBRARY_BYTES", 1 << 20)
    with pytest.raises(UsageError, match="claims 5 MiB"):
        unpacked(path, BOARD)
    content = path.read_bytes()
    small = (1 << 10).to_bytes(4, "little")
    place = content.index(b"PK\x01\x02") + 24
    path.write_bytes(content[:place] + small + content[place + 4 :])  # a claim of 1 KiB
    with pytest.raises(UsageError, match="broken"):
        unpacked(path, BOARD)
    assert not [one for one in cache.rglob("*") if one.is_file()]


def test_more_bytes_than_a_library_may_have_are_not_written(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(tmp_path / "a.zip", {"libLiteRt.so": bytes(2 << 20)})
    monkeypatch.setattr(unpacking, "MOST_LIBRARY_BYTES", 2 << 20)
    with pytest.raises(UsageError, match="has more than 2 MiB"):
        unpacked(path, BOARD)
    assert not [one for one in cache.rglob("*") if one.is_file()]


def test_more_members_than_any_app_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MOST_ENTRIES", 2)
    path = archive(tmp_path / "a.zip", {f"{at}/libLiteRt.so": b"" for at in range(3)})
    with pytest.raises(UsageError, match="it holds 3 files"):
        unpacked(path, BOARD)


def test_a_folder_that_is_called_like_a_library_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("lib/arm64-v8a/libLiteRt.so/", b"")
    with pytest.raises(UsageError, match="no library at all"):
        unpacked(path, PHONE)


def test_an_archive_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        unpacked(tmp_path / "absent.aar", PHONE)


def test_a_cache_that_cannot_be_written_to_is_the_worlds_fault(tmp_path: Path, cache: Path) -> None:
    cache.write_bytes(b"")
    with pytest.raises(InfraError, match="cannot write"):
        unpacked(archive(tmp_path / "a.zip", {"libLiteRt.so": b"x"}), BOARD)


def test_the_kinds_of_phones_in_an_archive_are_listed(tmp_path: Path) -> None:
    members = ["jni/x86/a.so", "jni/arm64-v8a/a.so", "jni/arm64-v8a/b.so", "other/a.so", "jni/x86_64/a.txt"]
    assert keys_in(archive(tmp_path / "a.aar", dict.fromkeys(members, b""))) == ["arm64-v8a", "x86"]
