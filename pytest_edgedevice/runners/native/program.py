"""The native agent on a device: what is brought there, and how it is started."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_edgedevice.errors import DeviceLostError, TransportError
from pytest_edgedevice.runners.agents import Agent
from pytest_edgedevice.runners.native.files import check_runtime, read_built
from pytest_edgedevice.runners.native.finding import find_agent
from pytest_edgedevice.runners.native.runtimes import find_runtime
from pytest_edgedevice.runners.native.targets import target_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_edgedevice.runners.backend import Site
    from pytest_edgedevice.transports.base import Process

LOCAL = "local"
"""Kind of the link whose device has this host's own files."""
UNKNOWN_PROGRAM = 127


@dataclass(frozen=True, slots=True)
class _Files:
    """Files of this host for a device; ``there`` is a runtime that is on the device already."""

    program: Path
    sha256: str
    runtime: Path | None = None
    gpu: Path | None = None
    there: str = ""


@dataclass(frozen=True, slots=True)
class _Placed:
    """The program's path on the device, and arguments that name other files there."""

    program: str
    arguments: tuple[str, ...]


class NativeProgram(Agent):
    """The agent without Python, which opens an inference library that is brought along; see ``agent/native``.

    Args:
        program: The agent's program, built for the device; None to find or build one.
        runtime: The inference library: a file or archive of this host, or ``device:`` and a path there; empty to
            find one.
        engine: ``litert`` or ``tflite`` to find that engine's library; empty for any.
        environment: Further variables of the process on the device.
    """

    name = "native"

    def __init__(
        self,
        *,
        program: Path | None = None,
        runtime: str = "",
        engine: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.sha256 = ""
        self._program = program
        self._runtime = runtime
        self._engine = engine
        self._environment = dict(environment or {})
        self._files: _Files | None = None
        self._placed: _Placed | None = None
        self._turn = threading.Lock()

    def start(self, site: Site) -> Process:
        """See ``Agent``; looks for program and library when it is called for the first time.

        Raises:
            MissingExtraError: There is no program or no library for this device; the hint says how to get it.
            UsageError: One of them cannot run there.
            InfraError: They cannot be placed or started.
        """
        with self._turn:
            placed = self._placed or self._place(site)
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        return site.link.start(
            [
                *(["env", *variables] if variables else []),
                *(placed.program, "--folder", site.link.folder, "--wipe", *placed.arguments),
            ]
        )

    def forget(self) -> None:
        """See ``Agent``."""
        self._placed = None

    def _place(self, site: Site) -> _Placed:
        files = self._files = self._files or self._find(site)
        program = _there(site, files.program, program=True)
        arguments = ["--runtime", files.there if files.runtime is None else _there(site, files.runtime)]
        if files.gpu is not None:
            arguments += ["--gpu", _there(site, files.gpu)]
        self.sha256 = files.sha256
        self._placed = _Placed(program, tuple(arguments))
        return self._placed

    def _find(self, site: Site) -> _Files:
        """Look at both before anything travels."""
        target = target_of(site.link.facts(), name=site.name)
        program = find_agent(target, named=self._program, name=site.name)
        target = replace(target, machine=program.header.machine)  # one of 32 bits needs a library of 32 bits
        chosen = find_runtime(target, named=self._runtime, engine=self._engine, name=site.name)
        for path in (chosen.path, chosen.gpu):
            if path is not None:
                check_runtime(read_built(path, what="the runtime"), program, target, name=site.name)
        sha256 = hashlib.sha256(program.content).hexdigest()
        runtime, gpu = (path and path.absolute() for path in (chosen.path, chosen.gpu))
        return _Files(program.path.absolute(), sha256, runtime, gpu, chosen.there)


def _there(site: Site, path: Path, *, program: bool = False) -> str:
    """Bring a file to the device, unless the device has this host's files; its path there."""
    if site.link.kind == LOCAL and (not program or os.access(path, os.X_OK)):
        return str(path)
    pushed = site.link.push(path, timeout_s=site.timeout_s)
    place = f"{site.link.folder}/{pushed.sha256}"
    if program:
        _make_executable(site, place)
    return place


def _make_executable(site: Site, path: str) -> None:
    """By the device's own tool; where it has none, its link may make programs of files, which the start will show."""
    try:
        done = site.link.run(["chmod", "0700", path], timeout_s=site.timeout_s)
    except DeviceLostError:
        raise
    except TransportError:  # there is no such program
        return
    if done.returncode not in (0, UNKNOWN_PROGRAM):
        said = done.stderr.decode("utf-8", "replace").strip()[:200]
        said = "".join(sign if sign.isprintable() else " " for sign in said)
        raise TransportError(
            f"{site.name}: the native agent cannot be made executable: chmod ended with {done.returncode}: {said}",
            hint="name a folder where programs may run with 'folder' in edgedevice.toml",
        )
