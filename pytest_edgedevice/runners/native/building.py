"""Build the native agent: find a compiler, compile its sources, keep the program by what it was made of.

Knows compilers and files; nothing of devices. Cross compilers are named by the caller.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeadlineError, InfraError, MissingExtraError, OutputTooLongError
from pytest_edgedevice.transports.pipes import kill_group
from pytest_edgedevice.transports.program import converse

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = Path(__file__).parents[2] / "agent" / "native"
PROGRAM = "edgedevice-agent"
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-fno-strict-overflow", "-fstack-protector-strong", "-s")
STRICT = ("-Wall", "-Wextra", "-Werror")
"""For builds that a person asks for: what a compiler doubts is told, and not first found out on a device."""
LIBRARIES = ("-pthread", "-ldl", "-lm")
"""All part of the C library: of its own file (Android, glibc 2.34) or of one beside it."""
COMPILERS = ("cc", "gcc", "clang")
COMPILE_S = 300.0
VERSION_S = 30.0
MOST_SAID_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class NativeAgent:
    """The program that was built, and the hash that its hello must show."""

    path: Path
    sha256: str

    def command(self, program: str, folder: str, runtime: str = "") -> list[str]:
        """Arguments that start it on a device.

        Args:
            program: Where the program was placed there.
            folder: The session's folder there.
            runtime: The inference library there; empty for one beside the program.
        """
        return [program, "--folder", folder, "--wipe", *(["--runtime", runtime] if runtime else [])]


def build_native_agent(
    *, compiler: Sequence[str] = (), flags: Sequence[str] = (), cache: Path | None = None
) -> NativeAgent:
    """Compile the agent, or take the one that was compiled from the same sources in the same way.

    Args:
        compiler: Compiler and what it always needs, e.g. ``["aarch64-linux-android29-clang"]``; by default
            ``$CC``, else the first of cc, gcc and clang that is here.
        flags: Further flags, e.g. ``["-static-pie"]``.
        cache: Folder for built programs; the user's cache folder by default.

    Raises:
        MissingExtraError: There is no compiler.
        InfraError: It does not compile, and what the compiler said.
    """
    command = [*(compiler or _find_compiler()), *FLAGS, *flags]
    sources = sorted(SOURCES.glob("*.c"))
    folder = (cache or cache_folder()) / "native" / _fingerprint(command)
    program = folder / PROGRAM
    if not program.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _compile([*command, *map(str, sources), *LIBRARIES], program)
        except OSError as error:
            raise InfraError(
                f"the native agent cannot be kept in {str(folder)!r}: {error.strerror or error}",
                hint="set XDG_CACHE_HOME to a folder that you may write to",
            ) from error
    return NativeAgent(program, hashlib.sha256(program.read_bytes()).hexdigest())


def _find_compiler() -> list[str]:
    named = os.environ.get("CC", "").split()
    if named:
        return named
    for name in COMPILERS:
        if shutil.which(name):
            return [name]
    raise MissingExtraError(
        f"no C compiler is here to build the native agent with: none of {', '.join(COMPILERS)} is on PATH",
        hint="install gcc or clang, or name one in the environment variable CC",
    )


def cache_folder() -> Path:
    """Where this user's builds and runtimes stay."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(named) if named.startswith("/") else Path("~").expanduser() / ".cache") / "pytest-edgedevice"


def sources_hash() -> str:
    """Tells the agent's sources of this version from those of any other, in 16 hex digits."""
    digest = hashlib.sha256()
    _add_sources(digest)
    return digest.hexdigest()[:16]


def _fingerprint(command: Sequence[str]) -> str:
    digest = hashlib.sha256("\0".join(command).encode())
    with contextlib.suppress(InfraError):  # one that does not tell its version may compile all the same
        digest.update(_run([command[0], "--version"], timeout_s=VERSION_S).encode())
    _add_sources(digest)
    return digest.hexdigest()[:24]


def _add_sources(digest: hashlib._Hash) -> None:
    for path in sorted(SOURCES.glob("*.[ch]")):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode())
        digest.update(content)


def _compile(command: Sequence[str], program: Path) -> None:
    """Compile beside the target and move it there: nobody ever starts half a program."""
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        made = Path(work) / PROGRAM
        _run([*command, "-o", str(made)], timeout_s=COMPILE_S)
        if not _is_program(made):
            why = (
                "what it wrote is no program or library for Linux or Android" if made.is_file() else "wrote no program"
            )
            raise InfraError(f"the compiler {command[0]!r} ended with exit code 0, but {why}")
        made.replace(program)


def _is_program(path: Path) -> bool:
    """Whether it is an ELF file; what is none must not be kept."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
    return False


def _run(command: Sequence[str], *, timeout_s: float) -> str:
    """Its output; it and all it started are gone afterwards."""
    pipe = subprocess.PIPE
    try:
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
    except (OSError, ValueError) as error:
        raise MissingExtraError(f"the compiler {command[0]!r} cannot be used: {error}") from error
    with child:
        try:
            out, err = converse(child, b"", timeout_s=timeout_s, most_bytes=MOST_SAID_BYTES)
        except (DeadlineError, OutputTooLongError) as error:
            late = isinstance(error, DeadlineError)
            why = f"it did not end within {timeout_s:g} s" if late else error.message
            raise InfraError(f"the compiler {command[0]!r} was killed: {why}") from None
        finally:
            kill_group(child.pid)
    if child.returncode:
        said = "".join(f"\n  {line[:200]}" for line in err.decode("utf-8", "replace").splitlines()[:8])
        raise InfraError(f"the native agent does not compile with {command[0]!r} (exit code {child.returncode}){said}")
    return out.decode("utf-8", "replace")
