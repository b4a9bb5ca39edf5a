"""``edgedevice build-agent`` with stand-ins for Android's NDK: compilers that note how they were called."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_edgedevice.cli import main
from pytest_edgedevice.cli.ndk import SDK_VARIABLES, VARIABLES
from pytest_edgedevice.runners.native.finding import kept_agent
from pytest_edgedevice.runners.native.runtimes import kept_runtime
from tests.unit.runners.made import LITERT, TFLITE, archive, built

COMPILER = """#!/bin/sh
[ "$1" = --version ] && exec echo "stand-in clang 17"
printf '%s\\n' "$@" >"$0.arguments"
for last; do :; done
"""
TRIPLES = {
    "arm64-v8a": ("aarch64-linux-android", "aarch64"),
    "armeabi-v7a": ("armv7a-linux-androideabi", "armv7l"),
    "x86_64": ("x86_64-linux-android", "x86_64"),
    "x86": ("i686-linux-android", "i686"),
}
HOST = f"{sys.platform}-x86_64"


@pytest.fixture(autouse=True)
def no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, *SDK_VARIABLES, "CC"):
        monkeypatch.delenv(name, raising=False)


def script(path: Path, last: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(COMPILER + last + "\n")
    path.chmod(0o755)
    return path


def compiler(path: Path, content: bytes) -> Path:
    """A compiler that always makes this."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / f"{path.name}.made").write_bytes(content)
    return script(path, f'cp "{path}.made" "$last"')


def ndk(folder: Path, *, levels: tuple[int, ...] = (21, 24, 29), host: str = HOST) -> Path:
    programs = folder / "toolchains" / "llvm" / "prebuilt" / host / "bin"
    for triple, machine in TRIPLES.values():
        for level in levels:
            compiler(programs / f"{triple}{level}-clang", built(machine, android=level))
    return folder


def arguments(folder: Path, name: str) -> list[str]:
    path = folder / "toolchains" / "llvm" / "prebuilt" / HOST / "bin" / f"{name}-clang.arguments"
    return path.read_text().splitlines()


def ran(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict[str, Any]]:
    assert main(["build-agent", "--json", *map(str, words)]) == 0, capsys.readouterr().err
    entries: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["built"]
    return entries


def failed(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["build-agent", *map(str, words)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err


def test_a_phones_agent_is_compiled_with_the_ndk_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = ran(capsys, "--ndk", ndk(tmp_path / "ndk"))
    path = kept_agent("android-arm64-v8a")
    assert (entry["kind"], entry["key"], entry["path"]) == ("agent", "android-arm64-v8a", str(path))
    assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert entry["size_bytes"] == path.stat().st_size
    assert os.access(path, os.X_OK)
    words = arguments(tmp_path / "ndk", "aarch64-linux-android24")
    assert {"-Wall", "-Wextra", "-Werror", "-std=c11", "-ldl", "-Wl,-z,max-page-size=16384"} <= set(words)
    assert sum(word.endswith("/main.c") for word in words) == 1
    assert "-static" not in words  # what opens libraries cannot be


def test_several_kinds_of_phones_are_built_for_each_from_its_level_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    abis = [word for abi in (*TRIPLES, "x86") for word in ("--abi", abi)]
    found = ran(capsys, "--ndk", ndk(tmp_path / "ndk"), *abis, "--api", 29)
    assert [entry["key"] for entry in found] == [f"android-{abi}" for abi in TRIPLES]
    for triple, machine in TRIPLES.values():
        words = arguments(tmp_path / "ndk", f"{triple}29")
        assert ("-Wl,-z,max-page-size=16384" in words) == ("64" in machine)


def test_people_are_told_where_it_is_and_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build-agent", "--ndk", str(ndk(tmp_path / "ndk")), "--output", str(tmp_path / "out")]) == 0
    path = tmp_path / "out" / "android-arm64-v8a" / "edgedevice-agent"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    assert capsys.readouterr().out == f"agent for android-arm64-v8a: {path} ({size} bytes, {digest})\n"
    assert kept_agent("android-arm64-v8a").read_bytes() == path.read_bytes()
    assert os.access(path, os.X_OK)


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_ndk_is_found_by_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(ndk(tmp_path / "ndk")))
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path / "nowhere"))
    assert len(ran(capsys)) == 1


@pytest.mark.parametrize("variable", SDK_VARIABLES)
def test_the_newest_ndk_of_an_sdk_is_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for version in ("9.0.1", "27.2.12479018", "25.1.8937393"):
        ndk(tmp_path / "sdk" / "ndk" / version)
    (tmp_path / "sdk" / "ndk" / "99.unfinished").mkdir()
    monkeypatch.setenv(variable, str(tmp_path / "sdk"))
    ran(capsys)
    assert arguments(tmp_path / "sdk" / "ndk" / "27.2.12479018", "aarch64-linux-android24")


def test_without_an_ndk_the_way_to_one_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    text = failed(capsys)
    assert "no Android NDK is known here: neither --ndk nor ANDROID_NDK_HOME" in text
    assert "sdkmanager --install" in text
    assert "--compiler CC" in text


def test_a_folder_that_is_no_ndk_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"--ndk: '{tmp_path}' is no Android NDK: it has no folder toolchains" in failed(capsys, "--ndk", tmp_path)
    monkeypatch.setenv("ANDROID_NDK_HOME", str(tmp_path))
    assert "ANDROID_NDK_HOME: " in failed(capsys)


def test_an_ndk_for_other_hosts_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = failed(capsys, "--ndk", ndk(tmp_path / "ndk", host="windows-x86_64"))
    assert f"has no compilers for {sys.platform} hosts, but windows-x86_64" in text


@pytest.mark.parametrize("abi", ["arm64", "arm64-v9a", "", "x\x1b[2J"])
def test_an_abi_that_there_is_not_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], abi: str) -> None:
    text = failed(capsys, "--ndk", ndk(tmp_path / "ndk"), "--abi", abi)
    assert "there is no ABI" in text
    assert "ABIs: arm64-v8a, armeabi-v7a, x86_64, x86, aarch64, armv7l" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (19, "API 19 is too low: the agent needs 21, Android 5, or later"),
        (-3, "API -3 is too low"),
        (22, "leaves out API 22; it has 23, 24, 29"),
        (99, "API 99 is too high for the NDK"),
    ],
)
def test_a_level_that_cannot_be_compiled_for_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], level: int, text: str
) -> None:
    levels = (23, 24, 29) if level != 22 else (21, 23, 24, 29)
    shown = failed(capsys, "--ndk", ndk(tmp_path / "ndk", levels=levels), "--api", level)
    assert text.replace("it has 23", "it has 21, 23") in shown


def test_a_level_below_the_ndks_first_is_told_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = failed(capsys, "--ndk", ndk(tmp_path / "ndk", levels=(24, 29)), "--api", 21)
    assert "API 21 is too low for the NDK" in shown
    assert "write --api 24" in shown


def test_an_ndk_without_a_compiler_for_the_abi_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = failed(capsys, "--ndk", _empty(tmp_path / "ndk"))
    assert "has no compiler for arm64-v8a: no aarch64-linux-android*-clang in" in shown


def _empty(folder: Path) -> Path:
    (folder / "toolchains" / "llvm" / "prebuilt" / HOST / "bin").mkdir(parents=True)
    return folder


def test_what_the_compiler_says_is_told_and_nothing_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ndk(tmp_path / "ndk")
    programs = folder / "toolchains" / "llvm" / "prebuilt" / HOST / "bin"
    script(programs / "aarch64-linux-android24-clang", "echo 'main.c:1: error: no header <stdio.h>' >&2; exit 3")
    shown = failed(capsys, "--ndk", folder)
    assert "does not compile with" in shown
    assert "(exit code 3)" in shown
    assert "main.c:1: error: no header <stdio.h>" in shown
    assert not kept_agent("android-arm64-v8a").exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (built("x86_64", android=24), "built the native agent for x86_64 with 64 bits, not for arm64-v8a"),
        (b"#!/bin/sh\n", "is no program or library for Linux or Android"),
        (b"", "is no program or library for Linux or Android"),
    ],
)
def test_a_compiler_that_makes_something_else_is_found_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, text: str
) -> None:
    folder = ndk(tmp_path / "ndk")
    compiler(folder / "toolchains" / "llvm" / "prebuilt" / HOST / "bin" / "aarch64-linux-android24-clang", content)
    assert text in failed(capsys, "--ndk", folder)
    assert not kept_agent("android-arm64-v8a").exists()


def test_a_real_compiler_behind_the_ndks_name_builds_the_real_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _empty(tmp_path / "ndk")
    programs = folder / "toolchains" / "llvm" / "prebuilt" / HOST / "bin"
    # that they are fast is nothing that is seen here, and takes twice as long
    script(programs / "aarch64-linux-android24-clang", 'exec aarch64-linux-gnu-gcc "$@" -O0')
    (entry,) = ran(capsys, "--ndk", folder)
    assert entry["key"] == "android-arm64-v8a"
    assert Path(entry["path"]).read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize(
    ("content", "words", "key"),
    [
        (built("aarch64"), (), "linux-aarch64"),
        (built("armv7l"), ("--abi", "armv7l"), "linux-armv7l"),
        (built("x86_64"), ("--abi", "x86_64"), "linux-x86_64"),
        (built("x86_64", android=24), ("--abi", "x86_64"), "android-x86_64"),
        (built("aarch64"), ("--abi", "arm64-v8a"), "android-arm64-v8a"),
        (built("aarch64", android=24), (), "android-arm64-v8a"),
    ],
)
def test_a_compiler_of_ones_own_builds_for_whatever_it_builds_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: tuple[str, ...], key: str
) -> None:
    (entry,) = ran(capsys, "--compiler", compiler(tmp_path / "my compiler", content), *words)
    assert entry["key"] == key


def test_a_compilers_own_arguments_go_with_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = compiler(tmp_path / "cc", built())
    ran(capsys, "--compiler", f"{path} '--sysroot=/a b'")
    assert Path(f"{path}.arguments").read_text().splitlines()[0] == "--sysroot=/a b"


def test_boards_are_compiled_for_by_the_compiler_of_that_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    compiler(tmp_path / "arm-linux-gnueabihf-gcc", built("armv7l"))
    (entry,) = ran(capsys, "--abi", "armv7l")
    assert entry["key"] == "linux-armv7l"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert "no compiler for armv7l is here: arm-linux-gnueabihf-gcc is not on PATH" in failed(capsys, "--abi", "armv7l")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--compiler", "no-such-cc"), "the compiler 'no-such-cc' is not here"),
        (("--compiler", "cc 'half"), "cannot be read: No closing quotation"),
        (("--compiler", "  "), "--compiler names nothing"),
        (("--ndk", "/x", "--abi", "armv7l"), "an NDK compiles for Android alone, not for armv7l"),
        (("--compiler", "cc", "--ndk", "/x"), "--compiler and --ndk exclude each other"),
        (("--compiler", "cc", "--abi", "x86", "--abi", "aarch64"), "--compiler and several --abi exclude each other"),
    ],
)
def test_a_compiler_that_cannot_be_is_told(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    assert text in failed(capsys, *words)


@pytest.mark.parametrize(
    ("content", "words", "key", "engine"),
    [
        (built(more=TFLITE), (), "linux-aarch64", "tflite"),
        (built(android=24, more=LITERT), (), "android-arm64-v8a", "litert"),
        (built(more=TFLITE), ("--abi", "arm64-v8a"), "android-arm64-v8a", "tflite"),
        (built("x86_64", more=LITERT), ("--abi", "x86_64"), "linux-x86_64", "litert"),
    ],
)
def test_a_library_is_kept_without_building_anything(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    words: tuple[str, ...],
    key: str,
    engine: str,
) -> None:
    (tmp_path / "lib.so").write_bytes(content)
    (entry,) = ran(capsys, "--runtime", tmp_path / "lib.so", *words)
    assert (entry["kind"], entry["key"], entry["engine"]) == ("runtime", key, engine)
    assert kept_runtime(key, engine).read_bytes() == content


def test_libraries_for_every_kind_of_phone_are_taken_out_of_an_archive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = {f"jni/{abi}/libtensorflowlite_jni.so": built(TRIPLES[abi][1], more=TFLITE) for abi in TRIPLES}
    gpu = built("x86_64", more=b"gpu")
    members["jni/x86_64/libtensorflowlite_gpu_jni.so"] = gpu
    path = archive(tmp_path / "lib.aar", members)
    found = ran(capsys, "--runtime", path)
    assert [entry["key"] for entry in found if entry["engine"] == "tflite"] == [
        f"android-{abi}" for abi in sorted(TRIPLES)
    ]
    beside = kept_runtime("android-x86_64", "tflite").with_name("libtensorflowlite_gpu_jni.so")
    assert beside.read_bytes() == gpu
    assert [entry["key"] for entry in ran(capsys, "--runtime", path, "--abi", "x86")] == ["android-x86"]


def test_a_library_of_a_wheel_is_kept_for_what_it_is_built_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = archive(tmp_path / "a.whl", {"ai_edge_litert/libLiteRt.so": built(more=LITERT)})
    (entry,) = ran(capsys, "--runtime", path)
    assert entry["key"] == "linux-aarch64"


def test_an_agent_and_a_library_are_made_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lib.so").write_bytes(built(android=24, more=TFLITE))
    found = ran(capsys, "--ndk", ndk(tmp_path / "ndk"), "--runtime", tmp_path / "lib.so", "--output", tmp_path / "out")
    assert [entry["kind"] for entry in found] == ["agent", "runtime"]
    assert {path.name for path in (tmp_path / "out" / "android-arm64-v8a").iterdir()} == {
        "edgedevice-agent",
        "libtensorflowlite_c.so",
    }


@pytest.mark.parametrize(
    ("content", "words", "text"),
    [
        (built(), (), "is no inference library"),
        (b"rubbish", (), "is no program or library"),
        (built(more=TFLITE), ("--abi", "x86"), "is built for aarch64, and not for x86"),
        (built(more=TFLITE), ("--abi", "x86", "--abi", "aarch64"), "one library is for one ABI"),
    ],
)
def test_a_library_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: tuple[str, ...], text: str
) -> None:
    (tmp_path / "lib.so").write_bytes(content)
    assert text in failed(capsys, "--runtime", tmp_path / "lib.so", *words)


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").write_bytes(b"")
    assert "cannot write" in failed(capsys, "--ndk", ndk(tmp_path / "ndk"), "--output", tmp_path / "out")


def test_a_level_that_is_no_number_is_misuse() -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["build-agent", "--api", "lollipop"])
    assert stopped.value.code == 2


def test_help_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main(["build-agent", "--help"])
    shown = capsys.readouterr().out
    assert (stopped.value.code, max(map(len, shown.splitlines())) < 80) == (0, True)
    assert "--config" not in shown
