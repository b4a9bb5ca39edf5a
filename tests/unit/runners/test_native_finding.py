"""Which program is the native agent for a device: named, kept, built here, or what to type."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.errors import MissingExtraError, UsageError
from pytest_edgedevice.runners.native import building, finding
from pytest_edgedevice.runners.native.finding import find_agent, is_like_this_host, kept_agent
from pytest_edgedevice.runners.native.targets import Target, this_host
from tests.unit.runners.made import built

if TYPE_CHECKING:
    from pathlib import Path

PHONE = Target("android", "aarch64")
HERE = this_host() or PHONE


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(target: Target, content: bytes) -> Path:
    path = kept_agent(target.key)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_the_program_that_is_named_is_taken(tmp_path: Path) -> None:
    (tmp_path / "agent").write_bytes(built(android=24))
    keep(PHONE, built(android=21))
    assert find_agent(PHONE, named=tmp_path / "agent", name="phone").header.android == 24


def test_the_program_that_was_built_before_is_found(cache: Path) -> None:
    path = keep(PHONE, built(android=24))
    found = find_agent(PHONE, named=None, name="phone")
    assert (found.path, found.path.is_relative_to(cache)) == (path, True)


def test_a_program_of_other_sources_is_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep(PHONE, built(android=24))
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "main.c").write_text("int main(void) { return 1; }")
    monkeypatch.setattr(building, "SOURCES", tmp_path / "sources")
    with pytest.raises(MissingExtraError, match="needs the native agent for android-arm64-v8a") as raised:
        find_agent(PHONE, named=None, name="phone")
    assert "run: edgedevice build-agent --ndk PATH --abi arm64-v8a;" in raised.value.hint


def test_a_program_that_was_kept_for_another_device_by_mistake_is_refused() -> None:
    keep(PHONE, built("x86_64", android=24))
    with pytest.raises(UsageError, match="is built for Android on x86_64, and phone is android-arm64-v8a"):
        find_agent(PHONE, named=None, name="phone")


def test_for_a_system_like_this_one_it_is_built_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "made").write_bytes(built(HERE.machine))
    compiler = tmp_path / "cc"
    compiler.write_text(
        f'#!/bin/sh\nfor last; do :; done\ncase "$last" in */edgedevice-agent) cp "{tmp_path}/made" "$last";; esac\n'
    )
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(compiler))
    assert find_agent(replace(HERE, libc="glibc 2.17"), named=None, name="desk").content == built(HERE.machine)


@pytest.mark.parametrize(
    ("target", "like"),
    [
        (HERE, True),
        (replace(HERE, libc="glibc 2.5"), True),
        (replace(HERE, libc="musl 1.2"), False),
        (replace(HERE, libc=""), False),
        (replace(HERE, system="android"), False),
        (replace(HERE, machine="armv7l"), False),
    ],
)
def test_only_linux_with_the_same_processor_and_library_is_like_this_host(target: Target, like: bool) -> None:
    assert is_like_this_host(target) is like


def test_nothing_is_like_a_host_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "this_host", lambda: None)
    assert not is_like_this_host(HERE)


@pytest.mark.parametrize("value", ["", "relative/folder"])
def test_the_cache_is_in_the_home_where_the_environment_names_no_folder(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert building.cache_folder() == tmp_path / ".cache" / "pytest-edgedevice"
