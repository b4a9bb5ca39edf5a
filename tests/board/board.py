"""A board that runs: how to reach it, and what can happen to it.

Owns the folder with its keys and configuration, and the process that is its power supply.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import socket
import subprocess
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from tests.board import furniture
from tests.board.furniture import Options
from tests.board.making import QEMU, BoardError, make, program, use
from tests.board.namespaces import PRIVILEGED, process_one
from tests.ports import Port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 30.0


class Board:
    """A board; ``with start_board(...) as board`` is how to get one.

    Attributes:
        name: Its alias in the ssh config, and its host name.
        device: What to give to ``--device``.
        port: Of its sshd, on 127.0.0.1.
        folder: Its keys, configuration and log, on the host.
        config: The ssh config that knows it: ``ssh -F config name``.
        program: The same as arguments, without the name.
        programs: Folder with ``ssh``, ``scp`` and ``sftp`` that read that config; for the front of PATH.
        options: What was asked for, with the machine id that it got.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.options = replace(options, machine_id=options.machine_id or uuid.uuid4().hex)
        self.name = options.name
        self.device = f"ssh:{options.name}"
        self._port = Port()
        self.port = self._port.number
        self.config = self.folder / "config"
        self.program = ("ssh", "-F", str(self.config))
        self.programs = self.folder / "bin"
        self.known_hosts = self.folder / "known_hosts"
        self._system = make()
        self._write()
        self._in_use = use(self._system)
        try:
            self._power = process_one(self.folder)
        except BaseException:
            self._in_use.close()
            self._port.close()
            raise
        try:
            self._tell(self._layout())
            self.power_on()
        except BaseException:
            self.close()
            raise

    def environment(self, **more: str) -> dict[str, str]:
        """This process's environment with the board's ``ssh`` first on PATH."""
        return {**os.environ, "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}", **more}

    def ssh(self, *arguments: str, timeout_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """Run a command there by a connection of its own; for looking at the board past the code under test."""
        command = [*self.program, "-o", "BatchMode=yes", self.name, *arguments]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL
        )

    def left(self) -> list[str]:
        """Files, folders and programs of whoever used it, as another login sees them; a fresh board has none.

        The lock of the device is not among them: its empty file stays, on a board as on every host.
        """
        where = "find /tmp /var/tmp /home/pi /dev/shm /run -mindepth 1 ! -name .bashrc"
        lock = "! -path /var/tmp/pytest-edgedevice ! '(' -path '/var/tmp/pytest-edgedevice/*.lock' -empty ')'"
        done = self.ssh(f"{where} {lock}; ps -u {self.options.user} -o args=")
        ours = ("sshd: ", "find /tmp", "ps -u", "power.py", "/usr/sbin/sshd", "Welcome")
        return [line for line in done.stdout.splitlines() if not any(word in line for word in ours)]

    def power_off(self) -> None:
        """Kill every process of the board at once; its files stay."""
        self._tell("off")

    def power_on(self) -> None:
        """Start the server, with a new boot id, and wait until it answers."""
        self._tell("on")
        deadline = time.monotonic() + DEADLINE_S
        while not self._greets():
            if time.monotonic() > deadline:
                log = (self.folder / "sshd.log").read_text(encoding="utf-8", errors="replace")
                raise BoardError(f"sshd did not answer on port {self.port} within {DEADLINE_S:.0f} s: {log[-1000:]}")
            time.sleep(0.005)

    def freeze(self) -> None:
        """Stop every process of the board: connections stay open, new ones are accepted, and nothing is answered."""
        self._tell("freeze")

    def thaw(self) -> None:
        """Let them go on."""
        self._tell("thaw")

    def change_host_key(self) -> None:
        """Restart with another host key; known_hosts keeps the old one."""
        self.power_off()
        _new_key(self.folder / "host_key")
        self.power_on()

    def close(self) -> None:
        """End it and everything that runs on it; idempotent. Its folder stays, with the log."""
        if self._power.stdin and not self._power.stdin.closed:
            self._power.kill()
            self._power.communicate()
            self._in_use.close()
            self._port.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self) -> None:
        (self.folder / "etc").mkdir(exist_ok=True)
        accounts = {"passwd": furniture.PASSWD, "group": furniture.GROUP, "shadow": furniture.SHADOW}
        for name, content in {**accounts, "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\n"}.items():
            (self.folder / "etc" / name).write_text(content, encoding="ascii")
        _new_key(self.folder / "key")
        host = _new_key(self.folder / "host_key")
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host}", encoding="ascii")
        where: dict[str, Any] = {"port": self.port, "folder": str(self.folder)}
        server = furniture.sshd_config(self.options, **where)
        (self.folder / "sshd_config").write_text(server, encoding="utf-8")
        self.config.write_text(furniture.ssh_config(self.options, **where), encoding="utf-8")
        self.programs.mkdir(exist_ok=True)
        for name in ("ssh", "scp", "sftp"):
            wrapper = self.programs / name
            wrapper.write_text(f'#!/bin/sh\nexec {shutil.which(name)} -F "{self.config}" "$@"\n', encoding="utf-8")
            wrapper.chmod(0o755)

    def _layout(self) -> str:
        given = {
            "name": self.name,
            "folder": str(self.folder),
            "system": str(self._system),
            "qemu": str(self._system.parent / QEMU),
            "sshd": program("sshd"),
            "disk_mb": self.options.disk_mb,
            "python": self.options.python,
            "key": (self.folder / "key.pub").read_text(encoding="ascii"),
            "cpuinfo": furniture.cpuinfo(self.options),
            "files": furniture.files(self.options),
        }
        return json.dumps(given)

    def _tell(self, line: str) -> None:
        assert self._power.stdin is not None
        assert self._power.stdout is not None
        with suppress(BrokenPipeError):  # it has ended; the empty answer tells
            self._power.stdin.write(f"{line}\n".encode())
        ready, _, _ = select.select([self._power.stdout], [], [], DEADLINE_S)
        answer = self._power.stdout.readline().decode().strip() if ready else f"no answer within {DEADLINE_S:.0f} s"
        if answer != "ok":
            answer = answer or self._last_words() or "its process 1 has ended"
            raise BoardError(f"the board {self.name!r} cannot be started here ({PRIVILEGED}): {answer}")

    def _last_words(self) -> str:
        return (self.folder / "power.log").read_text(encoding="utf-8", errors="replace").strip()[-1000:]

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S) as link:
                return link.recv(4) == b"SSH-"
        except OSError:
            return False


def start_board(folder: Path, **options: Any) -> Board:
    """Start a board and wait until its sshd answers; the first one of all makes the file system.

    Args:
        folder: For its keys, configuration and log; made when it is not there.
        options: Fields of ``furniture.Options``.

    Raises:
        BoardError: Something is missing here; the text says what.
    """
    return Board(folder, Options(**options))


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _new_key(path: Path) -> str:
    path.unlink(missing_ok=True)
    path.with_suffix(".pub").unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text(encoding="ascii")
