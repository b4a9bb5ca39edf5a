"""Which program is the native agent for a device: named, built before, or built now for a system like this host's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.errors import MissingExtraError
from pytest_edgedevice.runners.native.building import PROGRAM, build_native_agent, cache_folder, sources_hash
from pytest_edgedevice.runners.native.files import Built, check_program, read_built
from pytest_edgedevice.runners.native.targets import build_command, this_host

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_edgedevice.runners.native.targets import Target

AGENT = "the native agent"


def kept_agent(key: str) -> Path:
    """Where ``edgedevice build-agent`` keeps the program for a kind of device; of these sources, and no others."""
    return cache_folder() / "agents" / sources_hash() / key / PROGRAM


def find_agent(target: Target, *, named: Path | None, name: str) -> Built:
    """The program for a device, seen to fit it.

    Args:
        target: What it must be built for.
        named: The one that the device's table names; None for one that is found or built.
        name: The device's name, for messages.

    Raises:
        MissingExtraError: There is none, and none can be built here; the hint is the command that builds it.
        UsageError: It cannot run there.
        InfraError: This host's compiler refuses it.
    """
    found = read_built(named or _kept_or_built(target, name), what=AGENT)
    check_program(found, target, name=name)
    return found


def _kept_or_built(target: Target, name: str) -> Path:
    kept = kept_agent(target.key)
    if kept.is_file():
        return kept
    if is_like_this_host(target):
        return build_native_agent().path
    raise MissingExtraError(
        f"{name} needs the native agent for {target.key}, and none was built for this version",
        hint=f"run: {build_command(target)}; or name one with 'agent' in edgedevice.toml",
    )


def is_like_this_host(target: Target) -> bool:
    """Whether what is built for this host runs there: Linux with the GNU C library on the same processor."""
    here = this_host()
    if here is None or target.system != "linux":
        return False
    return target.machine == here.machine and target.glibc is not None and here.glibc is not None
