"""This machine as a device: child processes and a folder of ours.

The agent is a process of its own here too, so that a crash of the runtime
takes neither pytest nor other models with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pytest_edgedevice.agent import conditions
from pytest_edgedevice.errors import DeadlineError, OutputTooLongError, TransportError
from pytest_edgedevice.transports.base import Completed, Pushed, Transport
from pytest_edgedevice.transports.cache import ModelCache
from pytest_edgedevice.transports.leftovers import Cleared, clear
from pytest_edgedevice.transports.orphans import VARIABLE, end, orphans_of
from pytest_edgedevice.transports.pipes import ChildProcess, kill_group
from pytest_edgedevice.transports.placing import Placed, Placing, copy, hash_of, os_fault
from pytest_edgedevice.transports.program import converse
from pytest_edgedevice.transports.sessions import enter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import Fact

FINISH_S = 5.0
MOST_OUTPUT_BYTES = 64 << 20
END_S = 10.0
"""Longest output of a program that ``run`` keeps, and of its errors."""


class LocalTransport(Transport):
    """Processes and files on this machine.

    Args:
        base: Folder in which the session's folder is made; the system's temporary folder by default.
        python: Interpreter that runs the agent; this one by default. It needs numpy and a runtime.
        cache_bytes: How much of pushed models may stay beside the session's folder when it ends; nothing by default.
    """

    kind = "local"

    def __init__(self, *, base: Path | None = None, python: str = "", cache_bytes: int = 0) -> None:
        root = Path.cwd() / base if base else Path(tempfile.gettempdir()) / f"edgedevice-{os.getuid()}"
        self._shared_root = None if base else root
        self._python = python or sys.executable
        self._children: list[ChildProcess] = []
        self._placings: set[Placing] = set()
        self._parts = itertools.count()
        self._cache = ModelCache(root, cap_bytes=cache_bytes)
        self._process = os.getpid()
        self._closed = False
        try:
            self._session = enter(root, chosen=base is not None)
        except OSError as error:
            raise os_fault(error, f"cannot make a folder in {root}") from error
        self.folder = self._session.folder

    def identity(self) -> str:
        """See the base class."""
        return local_identity()

    def facts(self) -> Mapping[str, Fact]:
        """See the base class."""
        return local_facts()

    def agent_command(self, agent: str) -> list[str]:
        """See the base class; ``--wipe`` makes the agent clean up if this process is killed."""
        return [self._python, agent, "--folder", self.folder, "--wipe"]

    def run(self, arguments: Sequence[str], *, timeout_s: float, stdin: bytes = b"") -> Completed:
        """See the base class."""
        self._check_open()
        pipe = subprocess.PIPE
        try:
            child = subprocess.Popen(
                list(arguments),
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env={**os.environ, VARIABLE: self.folder},
                cwd=self.folder,  # what it drops where it stands, a core for one, goes with the session
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise TransportError(f"cannot run {arguments[0]!r}: {error}") from error
        with child:
            try:
                stdout, stderr = converse(child, stdin, timeout_s=timeout_s, most_bytes=MOST_OUTPUT_BYTES)
            except DeadlineError:
                raise DeadlineError(f"{arguments[0]!r} did not end within {timeout_s:g} s and was killed") from None
            except OutputTooLongError as error:
                raise OutputTooLongError(f"{arguments[0]!r} was killed: {error.message}") from None
            finally:
                kill_group(child.pid)  # what it left behind holds our pipes and the device's processor
        return Completed(child.returncode, stdout, stderr)

    def start(self, arguments: Sequence[str]) -> ChildProcess:
        """See the base class."""
        self._check_open()
        self._children = [child for child in self._children if not child.killed]
        child = ChildProcess(arguments, environment={VARIABLE: self.folder})
        self._children.append(child)
        return child

    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        """See the base class; comes back when the bytes are there, and hashes them behind it."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        try:
            with open(source, "rb", buffering=0, opener=_without_waiting) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise TransportError(f"cannot push {source}: it is not a file")
                return self._found(file, status.st_size, deadline) or self._copied(file, deadline)
        except OSError as error:
            if not Path(self.folder).is_dir():
                raise TransportError(f"the session's folder {self.folder} is gone", hint="who removed it?") from error
            raise os_fault(error, f"cannot push {source}") from error

    def _found(self, file: BinaryIO, size: int, deadline: float) -> Pushed | None:
        """What is here already, or in the cache; hashed only where something of its size is."""
        for placing in tuple(self._placings):
            if not placing.is_busy():
                self._placings.discard(placing)
            elif placing.size_bytes == size:
                placing.settle(deadline)
        if not self._holds_size(size) and not self._cache.holds_size(size):
            return None
        sha256 = hash_of(file, deadline)
        target = Path(self.folder) / sha256
        if target.exists() or self._cache.give(sha256, target, part=self._part(), deadline=deadline):
            return Pushed(sha256, size, 0)
        file.seek(0)
        return None

    def _copied(self, file: BinaryIO, deadline: float) -> Pushed:
        part = self._part()
        size = copy(file, part, deadline)

        def done(sha256: str) -> None:
            self._cache.keep(Path(self.folder) / sha256)

        self._placings.add(placing := Placing(part, size, deadline=deadline, done=done))
        return Placed(placing)

    def _part(self) -> Path:
        return Path(self.folder) / f"push-{next(self._parts)}.part"

    def place(self, content: bytes, *, timeout_s: float) -> str:  # noqa: ARG002 - a local write has no link to wait for
        """See the base class."""
        self._check_open()
        path = Path(self.folder) / hashlib.sha256(content).hexdigest()
        if not path.exists():
            part = path.with_suffix(".part")
            try:
                part.write_bytes(content)
                part.rename(path)
            except OSError as error:
                part.unlink(missing_ok=True)
                raise os_fault(error, f"cannot write {path}") from error
        return str(path)

    def _holds_size(self, size: int) -> bool:
        """Whether a file of this size is here: only then can an equal one be."""
        with os.scandir(self.folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # of another size: it was given its name meanwhile
                    if entry.stat().st_size == size:
                        return True
        return False

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError("the link is closed")

    def clean(self, left: str, *, timeout_s: float) -> Sequence[str]:
        """See the base class; what beside this session's folder was swept when it was made is told too."""
        self._check_open()
        cleared = clear(left, deadline=time.monotonic() + timeout_s) if left else Cleared()
        return (*self._session.swept, *cleared.done, *cleared.kept)

    def close(self) -> None:
        """See the base class, also of what left its process group; a forked child must not end what its parent uses."""
        if self._closed or os.getpid() != self._process:
            return
        self._closed = True
        with contextlib.ExitStack() as last:  # from the last one up, each of them also when Ctrl-C ends another
            last.callback(self._remove_root)
            last.callback(self._cache.close)
            last.callback(self._session.close)
            last.callback(self._remove_folder)
            for placing in tuple(self._placings):
                last.callback(placing.end, timeout_s=FINISH_S)
            for child in self._children:
                last.callback(child.kill)

    def _remove_folder(self) -> None:
        """Remove the folder, then whoever still names it, then what they wrote meanwhile."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(DeadlineError, OSError):  # OSError: another user's
            end(orphans_of(self.folder), deadline=time.monotonic() + END_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _remove_root(self) -> None:
        if self._shared_root:
            with contextlib.suppress(OSError):  # not empty: another session is there
                self._shared_root.rmdir()


def local_identity() -> str:
    """The machine's id, hashed; of a machine without one, its host name."""
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with contextlib.suppress(OSError):
            text = Path(path).read_text(encoding="ascii", errors="replace").strip()
            if text:
                # the raw id is confidential (machine-id(5)), and records may leave this machine
                return "local-" + hashlib.sha256(b"edgedevice" + text.encode()).hexdigest()[:16]
    return "local-" + socket.gethostname()


def local_facts() -> dict[str, Fact]:
    """Facts of this machine, by the names that selection expressions use."""
    return {"local": True, "name": "local", "host": socket.gethostname(), **conditions.static_facts()}


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe would wait for its writer."""
    return os.open(path, flags | os.O_NONBLOCK)
