"""What adb's own programs and adbutils see of a phone: neither of them is ours."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import time
from typing import TYPE_CHECKING, Any

import adbutils  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.peers.adb_daemon.phone import FaultyPhone
    from tests.phones import AdbServer

LONGEST_S = 30
QUIET_S = 0.3
TMP = "/data/local/tmp"
OUT, ERR, EXIT = 1, 2, 3


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.01)


def state(server: AdbServer, phone: FaultyPhone) -> str:
    states = {each.serial: each.state for each in adbutils.AdbClient(port=server.port).list()}
    return str(states.get(phone.address, "absent"))


def connect(server: AdbServer, phone: FaultyPhone, *, until_it_is: str = "device") -> None:
    def is_it() -> bool:
        server.adb("connect", phone.address)
        return state(server, phone) == until_it_is

    until(is_it, f"connecting, {until_it_is}")


def device(server: AdbServer, phone: FaultyPhone) -> Any:
    return adbutils.AdbClient(port=server.port, socket_timeout=LONGEST_S).device(phone.address)


@contextlib.contextmanager
def stream(server: AdbServer, phone: FaultyPhone, service: str) -> Iterator[Any]:
    with device(server, phone).open_transport(timeout=LONGEST_S) as connection:
        connection.send_command(service)
        connection.check_okay()
        yield connection


def said(server: AdbServer, phone: FaultyPhone, service: str) -> bytes:
    with stream(server, phone, service) as connection:
        return bytes(connection.read_until_close(encoding=None))


def adb(server: AdbServer, phone: FaultyPhone, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [server.program, "-P", str(server.port), "-s", phone.address, *arguments],
        env=server.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )


def frames(content: bytes) -> list[tuple[int, bytes]]:
    found = []
    while content:
        number, size = struct.unpack_from("<BI", content)
        found.append((number, content[5 : 5 + size]))
        content = content[5 + size :]
    return found


def stays_silent(connection: Any) -> bool:
    connection.conn.settimeout(QUIET_S)
    try:
        return connection.conn.recv(1) is None
    except TimeoutError:
        return True
