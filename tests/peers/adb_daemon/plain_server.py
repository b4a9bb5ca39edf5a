"""An adb server of one's own: the program that adbutils bundles, on a private port, with a private home."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Self

from tests.peers.adb_daemon.in_thread import HOST, free_port

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

LONGEST_S = 30


class PlainServer:
    """Ends with its context; the user's own server, keys and ``kill-server`` have nothing to do with it.

    Attributes:
        port: Where it listens, on loopback.
        environment: For programs that shall use it.
    """

    def __init__(self, home: Path, *, program: str | None = None) -> None:
        import adbutils  # type: ignore[import-untyped]

        home.mkdir(parents=True, exist_ok=True)
        self._held = free_port()  # bound while adb listens: both allow it, and nobody else gets it in between
        self.port: int = self._held.getsockname()[1]
        self.program = program or adbutils.adb_path()
        mine = {"HOME": str(home), "TMPDIR": str(home), "ADB_MDNS": "0", "ADB_LIBUSB": "0"}
        # no emulators that run here; without libusb its start need not wait for devices
        mine |= {"ADB_LOCAL_TRANSPORT_MAX_PORT": "5554", "ANDROID_ADB_SERVER_PORT": str(self.port)}
        others = {name: value for name, value in os.environ.items() if not name.startswith(("ADB_", "ANDROID_"))}
        self.environment = {**others, **mine}
        self._log = (home / "adb.log").open("wb")
        self._server = subprocess.Popen(
            [self.program, "-L", f"tcp:localhost:{self.port}", "server", "nodaemon"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=self.environment,
        )

    def connect(self, address: str) -> str:
        """``adb connect``; what the server says to it."""
        command = [self.program, "-P", str(self.port), "connect", address]
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False
        )
        return done.stdout.decode(errors="replace").strip()

    def __enter__(self) -> Self:
        deadline = time.monotonic() + LONGEST_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
                return self
            assert self._server.poll() is None, "the adb server ended"
            assert time.monotonic() < deadline, "the adb server does not listen"
            time.sleep(0.01)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.kill()
        self._server.wait(LONGEST_S)
        self._log.close()
        self._held.close()
