"""This machine as a device: child processes and a folder of ours.

The agent is a process of its own here too, so that a crash of the runtime
takes neither pytest nor other models with it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pytest_edgedevice.agent import conditions
from pytest_edgedevice.errors import DeadlineError, DeviceFullError, TransportError
from pytest_edgedevice.transports.base import Completed, Pushed, Transport
from pytest_edgedevice.transports.pipes import ChildProcess, kill_group
from pytest_edgedevice.transports.program import converse
from pytest_edgedevice.transports.sessions import enter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import Fact

CHUNK_BYTES = 1 << 20
MOST_OUTPUT_BYTES = 64 << 20
"""Longest output of a program that ``run`` keeps, and of its errors."""


class LocalTransport(Transport):
    """Processes and files on this machine.

    Args:
        base: Folder in which the session's folder is made; the system's temporary folder by default.
        python: Interpreter that runs the agent; this one by default. It needs numpy and a runtime.
    """

    kind = "local"

    def __init__(self, *, base: Path | None = None, python: str = "") -> None:
        root = base or Path(tempfile.gettempdir()) / f"edgedevice-{os.getuid()}"
        self._shared_root = None if base else root
        self._python = python or sys.executable
        self._children: list[ChildProcess] = []
        self._closed = False
        try:
            self.folder, self._owner = enter(root, chosen=base is not None)
        except OSError as error:
            raise _os_error(error, f"cannot make a folder in {root}") from error

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
            child = subprocess.Popen(list(arguments), stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)
        except (OSError, ValueError) as error:
            raise TransportError(f"cannot run {arguments[0]!r}: {error}") from error
        with child:
            try:
                stdout, stderr = converse(child, stdin, timeout_s=timeout_s, most_bytes=MOST_OUTPUT_BYTES)
            except DeadlineError:
                raise DeadlineError(f"{arguments[0]!r} did not end within {timeout_s:g} s and was killed") from None
            except TransportError as error:
                raise TransportError(f"{arguments[0]!r} was killed: {error.message}") from None
            finally:
                kill_group(child.pid)  # what it left behind holds our pipes and the device's processor
        return Completed(child.returncode, stdout, stderr)

    def start(self, arguments: Sequence[str]) -> ChildProcess:
        """See the base class."""
        self._check_open()
        self._children = [child for child in self._children if not child.killed]
        child = ChildProcess(arguments)
        self._children.append(child)
        return child

    def push(self, source: Path, *, timeout_s: float) -> Pushed:
        """See the base class; hashing and copying overlap, so that a cold push costs the slower of the two."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        try:
            if not stat.S_ISREG(source.stat().st_mode):  # before it is opened: a pipe would wait for its writer
                raise TransportError(f"cannot push {source}: it is not a file")
            with source.open("rb", buffering=0) as file:
                return self._place(file, deadline)
        except OSError as error:
            raise _os_error(error, f"cannot push {source}") from error

    def _place(self, file: BinaryIO, deadline: float) -> Pushed:
        size = os.fstat(file.fileno()).st_size
        if self._holds_size(size):
            sha256 = _hash(file, None, deadline)
            if (Path(self.folder) / sha256).exists():
                return Pushed(sha256, size, 0)
            file.seek(0)
        part = Path(self.folder) / f"push-{os.getpid()}-{threading.get_ident()}.part"
        try:
            with part.open("wb", buffering=0) as target:
                sha256 = _hash(file, target, deadline)
                size = os.fstat(target.fileno()).st_size
            part.rename(Path(self.folder) / sha256)
        finally:
            part.unlink(missing_ok=True)
        return Pushed(sha256, size, size)

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
                raise _os_error(error, f"cannot write {path}") from error
        return str(path)

    def _holds_size(self, size: int) -> bool:
        """Whether a file of this size is here: only then can an equal one be."""
        with os.scandir(self.folder) as entries:
            return any(entry.stat().st_size == size for entry in entries)

    def _check_open(self) -> None:
        if self._closed:
            raise TransportError("the link is closed")

    def close(self) -> None:
        """See the base class."""
        if self._closed:
            return
        self._closed = True
        for child in self._children:
            child.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._owner.close()
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


def _hash(source: BinaryIO, target: BinaryIO | None, deadline: float) -> str:
    """Hash a file in a thread while its bytes are written to ``target``; the hash is of the bytes written."""
    digest = hashlib.sha256()
    buffers = [bytearray(CHUNK_BYTES), bytearray(CHUNK_BYTES)]
    pending: Future[None] | None = None
    with ThreadPoolExecutor(1) as worker:
        while count := source.readinto(buffers[0]):  # type: ignore[attr-defined]
            view = memoryview(buffers[0])[:count]
            if pending:
                pending.result()
            pending = worker.submit(digest.update, view)
            if target:
                _write(target, view)
            if time.monotonic() > deadline:
                raise DeadlineError("reading and placing the file did not end in time")
            buffers.reverse()
    return digest.hexdigest()


def _write(target: BinaryIO, view: memoryview) -> None:
    while view:
        view = view[target.write(view) :]


def _os_error(error: OSError, what: str) -> TransportError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DeviceFullError(
            f"{what}: no space left on the device",
            hint="free space there, or set 'folder' in edgedevice.toml",
        )
    return TransportError(f"{what}: {error.strerror or error}")
