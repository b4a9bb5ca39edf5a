"""Where the adb server is, read out of the environment as adb itself reads it. Opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PORT = 5037
Address = tuple[str, int] | str
"""Host and port, or the path of a socket; one that begins with NUL is an abstract name."""

_LOOPBACK = ("127.", "localhost", "::1")


def server_address(environment: Mapping[str, str]) -> tuple[Address, str]:
    """Where the server is, and the variable that says so; empty when it is the usual place.

    Raises:
        ValueError: The variable is no address.

    Source:
        adb's own order; adbutils reads ``ANDROID_ADB_SERVER_HOST`` where adb reads ``..._ADDRESS``.
    """
    if spec := environment.get("ADB_SERVER_SOCKET"):
        return _parsed(spec), "ADB_SERVER_SOCKET"
    hosts = [name for name in ("ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_HOST") if environment.get(name)]
    port = environment.get("ANDROID_ADB_SERVER_PORT", "")
    said_by = (hosts or (["ANDROID_ADB_SERVER_PORT"] if port else [""]))[0]
    host = environment[hosts[0]] if hosts else "127.0.0.1"
    return (host, port_number(port, "ANDROID_ADB_SERVER_PORT") if port else PORT), said_by


def shown(address: Address) -> str:
    """An address for people."""
    if isinstance(address, str):
        return address.replace("\0", "@")
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_here(address: Address) -> bool:
    """Whether a server at this address runs on this machine, so that it may be started when it does not."""
    return not isinstance(address, str) and address[0].startswith(_LOOPBACK)


def port_number(text: str, variable: str) -> int:
    """Read a port's number from a variable.

    Raises:
        ValueError: It is none.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 0 < int(text) < 65536):
        raise ValueError(f"{variable} names the port {text[:80]!r}, which is none")
    return int(text)


def _parsed(spec: str) -> Address:
    kind, _, rest = spec.partition(":")
    if kind in {"localfilesystem", "local"} and rest.startswith("/"):
        return rest
    if kind == "localabstract" and rest:
        return f"\0{rest}"
    if kind != "tcp" or not rest:
        raise ValueError(f"ADB_SERVER_SOCKET is {spec[:80]!r}, which is no tcp:[HOST:]PORT")
    host, _, port = rest.rpartition(":")
    return host.strip("[]") or "127.0.0.1", port_number(port, "ADB_SERVER_SOCKET")
