"""What a device's programs are built for, from the facts that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.agent.conditions import static_facts
from pytest_edgedevice.errors import InfraError
from pytest_edgedevice.runners.native.targets import Target, build_command, target_of, this_host

if TYPE_CHECKING:
    from pytest_edgedevice.values import Fact

PHONE: dict[str, Fact] = {"android": True, "arch": "arm64", "abi": "arm64-v8a", "sdk": 33}
BOARD: dict[str, Fact] = {"linux": True, "os": "linux", "arch": "arm64", "libc": "glibc 2.36"}


@pytest.mark.parametrize(
    ("facts", "key"),
    [
        (PHONE, "android-arm64-v8a"),
        (PHONE | {"abi": "armeabi-v7a"}, "android-armeabi-v7a"),
        (PHONE | {"abi": "x86_64"}, "android-x86_64"),
        (PHONE | {"abi": "x86"}, "android-x86"),
        ({"android": True, "arch": "arm64"}, "android-arm64-v8a"),
        (BOARD, "linux-aarch64"),
        (BOARD | {"arch": "aarch64"}, "linux-aarch64"),
        (BOARD | {"arch": "x86_64"}, "linux-x86_64"),
        (BOARD | {"arch": "armv6l"}, "linux-armv7l"),
        (BOARD | {"arch": "i586"}, "linux-i686"),
    ],
)
def test_a_device_is_told_by_its_facts(facts: dict[str, Fact], key: str) -> None:
    assert target_of(facts, name="it").key == key


def test_level_library_and_further_abis_are_taken_where_they_are_told() -> None:
    phone = target_of(PHONE | {"abis": "arm64-v8a,armeabi-v7a, armeabi"}, name="it")
    assert (phone.sdk, phone.abis) == (33, ("arm64-v8a", "armeabi-v7a"))
    assert target_of(BOARD, name="it").glibc == (2, 36)
    assert target_of(PHONE | {"sdk": "33"}, name="it").sdk is None


@pytest.mark.parametrize("libc", ["", "musl 1.2", "glibc", "libc 6"])
def test_another_c_library_has_no_version_of_glibc(libc: str) -> None:
    assert target_of(BOARD | {"libc": libc}, name="it").glibc is None


@pytest.mark.parametrize("arch", ["riscv64", "", "\x1b[31m" * 30])
def test_a_processor_that_nothing_is_built_for_is_told(arch: str) -> None:
    with pytest.raises(InfraError, match="rack does not tell its processor") as raised:
        target_of(BOARD | {"arch": arch}, name="rack")
    assert "\x1b" not in raised.value.message
    assert len(raised.value.message) < 400


def test_another_system_is_told() -> None:
    with pytest.raises(InfraError, match="mac runs macos; the native agent is for Linux and Android"):
        target_of({"os": "macos", "macos": True, "arch": "arm64"}, name="mac")


def test_this_host_is_what_its_own_facts_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert this_host() == target_of(static_facts(), name="it")
    monkeypatch.setattr("pytest_edgedevice.runners.native.targets.static_facts", lambda: {"os": "macos"})
    assert this_host() is None


def test_a_phone_runs_what_it_says_and_a_board_also_programs_of_half_the_bits() -> None:
    assert not Target("android", "aarch64").runs("armv7l")
    assert Target("android", "aarch64", abis=("arm64-v8a", "armeabi-v7a")).runs("armv7l")
    assert Target("linux", "aarch64").runs("armv7l")
    assert not Target("linux", "armv7l").runs("aarch64")
    assert not Target("linux", "x86_64").runs("aarch64")


@pytest.mark.parametrize(
    ("target", "command"),
    [
        (Target("android", "aarch64"), "--ndk PATH --abi arm64-v8a"),
        (Target("android", "i686"), "--ndk PATH --abi x86"),
        (Target("linux", "aarch64"), "--compiler aarch64-linux-gnu-gcc"),
        (Target("linux", "armv7l"), "--compiler arm-linux-gnueabihf-gcc"),
    ],
)
def test_the_command_that_builds_for_a_device_can_be_typed(target: Target, command: str) -> None:
    assert build_command(target) == f"edgedevice build-agent {command}"
