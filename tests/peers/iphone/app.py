"""The app on the phone: opened, closed, suspended; ``app_program`` is what runs then.

with App(folder, "dies_mid_reply", "garbage") as app:
    app.address                       # of an app without a fault, also after it was closed and opened again
    app.at("garbage")                 # of one with this fault: a function in app_program or agent_server
    app.tell(app_state="background")  # what it says of itself from now on; in the background it computes nothing
    app.close(), app.open()           # swiped away: connections end, new ones are refused; and opened again
    app.suspend(), app.resume()       # it is there and does nothing: connections open, and nobody answers
    app.command                       # starts it as a program of its own: what ``start`` in a device file could say
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

from tests.ports import Port

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
STATE = "state.json"
FOREGROUND = {"app_state": "active", "thermal_state": "nominal", "low_power_mode": False}
PROGRAM = "tests.peers.iphone.app_program"


class App:
    """An app that is open; a process of its own.

    Args:
        folder: Where it keeps its files.
        *faults: What else listens, each wrong in its own way.
    """

    def __init__(self, folder: Path, *faults: str) -> None:
        self._folder = folder
        self._ports = {fault: Port() for fault in ("right", *faults)}
        self.tell()
        self.open()

    @property
    def address(self) -> tuple[str, int]:
        """Where the app without a fault listens."""
        return self.at("right")

    @property
    def number(self) -> int:
        """Of its process; each conversation is a child of it."""
        return self._process.pid

    @property
    def command(self) -> list[str]:
        """What starts it elsewhere; it stays until it is killed."""
        return self._command("alone", "right")

    def kept(self) -> list[str]:
        """What lies in its folder of what hosts have sent it."""
        return [str(path) for path in self._folder.rglob("*") if path.name != STATE]

    def at(self, fault: str) -> tuple[str, int]:
        """Where the app with this fault listens."""
        return "127.0.0.1", self._ports[fault].number

    def tell(self, **conditions: Any) -> None:
        """Say this of itself from now on, and else that it is in the foreground and well."""
        part = self._folder / f"{STATE}.part"
        part.write_text(json.dumps(FOREGROUND | conditions), encoding="utf-8")
        part.rename(self._folder / STATE)

    def open(self) -> None:
        """Listen, from when this returns on."""
        self._process = subprocess.Popen(
            self._command(*self._ports), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            self._process.communicate(timeout=PATIENCE_S)
            raise RuntimeError("the app did not start: see what it has printed")

    def close(self) -> None:
        """End at once, with all that it does, as the system ends apps."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate(timeout=PATIENCE_S)
        self._wait_until_refused()

    def _wait_until_refused(self) -> None:
        """Conversations die a little later than the app, and have its listener until then."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(self.address, timeout=PATIENCE_S).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError("somebody still listens for the app that was closed")
            time.sleep(0.01)

    def suspend(self) -> None:
        """Do nothing from now on."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def _command(self, *words: str) -> list[str]:
        listening = [f"{word}={self._ports[word].number}" if word in self._ports else word for word in words]
        return [sys.executable, "-m", PROGRAM, str(self._folder), *listening]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.close()
        for port in self._ports.values():
            port.close()
