"""The system's ssh program: its arguments, and what its last words mean.

The user's configuration, agent, keys, jump hosts and host-key policy stay as
they are; only what would prompt, hang, or outlive us is switched off.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pytest_edgedevice.errors import TransportError
from pytest_edgedevice.transports.ssh.bundle import COMMAND

CONNECT_S = 20
OPTIONS = (
    "BatchMode=yes",  # a question under pytest has nobody to answer it
    f"ConnectTimeout={CONNECT_S}",
    "ServerAliveInterval=3",
    "ServerAliveCountMax=3",
    "ControlMaster=no",  # a master would outlive us; one that runs already is used
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=ERROR",  # QUIET in a user's configuration would hide why it failed
)
_HINTS = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "another machine answers there, or it was installed anew; if you know "
    "why, remove its old key with ssh-keygen -R, and connect once by hand: {by_hand}",
    "Host key verification failed": "compare its host key and accept it once by hand: {by_hand}",
    "host key is known for": "compare its host key and accept it once by hand: {by_hand}",
    "Permission denied": "no key that ssh offered is accepted there, and passwords are not asked for; "
    "make this work by hand, with ssh-copy-id or ssh-add: {by_hand}",
    "Too many authentication": "name the key in ~/.ssh/config, with IdentitiesOnly yes; try by hand: {by_hand}",
    "Could not resolve hostname": "is the name right, and the board on this network? try by hand: {by_hand}",
    "Connection refused": "no SSH server listens there: is the port right, and sshd running on the board?",
    "timed out": "is the board up and on this network? try by hand: {by_hand}",
    "No route to host": "is the board up and on this network? try by hand: {by_hand}",
    "Bad configuration option": "mend ~/.ssh/config; try by hand: {by_hand}",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to connect to.

    Attributes:
        host: Name, address, or a ``Host`` of the user's configuration.
        user: Empty for the configuration's.
        port: None for the configuration's.
        program: The ssh program, with arguments of its own.
    """

    host: str
    user: str = ""
    port: int | None = None
    program: tuple[str, ...] = ("ssh",)

    def __post_init__(self) -> None:
        """Refuse what a program, or a ``ProxyCommand`` of the user's, could take for something else."""
        for what, text in (("host", self.host), ("user", self.user)):
            odd = any(sign.isspace() or not sign.isprintable() or sign in "'\"`$;&<>|(){}*?!\\/" for sign in text)
            if text.startswith("-") or (odd and not (what == "user" and set(text) <= _USER)):
                raise TransportError(
                    f"{text[:60]!r} cannot be the {what} of an SSH address", hint="see: edgedevice list"
                )
        if not self.host:
            raise TransportError("an SSH address needs a host", hint="write ssh:[user@]host[:port]")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise TransportError(f"{self.port} is no port")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}" * bool(self.user) or host

    def arguments(self) -> list[str]:
        """The command line that makes a helper's place of the board."""
        options = [part for option in OPTIONS for part in ("-o", option)]
        return [*self.program, *options, "-T", "-x", *self._place(), "--", self.host, COMMAND]

    def by_hand(self) -> str:
        """What a person types to try the same."""
        return shlex.join([*self.program, *self._place(), self.host])

    def _place(self) -> list[str]:
        user = ["-l", self.user] if self.user else []
        return [*user, *(["-p", str(self.port)] if self.port is not None else [])]


_USER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-+@\\")


def last_words(text: str) -> list[str]:
    """The last lines that say something, without what could steer a terminal."""
    lines = ["".join(sign if sign.isprintable() else " " for sign in line).strip() for line in text.splitlines()]
    telling = [line[:300] for line in lines if line and set(line) != {"@"}]
    return telling[-4:]


def remedy(said: str, target: Target) -> str:
    """What to do about what ssh said."""
    for sign, hint in _HINTS.items():
        if sign in said:
            return hint.format(by_hand=target.by_hand())
    return f"try by hand: {target.by_hand()}"
