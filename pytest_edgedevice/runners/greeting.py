"""How a conversation with an agent begins: what is read before its hello, and what that must say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent import PROTOCOL_VERSION, SENTINEL
from pytest_edgedevice.errors import ProtocolError
from pytest_edgedevice.runners.wording import turned_away

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CHATTER_BYTES = 64 * 1024


def skip_chatter(seen: bytearray, receive: Callable[[memoryview], int], *, where: str) -> bool:
    """Drop what a login shell printed before the agent's first line.

    Args:
        seen: Collects it, for whoever explains why nothing else came.
        receive: Reads into a buffer; 0 is the end of the stream.
        where: Name of the device.

    Returns:
        Whether the agent's first line has come; False at the end of the stream.

    Raises:
        ProtocolError: There is too much of it.
    """
    one = bytearray(1)  # no byte of what follows may be taken
    while not seen.endswith(SENTINEL):
        if len(seen) > MAX_CHATTER_BYTES:
            raise ProtocolError(f"{where}: no agent answered, but {bytes(seen[:80])!r} ...")
        if not receive(memoryview(one)):
            return False
        seen += one
    seen.clear()
    return True


def check_hello(hello: dict[str, Any], *, sha256: str, where: str, same_version: str) -> dict[str, Any]:
    """The hello, if both ends can speak.

    Args:
        hello: What came.
        sha256: Hash that the agent must have; empty accepts any.
        where: Name of the device.
        same_version: What to do where the two are not of one version.

    Raises:
        ProtocolError: It is no hello, of another version, or another agent's.
        InfraError: The agent turns us away.
    """
    if hello.get("op") == "error":
        raise turned_away(hello, where=where)
    protocol = hello.get("protocol")
    if hello.get("op") != "hello" or type(protocol) is not int or protocol != PROTOCOL_VERSION:
        raise ProtocolError(
            f"{where}: the agent speaks protocol {protocol!r:.20}, this host {PROTOCOL_VERSION}", hint=same_version
        )
    if sha256 and hello.get("agent_sha256") != sha256:
        raise ProtocolError(f"{where}: the agent that answered is not the one that was sent")
    if not isinstance(hello.get("engines"), dict) or type(hello.get("window")) is not int or hello["window"] < 1:
        raise ProtocolError(f"{where}: the agent's hello lacks 'engines' or 'window'")
    return hello
