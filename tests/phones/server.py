"""An adb server of its own: program, port, home and keys, apart from whatever adb the user has."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from tests.phones import guard
from tests.phones.debian import PhoneError
from tests.phones.making import make, use
from tests.ports import Port

if TYPE_CHECKING:
    from tests.phones.phone import Phone

DEADLINE_S = 30.0
AGAIN_S = 1.0
"""adb sometimes loses a request to disconnect from a phone that has only just come: one in fifty or so."""
FOREIGN = (
    *("ANDROID_SERIAL", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_HOST"),
    *("ADB_SERVER_SOCKET", "ADB_VENDOR_KEYS", "ADB_TRACE", "ADB_LIBUSB"),
)


class AdbServer:
    """An adb server; ``with start_adb_server(...) as server`` is how to get one.

    Attributes:
        program: The adb that it runs, for clients too.
        port: Of the server, on 127.0.0.1.
        folder: Its home, keys and log.
        variables: What leads adb, adbutils and whatever uses them to this server, and keeps them from the user's keys.
    """

    def __init__(self, folder: Path, program: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self._in_use: IO[str] | None = None
        if program == "bundled":
            self.program = _bundled()
        else:
            made = make()
            self._in_use = use(made)
            self.program = made / "debian/adb"
        self._port = Port()
        self.port = self._port.number
        self.variables = {
            "ADBUTILS_ADB_PATH": str(self.program),
            "ADB_EMU": "0",  # no emulators that run here
            "ADB_MDNS": "0",  # and no phones of this network
            "ADB_USB": "0",
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "ANDROID_USER_HOME": str(self.folder / ".android"),
            "HOME": str(self.folder),
        }
        self._guard: subprocess.Popen[bytes] | None = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment for children that shall reach this server and no other."""
        ours = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        return {**ours, **self.variables}

    @property
    def public_key(self) -> str:
        """Of the server, as a phone keeps it."""
        return (self.folder / ".android/adbkey.pub").read_text(encoding="ascii")

    def start(self) -> None:
        """Start it, also after ``kill``, and wait until it answers."""
        command = [sys.executable, "-I", "-S", str(Path(guard.__file__)), str(self.program)]
        with (self.folder / "adb.log").open("ab") as log:
            self._guard = subprocess.Popen(
                [*command, "-P", str(self.port), "nodaemon", "server"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.folder,
            )
        deadline = time.monotonic() + DEADLINE_S
        while not self._answers():
            if time.monotonic() > deadline or self._guard.poll() is not None:
                log_text = (self.folder / "adb.log").read_text(encoding="utf-8", errors="replace")[-1000:]
                raise PhoneError(f"no adb server on port {self.port} within {DEADLINE_S:.0f} s: {log_text}")
            time.sleep(0.005)

    def kill(self) -> None:
        """End it at once, as if it had crashed; idempotent."""
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        self._guard.stdin.close()  # the guard kills it then, and has seen it end
        try:
            self._guard.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()

    def stop(self) -> None:
        """End it for good; idempotent."""
        self.kill()
        self._port.close()
        if self._in_use:
            self._in_use.close()

    def adb(self, *arguments: str, timeout_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """Run the program against this server; for looking at a phone past the code under test."""
        return subprocess.run(
            [str(self.program), *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env=self.environment,
        )

    def states(self) -> dict[str, str]:
        """What it sees: serial or address to state."""
        lines = self._ask("host:devices").splitlines()
        return dict(line.split("\t") for line in lines)

    def connect(self, phone: Phone, *, state: str = "device", timeout_s: float = DEADLINE_S) -> None:
        """Connect to a phone and wait until it is in a state.

        Raises:
            PhoneError: It is not within the time.
        """
        deadline = time.monotonic() + timeout_s
        if self.states().get(phone.address) not in {None, state}:
            # what it made of the phone before would stay, if it has not just gone by itself
            with contextlib.suppress(ConnectionError):
                self.disconnect(phone)
        while True:
            # its answer may take ten seconds, and the state that is waited for come before it
            with self._request(f"host:connect:{phone.address}") as pending:
                answered = False
                while not answered:
                    answered = bool(select.select([pending], [], [], 0.005)[0])
                    if (seen := self.states().get(phone.address)) == state:
                        return
                    if time.monotonic() > deadline:
                        said = _answer(pending) if answered else "no answer yet"
                        where = f"{phone.address} is {seen or 'absent'} after {timeout_s:.0f} s"
                        raise PhoneError(f"{where}, not {state}: {said}")
            time.sleep(0.01)

    def disconnect(self, phone: Phone) -> None:
        """Forget a phone, which is offline for a moment before that.

        Raises:
            ConnectionError: The server does not know it.
            PhoneError: It is not forgotten in time.
        """
        self._ask(f"host:disconnect:{phone.address}")
        deadline = time.monotonic() + DEADLINE_S
        again = time.monotonic() + AGAIN_S
        while phone.address in self.states():
            if time.monotonic() > deadline:
                raise PhoneError(f"{phone.address} is still there {DEADLINE_S:.0f} s after it was disconnected")
            if time.monotonic() > again:
                with contextlib.suppress(ConnectionError):  # it has just gone
                    self._ask(f"host:disconnect:{phone.address}")
                again = time.monotonic() + AGAIN_S
            time.sleep(0.005)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            return bool(self._ask("host:version"))
        except OSError:
            return False

    def _ask(self, service: str) -> str:
        with self._request(service) as link:
            return _answer(link)

    def _request(self, service: str) -> socket.socket:
        """Send a request in the server's own protocol: AOSP, packages/modules/adb/docs/dev/services.md."""
        link = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        try:
            link.sendall(f"{len(service):04x}{service}".encode())
        except BaseException:
            link.close()
            raise
        return link


def _answer(link: socket.socket) -> str:
    with link.makefile("rb") as file:
        verdict = file.read(4)
        text = file.read(int(file.read(4) or b"0", 16)).decode(errors="replace")
    if verdict != b"OKAY":
        raise ConnectionError(text or "no answer")
    return text


def _bundled() -> Path:
    found = find_spec("adbutils")
    if found is None or found.origin is None:
        raise PhoneError("no adbutils here, which brings adb: pip install adbutils")
    return Path(found.origin).parent / "binaries/adb"


def start_adb_server(folder: Path, *, program: str = "bundled") -> AdbServer:
    """Start a server and wait until it answers.

    Args:
        folder: For its home, keys and log; made when it is not there.
        program: ``bundled`` for the adb that adbutils brings, ``debian`` for Debian's adb 29.

    Raises:
        PhoneError: Something is missing here; the text says what.
    """
    return AdbServer(folder, program)
