"""What we take of adbutils: its connection to the adb server, and its adb program; the only file that knows it.

adbutils' own connection has a time limit for a single receive at most, speaks IPv4 only, and starts
a server on this machine whenever the one that was asked for does not answer. So its socket is
replaced here, and given one deadline for everything. Its errors stop here.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import DeadlineError, MissingExtraError, TransportError

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

START_SERVER_S = 20.0
_VARIABLES = ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_HOST", "ANDROID_ADB_SERVER_PORT")


class RefusedError(Exception):
    """The adb server says no; the text is its own."""


def require() -> Any:
    """The library.

    Raises:
        MissingExtraError: It is not installed.
        TransportError: It reads a variable that makes no sense, and cannot be imported for it.
    """
    try:
        import adbutils  # type: ignore[import-untyped]
    except ValueError:  # its default server is made as it is imported, whatever we ask for later
        port = os.environ.get("ANDROID_ADB_SERVER_PORT", "")
        raise TransportError(
            f"ANDROID_ADB_SERVER_PORT names the port {port[:80]!r}, which is none", hint="write 5037, or unset it"
        ) from None
    except ImportError:
        raise MissingExtraError(
            "devices over adb need adbutils, which is not installed", hint="pip install 'pytest-edgedevice[adb]'"
        ) from None
    return adbutils


@contextlib.contextmanager
def connection(link: socket.socket, deadline: float) -> Iterator[Any]:
    """A connection to the server over a socket that is connected already; closes it, unless ``keep`` was called.

    Args:
        link: The socket.
        deadline: By when all of it must be done, on the monotonic clock.

    Raises:
        RefusedError: The server says no.
        OSError: The connection broke, or did not do it in time (``TimeoutError``).
        EOFError: The server ended it without an answer.
        ValueError: What is there is no adb server.
    """
    with contextlib.closing(_connection_class()(link, deadline)) as made:
        try:
            yield made
        except require().AdbError as error:
            raise RefusedError(str(error)) from None


def program_path() -> str:
    """The adb program that adbutils would use: of ``ADBUTILS_ADB_PATH``, of ``PATH``, or its own.

    Raises:
        TransportError: There is none.
    """
    adbutils = require()
    try:
        return str(adbutils.adb_path())
    except (adbutils.AdbError, OSError) as error:
        raise TransportError(f"there is no adb program: {error}", hint="apt install adb") from None


def start_server(port: int, *, deadline: float) -> None:
    """Start a server on this machine; it stays, as it is everybody's.

    Raises:
        TransportError: It cannot be started.
        DeadlineError: It took too long.
    """
    program = program_path()
    environment = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    left_s = max(min(deadline - time.monotonic(), START_SERVER_S), 0.1)
    with tempfile.TemporaryFile() as said:  # a pipe would stay open for as long as the server has it
        try:
            done = subprocess.run(
                [program, "-P", str(port), "start-server"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=left_s,
                check=False,
            )
        except OSError as error:
            hint = "ADBUTILS_ADB_PATH names it: unset it, or: sudo apt install adb"
            raise TransportError(
                f"cannot run {program!r}: {error.strerror}",
                hint=hint if os.environ.get("ADBUTILS_ADB_PATH") == program else "sudo apt install adb",
            ) from None
        except subprocess.TimeoutExpired:
            raise DeadlineError(f"{program} start-server did not end within {left_s:.0f} s") from None
        if done.returncode:
            said.seek(0)
            last = said.read(4000).decode("utf-8", "replace").strip()[-300:]
            raise TransportError(f"{program} start-server failed: {last}", hint=f"try by hand: {program} start-server")


class _Bounded:
    """What replaces parts of adbutils' connection: the socket is ours, and one deadline holds for all of it."""

    def __init__(self, link: socket.socket, deadline: float) -> None:
        self._link = link
        self._deadline = deadline
        self._kept = False
        super().__init__("", 0)  # type: ignore[call-arg]  # adbutils' own, which connects by the next method

    def _safe_connect(self) -> socket.socket:
        return self._link

    def _arm(self) -> None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._link.settimeout(left_s)

    def read(self, n: int) -> bytes:
        """Exactly so many bytes; adbutils gives fewer where the other end is gone."""
        found = bytearray()
        while len(found) < n:
            self._arm()
            more = self._link.recv(n - len(found))
            if not more:
                raise EOFError
            found += more
        return bytes(found)

    def send_command(self, cmd: str | bytes) -> None:
        """All of it; adbutils sends as much as is taken at once, and text only."""
        raw = cmd if isinstance(cmd, bytes) else cmd.encode()
        self._arm()
        self._link.sendall(b"%04x" % len(raw) + raw)

    def keep(self) -> socket.socket:
        """The socket; it stays open."""
        self._kept = True
        return self._link

    def close(self) -> None:
        """Close it at once; adbutils sleeps before."""
        if not self._kept:
            self._link.close()


@functools.cache
def _connection_class() -> Any:
    """Made when it is needed, as adbutils is imported late."""
    return type("BoundedConnection", (_Bounded, require().AdbConnection), {})
