"""The adb server: asked for its version over its socket, never started and never ended; it is everybody's."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.checks.finding import Finding, Status
from pytest_edgedevice.cli.checks.peers import Address, Peer, PeerError
from pytest_edgedevice.transports.adb.address import server_address, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.inventory import Inventory

ANSWER_S = 3.0
REQUEST = b"000chost:version"
MOST_REASON_BYTES = 200


def check_adb_server(_: Inventory) -> Iterator[Finding]:
    """Whether an adb server answers where the environment says, or at the usual place."""
    try:
        address, said_by = server_address(os.environ)
    except ValueError as error:
        yield Finding("adb server", "wrong", str(error), "write ADB_SERVER_SOCKET=tcp:127.0.0.1:5037, or unset it")
        return
    where = f"the adb server at {shown(address)}" + (f" ({said_by} says so)" if said_by else "")
    # an absent server where somebody says that there is one is a fault; elsewhere it is merely not needed yet
    absent: Status = "wrong" if said_by else "missing"
    try:
        version = _version(address)
    except PeerError as error:
        yield Finding("adb server", "wrong", f"{where} {error}", _restart())
    except (ConnectionRefusedError, FileNotFoundError):
        yield Finding("adb server", absent, f"{where} does not run", _start())
    except OSError as error:
        yield Finding("adb server", "wrong", f"{where} cannot be reached: {error.strerror or error}", _start())
    else:
        yield Finding("adb server", "ok", f"{where} speaks version 1.0.{version}")


def _version(address: Address) -> int:
    with Peer(address, timeout_s=ANSWER_S) as peer:
        peer.ask(REQUEST)
        status = peer.take(4)
        if status not in {b"OKAY", b"FAIL"}:
            raise PeerError(f"is none: it answers {status!r}")
        size = _hex(peer.take(4))
        content = peer.take(min(size, MOST_REASON_BYTES))
    if status == b"FAIL":
        raise PeerError(f"refuses to tell its version: {content.decode('utf-8', 'replace')}")
    if size != 4:
        raise PeerError(f"tells a version of {size} bytes instead of 4")
    return _hex(content)


def _hex(text: bytes) -> int:
    try:
        return int.from_bytes(bytes.fromhex(text.decode("ascii")))
    except ValueError:
        raise PeerError(f"is none: it answers {text!r}") from None


def _start() -> str:
    return "adb start-server" if shutil.which("adb") else "sudo apt install adb && adb start-server"


def _restart() -> str:
    return "see who listens there and end it: ss -ltnp; then: adb start-server"
