from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity
from tests.peers.forked_agents import forked_agents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEVICE_FILE = """
[devices.bench]
spec = "local"
tags = ["camera"]
facts = { price_eur = 60, note = "a\\u001b[31mb" }

[devices.kitchen]
spec = "ssh:pi@kitchen"

[devices.phone]
spec = "adb:R5CT"
"""
OUTSIDE = (
    "EDGEDEVICE_CONFIG",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
    "ADB_SERVER_SOCKET",
    "ANDROID_ADB_SERVER_ADDRESS",
    "ANDROID_ADB_SERVER_HOST",
    "ANDROID_ADB_SERVER_PORT",
    "USBMUXD_SOCKET_ADDRESS",
)
DEADLINE_S = 60.0
COMMAND = "import sys; from pytest_edgedevice.cli import main; sys.exit(main())"
HOLDER = """
import sys, time
from pytest_edgedevice.leases import Holder, acquire
from pytest_edgedevice.transports.local import local_identity
if "--stubborn" in sys.argv:
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)
test = sys.argv[1]
with acquire(local_identity(), holder=Holder.here(test=test), wait_s=60, shared="--shared" in sys.argv):
    print("got", flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        pass
"""


@pytest.fixture(autouse=True)
def lonely(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder, a lock folder and a temporary folder of our own, and no variables from outside."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "locks").mkdir()
    (tmp_path / "temp").mkdir()
    monkeypatch.setenv("EDGEDEVICE_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    for name in OUTSIDE:
        monkeypatch.delenv(name, raising=False)
    # this machine may have an adb server, a usbmuxd and phones of its own
    monkeypatch.setattr("pytest_edgedevice.transports.usbmux.address.SOCKET", str(tmp_path / "usbmuxd"))
    monkeypatch.setattr("pytest_edgedevice.transports.adb.attached.is_served", lambda: False)


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """The lock folder of this test."""
    return tmp_path / "locks"


@pytest.fixture
def device_file(tmp_path: Path) -> Path:
    path = tmp_path / "edgedevice.toml"
    path.write_text(DEVICE_FILE)
    return path


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """``ssh ANYTHING`` reaches this machine, as a user with an empty home, which is given; the rest is as on a board.

    Its Python is this one. What answers is the real helper, behind a program that is called ssh.
    """
    programs, home = tmp_path / "programs", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    ssh = '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n'
    for name, text in {"ssh": ssh, "python3": f'#!/bin/sh\nexec {sys.executable} "$@"\n'}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temp"))
    return home


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This machine's agents start fast: see there."""
    with forked_agents(tmp_path_factory.mktemp("agents")):
        yield


@pytest.fixture
def ada() -> Iterator[Holder]:
    """Somebody holds this machine."""
    with acquire(local_identity(), holder=Holder(user="ada", pid=12, host="lab1", test="test_x"), wait_s=0) as lease:
        yield lease.holder


@pytest.fixture
def held() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that hold this machine until they are interrupted."""
    started: list[subprocess.Popen[str]] = []

    def start(test: str = "test_x", *options: str, wait: bool = True) -> subprocess.Popen[str]:
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, test, *options], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(child)
        assert child.stdout is not None
        if wait:
            assert child.stdout.readline() == "got\n"
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


class Terminal:
    """The command on a terminal of its own, as somebody would type it."""

    def __init__(self, arguments: list[str]) -> None:
        self.master, slave = os.openpty()
        # the first terminal that the leader of a session opens becomes its own, so that Ctrl-C reaches it
        program = (
            "import os, sys\n"
            f"fd = os.open({os.ttyname(slave)!r}, os.O_RDWR)\n"
            "for one in (0, 1, 2): os.dup2(fd, one)\n"
            f"os.execv(sys.executable, [sys.executable, '-c', {COMMAND!r}, *sys.argv[1:]])"
        )
        self.process = subprocess.Popen([sys.executable, "-c", program, *arguments], start_new_session=True)
        self._slave = slave
        self.shown = ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} never came after {self.shown!r}"
            self.shown += os.read(self.master, 4096).decode()

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def end(self) -> int:
        """Its exit code; what it said last is in ``shown``."""
        code = self.process.wait(DEADLINE_S)
        while select.select([self.master], [], [], 0.0)[0]:
            self.shown += os.read(self.master, 4096).decode()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Starts the command on a terminal."""
    started: list[Terminal] = []

    def start(*arguments: str) -> Terminal:
        started.append(Terminal(list(arguments)))
        return started[-1]

    yield start
    for one in started:
        one.close()


@pytest.fixture
def server() -> Iterator[Callable[..., int]]:
    """Starts servers on ports of their own; each takes one connection, and does with it what it is told."""
    threads: list[threading.Thread] = []
    over = threading.Event()

    def start(behave: Callable[[socket.socket, threading.Event], None]) -> int:
        listening = socket.create_server(("127.0.0.1", 0))
        listening.settimeout(60)

        def serve() -> None:
            with listening:
                try:
                    link, _ = listening.accept()
                except OSError:
                    return
                with link:
                    try:
                        behave(link, over)
                    except OSError:
                        return

        threads.append(threading.Thread(target=serve, daemon=True))
        threads[-1].start()
        return int(listening.getsockname()[1])

    yield start
    over.set()
    for thread in threads:
        thread.join(30)
