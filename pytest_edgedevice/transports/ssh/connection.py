"""From an address to a helper that speaks: ssh started, chatter skipped, the board's hello read and checked."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.errors import DeadlineError, DeviceFullError, DeviceLostError, TransportError
from pytest_edgedevice.transports.pipes import ChildProcess
from pytest_edgedevice.transports.ssh.bundle import opening
from pytest_edgedevice.transports.ssh.client import Target, last_words, remedy
from pytest_edgedevice.transports.ssh.files import FULL_HINT
from pytest_edgedevice.transports.ssh.link import Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_edgedevice.values import Fact

MAX_CHATTER_BYTES = 256 << 10
MOST_FACTS = 200
MOST_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Hello:
    """What the helper says of itself and its board, checked.

    Attributes:
        folder: The session's folder.
        identity: The hardware, as ``local`` would name it there.
        facts: By the names that expressions use.
        parts: What a cut left of files.
        models: Sizes of the models that stayed there.
    """

    folder: str
    identity: str
    facts: Mapping[str, Fact]
    parts: Sequence[Mapping[str, Any]]
    models: frozenset[int]


def connect(target: Target, *, python: str, base: str, timeout_s: float, cache_bytes: int = 0) -> tuple[Link, Hello]:
    """Connect, and start the helper.

    Args:
        target: Whom to connect to.
        python: Interpreter there, 3.9 or later.
        base: Folder for our files there; empty for its own choice.
        timeout_s: Deadline for all of it, seconds.
        cache_bytes: How much of models may stay there between sessions.

    Raises:
        TransportError: ssh failed, in its own words; or there is no such interpreter.
    """
    if "\n" in python or "\n" in base:
        raise TransportError("neither 'python' nor 'folder' can hold a line end")
    if python.startswith("-"):
        raise TransportError(f"{python!r} is no interpreter, but an option", hint="name a program, or its path")
    deadline = time.monotonic() + timeout_s
    sentinel = f"EDGEDEVICE-{secrets.token_hex(16)}"
    first = opening(python, sentinel, base, cache_bytes=cache_bytes)
    try:
        ssh = ChildProcess(target.arguments())
    except TransportError as error:
        raise TransportError(
            error.message, hint="install the OpenSSH client, e.g. apt install openssh-client"
        ) from None
    try:
        version = _meet(ssh, target, sentinel, first, deadline)
        _check_version(version, target, python)
        link = Link(ssh, where=str(target))
        return link, _await_hello(link, target, deadline)
    except BaseException:
        ssh.kill()
        raise


def _meet(ssh: ChildProcess, target: Target, sentinel: str, first: bytes, deadline: float) -> str:
    """Send what makes the helper, and read past whatever a login shell prints; the interpreter's version."""
    seen = bytearray()
    try:
        ssh.stream.send([first], timeout_s=max(deadline - time.monotonic(), 0))
        return _answer(ssh, target, sentinel.encode(), seen, deadline)
    except DeadlineError:
        said = _quoted(last_words(ssh.stderr_tail()) or last_words(seen.decode("utf-8", "replace")))
        raise TransportError(
            f"{target} did not answer in time{said}", hint=f"is the board well? try by hand: {target.by_hand()}"
        ) from None
    except _EndError:
        raise _refused(ssh, target, bytes(seen)) from None
    except TransportError:
        if len(seen) >= MAX_CHATTER_BYTES or ssh.wait(timeout_s=2) is None:
            raise
        raise _refused(ssh, target, bytes(seen)) from None


class _EndError(Exception):
    """The stream ended."""


def _answer(ssh: ChildProcess, target: Target, sentinel: bytes, seen: bytearray, deadline: float) -> str:
    """What follows the sentinel on its line; byte by byte, as frames follow that line."""
    line = bytearray()
    one = bytearray(1)
    while len(seen) < MAX_CHATTER_BYTES:
        if not ssh.stream.receive_into(memoryview(one), timeout_s=max(deadline - time.monotonic(), 0)):
            raise _EndError
        seen += one
        if one != b"\n":
            line += one
        elif line.startswith(sentinel + b" "):
            return line[len(sentinel) :].decode("ascii", "replace").strip()[:40]
        else:
            line.clear()
    raise TransportError(f"no helper answered on {target}, but {bytes(seen[:80])!r} ...")


def _refused(ssh: ChildProcess, target: Target, seen: bytes) -> TransportError:
    status = ssh.wait(timeout_s=2)
    said = ssh.stderr_tail()
    lines = last_words(said) or last_words(seen.decode("utf-8", "replace"))
    if status == 255:
        return TransportError(f"cannot connect to {target}{_quoted(lines)}", hint=remedy(said, target))
    return TransportError(
        f"{target} runs no helper: its login shell ended with exit code {status}{_quoted(lines)}",
        hint=f"the account needs a POSIX shell at /bin/sh and no forced command; try by hand: {target.by_hand()} true",
    )


def _quoted(lines: Sequence[str]) -> str:
    return "".join(f"\n  ssh: {line}" for line in lines)


def _check_version(version: str, target: Target, python: str) -> None:
    if version == "missing":
        raise TransportError(
            f"{target} has no {python!r}: the agent needs Python 3.9 or later there",
            hint="install it on the board, e.g. sudo apt install python3, or name one with 'python' in edgedevice.toml",
        )
    parts = version.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        raise TransportError(f"{target}: {python!r} is no Python interpreter; it said {version!r}")
    if (int(parts[0]), int(parts[1])) < (3, 9):
        raise TransportError(
            f"{python!r} on {target} is Python {version}; the agent needs 3.9 or later",
            hint="install a newer one on the board and name it with 'python' in edgedevice.toml",
        )


def _await_hello(link: Link, target: Target, deadline: float) -> Hello:
    heard: list[dict[str, Any]] = []
    link.handlers[None] = lambda header, _payload: heard.append(header)
    try:
        link.wait(lambda: bool(heard), deadline=deadline)
    except DeadlineError:
        raise TransportError(f"the helper on {target} did not say hello in time") from None
    except DeviceLostError as error:
        raise TransportError(f"the helper on {target} did not start: {error.message}") from None
    del link.handlers[None]
    hello = heard[0]
    if hello.get("op") == "failed":
        message = " ".join(last_words(str(hello.get("message"))))
        kind, hint = (DeviceFullError, FULL_HINT) if hello.get("kind") == "full" else (TransportError, "")
        raise kind(f"{target}: no folder for our files can be made: {message}", hint=hint)
    return _checked(hello, target)


def _checked(hello: dict[str, Any], target: Target) -> Hello:
    folder, identity, facts, parts = (hello.get(name) for name in ("folder", "identity", "facts", "parts"))
    sound = isinstance(folder, str) and folder.startswith("/") and folder.isprintable()
    if not sound or not isinstance(identity, str) or not 0 < len(identity) <= 200 or not identity.isprintable():
        raise TransportError(f"{target}: the helper's hello lacks a folder or an identity")
    if not isinstance(facts, dict) or not isinstance(parts, list):
        raise TransportError(f"{target}: the helper's hello lacks facts")
    known = {
        str(name)[:100]: _fact(value)
        for name, value in list(facts.items())[:MOST_FACTS]
        if isinstance(value, str | int | float) and str(name).isprintable()
    }
    sane = [part for part in parts[:100] if isinstance(part, dict) and _is_part(part)]
    assert isinstance(folder, str)
    models = hello.get("models")
    sizes = frozenset(size for size in models[:1000] if type(size) is int) if isinstance(models, list) else frozenset()
    return Hello(folder, identity, known, sane, sizes)


def _fact(value: Fact) -> Fact:
    if not isinstance(value, str):
        return value
    return "".join(sign if sign.isprintable() else " " for sign in value[:MOST_TEXT])


def _is_part(part: Mapping[str, Any]) -> bool:
    numbers = (part.get("size"), part.get("have"))
    return all(type(number) is int and number >= 0 for number in numbers) and isinstance(part.get("sha256"), str)
