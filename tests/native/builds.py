"""What tests compile: once for all workers, kept by what it was made of."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.runners.native.building import LIBRARIES, SOURCES, NativeAgent, build_native_agent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BUILD = Path(__file__).parents[2] / "build" / "native"
STRICT = (
    *("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Wformat=2"),
    *("-Wno-format-nonliteral", "-Werror"),
)


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """Nobody else makes this meanwhile."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def agent_of(*, compiler: Sequence[str] = ("gcc",), flags: Sequence[str] = ()) -> NativeAgent:
    """The native agent, compiled without a warning; see ``build_native_agent``."""
    with alone("agent"):
        return build_native_agent(compiler=compiler, flags=(*STRICT, *flags), cache=BUILD)


def harness_of(main: Path, *command: str) -> Path:
    """The agent's sources with another main, compiled by a command."""
    parts = [path for path in sorted(SOURCES.glob("*.c")) if path.name != "main.c"]
    digest = hashlib.sha256("\0".join(command).encode())
    for path in (main, *sorted(SOURCES.glob("*.[ch]"))):
        digest.update(path.read_bytes())
    program = BUILD / "harness" / digest.hexdigest()[:24]
    with alone("harness"):
        if not program.exists():
            program.parent.mkdir(exist_ok=True)
            part = program.with_name(f"{program.name}.{os.getpid()}")
            subprocess.run([*command, str(main), *map(str, parts), *LIBRARIES, "-o", str(part)], check=True)
            part.rename(program)
    return program
