"""A plain OpenSSH server on a loopback port, with keys and configuration of its own: this machine as a board."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.contract.processes import command_line, descendants
from tests.ports import Port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

NAME = "kitchen"
DEADLINE_S = 60.0
# The exchange of keys that is the default, safe from quantum computers, takes a connection 100 ms at both ends. The
# .bashrc of who runs this may take as long: bash reads it for sshd, unless that shell is called the second one.
SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
LogLevel ERROR
KexAlgorithms curve25519-sha256
SetEnv EDGEDEVICE_LOCKS={folder}/locks TMPDIR={folder}/tmp SHLVL=1
"""
CLIENT = """
Host {name}
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
"""


class PlainSshd:
    """A server that runs until the end of the ``with`` block."""

    def __init__(self, folder: Path, *, extra: str = "") -> None:
        self.folder = folder
        (folder / "tmp").mkdir(parents=True)
        for name in ("host_key", "key"):
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
        (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
        self._port = Port()  # of those that the kernel gives to nobody, as sshd cannot be handed a socket
        self.port = self._port.number
        self.config = folder / "client"
        self.config.write_text(CLIENT.format(name=NAME, port=self.port, user=getpass.getuser(), folder=folder))
        self.know(folder / "host_key.pub")
        server = folder / "server"
        server.write_text(SERVER.format(port=self.port, folder=folder) + extra)
        Path("/run/sshd").mkdir(exist_ok=True)
        self.daemon = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", str(server)], stderr=subprocess.DEVNULL)
        self.program = ("ssh", "-F", str(self.config))
        _until_it_listens(self.port, self.daemon)

    def behind(self, port: int) -> tuple[str, ...]:
        """The ssh program that reaches this server through another port of this machine."""
        return (*self.program, "-o", f"HostKeyAlias=[127.0.0.1]:{self.port}", "-p", str(port))

    def know(self, key: Path) -> None:
        """Make this the host key that clients expect."""
        kind, text = key.read_text().split()[:2]
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {kind} {text}\n")

    def sessions(self) -> list[int]:
        """The server's processes for connections, and all below them."""
        return descendants(self.daemon.pid)

    def cut(self) -> None:
        """Kill the server's own processes for its connections, and none below them; nobody says goodbye."""
        for pid in self.sessions():
            if b"sshd" in command_line(pid).partition(b"\0")[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def wrapper(self, folder: Path) -> Path:
        """A folder for the front of PATH whose ``ssh`` reads this server's configuration."""
        folder.mkdir(exist_ok=True)
        ssh = folder / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {shlex.quote(str(self.config))} "$@"\n')
        ssh.chmod(0o755)
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in [*self.sessions(), self.daemon.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        self.daemon.wait(DEADLINE_S)
        self._port.close()


@contextlib.contextmanager
def plain_sshd(folder: Path, *, extra: str = "") -> Iterator[PlainSshd]:
    with PlainSshd(folder, extra=extra) as server:
        yield server


def _run(*arguments: str) -> None:
    subprocess.run(arguments, check=True, capture_output=True, timeout=30)


def _until_it_listens(port: int, daemon: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert daemon.poll() is None, "sshd has ended"
        assert time.monotonic() < deadline, "sshd does not listen"
        time.sleep(0.01)
