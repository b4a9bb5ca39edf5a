"""Links to phones that go wrong on purpose, and what must be left of them: nothing, at either end."""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_edgedevice.transports.adb.transport import AdbTransport
from tests.peers.adb_daemon.clients import connect, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.peers.adb_daemon import FaultyPhone, HostileServer
    from tests.phones import AdbServer

LONG_S = 60.0
SMALL, LARGE = 300_000, 6 << 20
"""Sizes of files that travel with others, and alone."""
PROMPT_S = 30.0
"""Longest that anything may take that has a deadline of a second or so, on a machine that is slow and busy."""


def opened(server: AdbServer | HostileServer, serial: str, *, timeout_s: float = 30, base: str = "") -> AdbTransport:
    return AdbTransport(serial, server=("127.0.0.1", server.port), connect_timeout_s=timeout_s, base=base)


@contextlib.contextmanager
def linked(server: AdbServer, phone: FaultyPhone) -> Iterator[AdbTransport]:
    """A link to a phone that is sound so far; at the end nothing of it is left at either end."""
    connect(server, phone)
    with nothing_left(server), opened(server, phone.address) as link:
        phone.opened.clear()
        yield link
        phone.faults.clear()
    gone(phone)


def gone(phone: FaultyPhone) -> None:
    """Wait until nothing of ours is on a phone."""
    until(lambda: not left_on(phone), f"the end of what is left: {left_on(phone)}")


def left_on(phone: FaultyPhone) -> list[str]:
    try:
        files = [str(path.relative_to(phone.tmp)) for path in phone.tmp.rglob("*") if path.name != "edgedevice.lock"]
    except FileNotFoundError:  # removed while we look
        return ["something"]
    return files + list(phone.running().values())


@contextlib.contextmanager
def nothing_left(server: AdbServer | HostileServer) -> Iterator[None]:
    """No thread, and no connection to the server, is left behind."""
    before = set(threading.enumerate())
    yield
    until(lambda: not {one for one in threading.enumerate() if one not in before}, "the end of our threads")
    until(lambda: not connections(server), "the closing of our connections")


def connections(server: AdbServer | HostileServer) -> list[str]:
    """Connections to a server that this process has open."""
    # remote address, and inode: see proc_pid_net_tcp(5)
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    to_it = {f"socket:[{fields[9]}]" for fields in lines if int(fields[2].split(":")[1], 16) == server.port}
    return sorted(to_it & set(_opened()))


def _opened() -> Iterator[str]:
    """What this process has open."""
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed while we look
            yield str(link.readlink())


@contextlib.contextmanager
def promptly() -> Iterator[None]:
    """What is done here has a short deadline of its own, and keeps it."""
    start = time.monotonic()
    try:
        yield
    finally:
        assert time.monotonic() - start < PROMPT_S


def there(link: AdbTransport, phone: FaultyPhone) -> list[str]:
    """What is in the session's folder, but for the keeper's own."""
    folder = phone.tmp / Path(link.folder).relative_to("/data/local/tmp")
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def placed(link: AdbTransport, model: Path, timeout_s: float = LONG_S) -> str:
    """Push, and wait until it has its name."""
    return link.push(model, timeout_s=timeout_s).sha256


def arrives(link: AdbTransport, phone: FaultyPhone, model: Path) -> None:
    """A push that works, and leaves that file and nothing else."""
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    assert placed(link, model) == sha256
    until(lambda: there(link, phone) == [sha256], f"tidying: {there(link, phone)}")
    file = phone.tmp / Path(link.folder).relative_to("/data/local/tmp") / sha256
    assert file.read_bytes() == model.read_bytes()
