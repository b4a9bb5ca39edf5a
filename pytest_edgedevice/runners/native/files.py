"""Programs and libraries of this host for a device: read, and refused where they cannot run there.

A file for another processor or system is found out here, from its header, before anything travels. What a device
does not tell of itself is no reason to refuse a file: its own loader then says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import UsageError
from pytest_edgedevice.runners.elf import Header, NotElfError, Version, header_of, highest, versions_of
from pytest_edgedevice.runners.native.targets import ABIS, BITS, Target, build_command

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Built:
    """A program or library of this host.

    Attributes:
        path: The file.
        content: Its bytes.
        header: What it is built for.
        glibc: Highest version of the GNU C library that it needs; None where it needs none.
    """

    path: Path
    content: bytes
    header: Header
    glibc: Version | None

    def __str__(self) -> str:
        for_android = self.header.android is not None
        abi = {machine: abi for abi, machine in ABIS.items()}.get(self.header.machine, self.header.machine)
        return f"{self.path} is built for {f'Android on {abi}' if for_android else self.header.machine}"


def read_built(path: Path, *, what: str) -> Built:
    """Read a program or library.

    Args:
        path: The file.
        what: What it should be, for messages: ``the native agent``.

    Raises:
        UsageError: It cannot be read, or is neither.
    """
    try:
        if not path.is_file():  # a pipe would wait for its writer
            raise UsageError(f"{what} {str(path)!r} is no file", hint="paths in a device file are relative to it")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UsageError(f"{what} {str(path)!r} has more than {MOST_BYTES >> 20} MiB")
        header, needs = header_of(content), versions_of(content).needs
    except OSError as error:
        raise UsageError(f"{what} {str(path)!r} cannot be read: {error.strerror or error}") from None
    except NotElfError as error:
        raise UsageError(
            f"{what} {str(path)!r} is no program or library for Linux or Android: {error}",
            hint=f"it begins with {content[:8]!r}; is it whole?",
        ) from None
    if not header.loadable:
        raise UsageError(f"{what} {str(path)!r} is no program or library, but an object file or a core dump")
    names = [name for versions in needs.values() for name in versions]
    return Built(path, content, header, highest(names, "GLIBC"))


def check_program(program: Built, target: Target, *, name: str) -> None:
    """Refuse a program that cannot run on a device.

    Raises:
        UsageError: Why, and what to build.
    """
    header = program.header
    hint = f"build it for this device: {build_command(target)}"
    if not target.runs(header.machine) or header.bits != BITS.get(header.machine):
        raise UsageError(f"the native agent {program}, and {name} is {target.key}", hint=hint)
    if header.android is not None and target.system != "android":
        raise UsageError(f"the native agent {program}, and {name} runs Linux with its own C library", hint=hint)
    if header.android is not None and target.sdk is not None and header.android > target.sdk:
        hint = f"build it anew: {build_command(target)} --api {target.sdk}"
        raise UsageError(f"the native agent {program} of API {header.android}, and {name} has {target.sdk}", hint=hint)
    _check_glibc(program, target, name=name, hint=hint)


def check_runtime(runtime: Built, program: Built, target: Target, *, name: str) -> None:
    """Refuse an inference library that the agent's program could not load there.

    Raises:
        UsageError: Why, and what to name instead.
    """
    ours, theirs = program.header, runtime.header
    hint = f"name the library for {target.key} with 'runtime' in edgedevice.toml or in EDGEDEVICE_RUNTIME"
    if (theirs.machine, theirs.bits) != (ours.machine, ours.bits):
        raise UsageError(f"the runtime {runtime}, and the agent on {name} is for {ours.machine}", hint=hint)
    if ours.android is None and theirs.android is not None:
        raise UsageError(f"the runtime {runtime}, and the agent on {name} is not", hint=hint)
    if ours.android is not None and runtime.glibc is not None:
        raise UsageError(f"the runtime {runtime} with glibc, and the agent on {name} is for Android", hint=hint)
    _check_glibc(runtime, target, name=name, hint=hint)


def _check_glibc(built: Built, target: Target, *, name: str, hint: str) -> None:
    if built.glibc is None or not target.libc or target.system == "android":
        return
    if target.glibc is None or target.glibc < built.glibc:
        least = ".".join(map(str, built.glibc))
        raise UsageError(f"{built.path} needs glibc {least} or later, and {name} has {target.libc}", hint=hint)
