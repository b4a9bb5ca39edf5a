"""What the programs of a device are built for, as its facts tell it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.agent.conditions import static_facts
from pytest_edgedevice.errors import InfraError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.runners.elf import Version
    from pytest_edgedevice.values import Fact

ABIS = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7l", "x86_64": "x86_64", "x86": "i686"}
"""Android's names of what ``uname -m`` calls otherwise."""
BITS = {"aarch64": 64, "armv7l": 32, "x86_64": 64, "i686": 32}
NARROW = {"aarch64": "armv7l", "x86_64": "i686"}
"""Kernels run programs of 32 bits too, and a system may have no others."""
_KERNELS = {"arm64": "aarch64", "armv6l": "armv7l", "armv8l": "armv7l", "amd64": "x86_64"}
_KERNELS |= dict.fromkeys(("i386", "i486", "i586"), "i686")
_VERSION = re.compile(r"\d{1,5}(?:\.\d{1,5}){1,3}")


@dataclass(frozen=True, slots=True)
class Target:
    """What the programs of a device are built for.

    Attributes:
        system: ``android`` or ``linux``.
        machine: As ``uname -m`` says it.
        libc: As the system names it, ``glibc 2.36``; empty where it is not told.
        sdk: Android's API level; None where it is not told.
        abis: Further ABIs that an Android device runs.
    """

    system: str
    machine: str
    libc: str = ""
    sdk: int | None = None
    abis: tuple[str, ...] = ()

    @property
    def abi(self) -> str:
        """What people call it: Android's name on Android, the machine's elsewhere."""
        names = {machine: abi for abi, machine in ABIS.items()}
        return names.get(self.machine, self.machine) if self.system == "android" else self.machine

    @property
    def key(self) -> str:
        """Name of the folder with what was built for it."""
        return f"{self.system}-{self.abi}"

    @property
    def glibc(self) -> Version | None:
        """Version of the GNU C library; None for another one, and where it is not told."""
        found = _VERSION.search(self.libc) if "glibc" in self.libc.lower() else None
        return tuple(int(part) for part in found[0].split(".")) if found else None

    def runs(self, machine: str) -> bool:
        """Whether programs for a machine may run there."""
        if self.system == "android":
            return machine in (self.machine, *(ABIS.get(abi) for abi in self.abis))
        # the kernel's word says nothing of the rest of the system: a Pi may have a kernel of 64 bits alone
        return machine in (self.machine, NARROW.get(self.machine))


def target_of(facts: Mapping[str, Fact], *, name: str) -> Target:
    """What a device's facts say that its programs are built for.

    Args:
        facts: As its link tells them.
        name: The device's name, for messages.

    Raises:
        InfraError: They don't say, or it is no device for the native agent.
    """
    told = str(facts.get("abi") or facts.get("arch") or "")
    machine = ABIS.get(told) or _KERNELS.get(told, told)
    system = "android" if facts.get("android") is True else "linux"
    if system == "linux" and facts.get("linux") is not True and facts.get("os", "linux") != "linux":
        raise InfraError(
            f"{name} runs {facts['os']}; the native agent is for Linux and Android", hint='write runner = "python"'
        )
    if machine not in BITS:
        raise InfraError(
            f"{name} does not tell its processor, or one that the native agent is not built for: {told[:60]!r}",
            hint=f"it is for {', '.join(BITS)}",
        )
    sdk, libc = facts.get("sdk"), facts.get("libc")
    abis = tuple(part.strip() for part in str(facts.get("abis") or "").split(",") if part.strip() in ABIS)
    return Target(system, machine, str(libc or "")[:80], sdk if type(sdk) is int else None, abis)


def this_host() -> Target | None:
    """What this host's own programs are built for; None where the native agent is for none of them."""
    try:
        return target_of(static_facts(), name="this host")
    except InfraError:
        return None


def build_command(target: Target) -> str:
    """What builds the agent for a device, as a person types it."""
    if target.system == "android":
        return f"edgedevice build-agent --ndk PATH --abi {target.abi}"
    return f"edgedevice build-agent --compiler {compiler_of(target.machine)}"


def compiler_of(machine: str) -> str:
    """What Linux systems call the compiler for a machine, be it their own or another one."""
    return f"{'arm-linux-gnueabihf' if machine == 'armv7l' else f'{machine}-linux-gnu'}-gcc"
