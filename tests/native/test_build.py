"""Building the native agent: every compiler, every warning, once."""

from __future__ import annotations

import hashlib
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import InfraError, MissingExtraError
from pytest_edgedevice.runners.native import building
from pytest_edgedevice.runners.native.building import SOURCES, build_native_agent
from tests.native.agents import Agents
from tests.native.builds import BUILD, agent_of, alone

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_compiles_without_a_warning_and_says_hello(tmp_path: Path, runtimes: dict[str, Path], compiler: str) -> None:
    assert shutil.which(compiler), f"{compiler} is not here: run ./tests/run, which installs it"
    program = agent_of(compiler=[compiler])
    client = Agents(program, runtimes, tmp_path).start()
    assert client.hello["engines"] == {"tflite": "2.17.1"}
    client.close()


def test_it_is_small_and_needs_the_c_library_alone() -> None:
    program = agent_of().path
    assert program.stat().st_size < 150_000
    content = program.read_bytes()
    assert b"libc.so" in content
    assert b"libstdc++" not in content


PROPERTIES = """
#include <stdio.h>
enum { PROP_VALUE_MAX = 92 };
static inline int __system_property_get(const char *name, char *value) {
    return snprintf(value, PROP_VALUE_MAX, "the phone's %s", name);
}
"""


def test_what_is_compiled_for_android_alone_compiles_and_works(tmp_path: Path, runtimes: dict[str, Path]) -> None:
    """By the compiler of Android's NDK, with a stand-in for the one header that Android alone has."""
    folder = BUILD / f"android-{hashlib.sha256(PROPERTIES.encode()).hexdigest()[:12]}"
    with alone("android"):
        (folder / "sys").mkdir(parents=True, exist_ok=True)
        (folder / "sys" / "system_properties.h").write_text(PROPERTIES)
        program = agent_of(compiler=["clang"], flags=["-D__ANDROID__", f"-I{folder}"])
    client = Agents(program, runtimes, tmp_path).start()
    told = client.request("facts", timeout_s=60).header["facts"]
    client.close()
    assert client.hello["system"] == "android"
    assert (told["os"], told["android"], told["model"]) == ("android", True, "the phone's ro.product.model")


def compiler_in(folder: Path, script: str) -> str:
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


COMPILES = (
    'echo "$@" >>"$0.log"; for last; do :; done; case "$last" in */edgedevice-agent) printf "\\177ELF" >"$last";; esac'
)


def test_a_program_is_compiled_once(tmp_path: Path) -> None:
    compiler = compiler_in(tmp_path, COMPILES)
    first = build_native_agent(compiler=[compiler], cache=tmp_path)
    assert build_native_agent(compiler=[compiler], cache=tmp_path) == first
    calls = (tmp_path / "compiler.log").read_text().splitlines()
    assert sum("main.c" in call for call in calls) == 1


def test_a_compiler_that_does_not_tell_its_version_may_compile(tmp_path: Path) -> None:
    compiler = compiler_in(tmp_path, f'test "$1" = --version && exit 1; {COMPILES}')
    assert build_native_agent(compiler=[compiler], cache=tmp_path).path.exists()


def test_other_flags_are_another_program(tmp_path: Path) -> None:
    compiler = compiler_in(tmp_path, COMPILES)
    paths = {build_native_agent(compiler=[compiler], flags=flags, cache=tmp_path).path for flags in ([], ["-O3"])}
    assert len(paths) == 2


def test_the_compiler_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", compiler_in(tmp_path, COMPILES) + " -march=native")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    program = build_native_agent()
    assert program.path.is_relative_to(tmp_path / "pytest-edgedevice" / "native")
    assert "-march=native" in (tmp_path / "compiler.log").read_text()


def test_what_the_compiler_says_is_told(tmp_path: Path) -> None:
    compiler = compiler_in(tmp_path, 'test "$1" = --version || { echo "fatal: no header <stdint.h>" >&2; exit 4; }')
    with pytest.raises(InfraError, match=r"does not compile with .* \(exit code 4\)\n  fatal: no header <stdint\.h>"):
        build_native_agent(compiler=[compiler], cache=tmp_path)
    assert not list(tmp_path.rglob("edgedevice-agent"))


def test_a_compiler_that_writes_nothing_or_no_program_leaves_nothing(tmp_path: Path) -> None:
    for does, why in (("exit 0", "wrote no program"), (COMPILES.replace("177ELF", "177FLE"), "is no program")):
        with pytest.raises(InfraError, match=f"ended with exit code 0, but .*{why}"):
            build_native_agent(compiler=[compiler_in(tmp_path, does)], cache=tmp_path)
    assert not list(tmp_path.rglob("edgedevice-agent"))


def test_what_a_compiler_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    compiler = compiler_in(tmp_path, f"sleep 987 & {COMPILES}")
    assert build_native_agent(compiler=[compiler], cache=tmp_path).path.exists()


@pytest.mark.parametrize(
    ("does", "limits", "why"),
    [("exec sleep 987", {"COMPILE_S": 0.1, "VERSION_S": 0.1}, "did not end within 0.1 s"),
     ("exec cat /dev/zero", {"MOST_SAID_BYTES": 1 << 20}, "it said more than 1 MiB")],
)  # fmt: skip
def test_a_compiler_has_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, does: str, limits: dict[str, float], why: str
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(building, name, value)
    with pytest.raises(InfraError, match=f"was killed: .*{why}"):
        build_native_agent(compiler=[compiler_in(tmp_path, does)], cache=tmp_path)


def test_a_cache_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfraError, match=r"the native agent cannot be kept in .*/file/native/"):
        build_native_agent(compiler=[compiler_in(tmp_path, COMPILES)], cache=tmp_path / "file")


def test_a_compiler_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match="'no-such-cc' cannot be used"):
        build_native_agent(compiler=["no-such-cc"], cache=tmp_path)


def test_without_a_compiler_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(building, "COMPILERS", ("no-such-cc",))
    with pytest.raises(MissingExtraError) as raised:
        build_native_agent(cache=tmp_path)
    assert "none of no-such-cc is on PATH" in raised.value.message
    assert "environment variable CC" in raised.value.hint


def test_the_first_compiler_that_is_here_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(building, "COMPILERS", ("no-such-cc", compiler_in(tmp_path, COMPILES)))
    assert build_native_agent(cache=tmp_path).path.exists()


def test_a_command_names_the_folder_and_the_runtime(tmp_path: Path) -> None:
    program = build_native_agent(compiler=[compiler_in(tmp_path, COMPILES)], cache=tmp_path)
    assert program.command("/d/agent", "/d") == ["/d/agent", "--folder", "/d", "--wipe"]
    assert program.command("/d/agent", "/d", "/d/lib.so")[-2:] == ["--runtime", "/d/lib.so"]


@pytest.mark.parametrize("path", [*sorted(SOURCES.glob("*.[ch]"))], ids=lambda path: path.name)
def test_a_file_can_be_held_in_mind(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 120
