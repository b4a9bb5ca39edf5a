"""Where a model is served, and the header that opens the door. Sends nothing."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from pytest_edgedevice.errors import UsageError

FORM = "http(s)://HOST[:PORT]/v2/models/NAME[/versions/VERSION]"
PORTS = {"http": 80, "https": 443}
SEGMENT = r"[A-Za-z0-9._~!$&'()*+,;=:@%-]+"
PATH = re.compile(rf"(?P<prefix>(?:/{SEGMENT})*)/v2/models/(?P<model>{SEGMENT})(?:/versions/(?P<version>{SEGMENT}))?/?")
HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
OURS = ("host", "content-length", "content-type", "transfer-encoding", "connection", "accept", "accept-encoding")


@dataclass(frozen=True, slots=True)
class Address:
    """A model's place on a server.

    Attributes:
        scheme: ``http`` or ``https``.
        host: Name or number, without brackets.
        port: Its port.
        prefix: Path in front of ``/v2``; empty for most servers.
        model: Name of the model as the path has it.
        version: Its version; empty for the server's choice.
    """

    scheme: str
    host: str
    port: int
    prefix: str
    model: str
    version: str = ""

    @property
    def server_path(self) -> str:
        """Path of the server's own metadata."""
        return f"{self.prefix}/v2"

    @property
    def model_path(self) -> str:
        """Path of the model's metadata; ``/infer`` behind it is where it answers."""
        version = f"/versions/{self.version}" if self.version else ""
        return f"{self.prefix}/v2/models/{self.model}{version}"

    @property
    def local(self) -> bool:
        """Whether it is this machine, so that nobody else reads along."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.model_path}"


def parse_address(text: str) -> Address:
    """Understand an address.

    Raises:
        UsageError: It is none of a served model, or holds what belongs elsewhere.
    """
    split, port = _split(text)
    if "@" in split.netloc:
        raise UsageError(
            "the server's address holds a name or password, which would end up in logs and in the golden",
            hint="put a whole header, 'Authorization: ...', into an environment variable and name that: --header-env",
        )
    if split.query or split.fragment:
        raise UsageError("the server's address has a query or fragment, which the protocol knows no use for")
    path = PATH.fullmatch(split.path)
    if path is None or {".", ".."} & set(split.path.split("/")):
        extra = "without /infer: it is added" if split.path.endswith("/infer") else f"write it as {FORM}"
        raise UsageError(f"{text[:200]!r} is no address of a model", hint=extra)
    return Address(
        split.scheme,
        split.hostname or "",
        port or PORTS[split.scheme],
        path["prefix"],
        path["model"],
        path["version"] or "",
    )


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        split = urlsplit(text)
        port = split.port
        host = (split.hostname or "").encode("idna").decode()
    except ValueError as error:  # brackets that do not match, a port of letters, a label that is too long
        raise UsageError(f"the server's address cannot be understood: {error}", hint=f"write it as {FORM}") from error
    if split.scheme not in PORTS or not re.fullmatch(r"[A-Za-z0-9._:%-]+", host) or port == 0:
        raise UsageError(f"{text.rpartition('@')[2][:200]!r} is no address of a model", hint=f"write it as {FORM}")
    return split, port


@dataclass(frozen=True, slots=True)
class Secret:
    """A header out of the environment; its value is never shown."""

    name: str
    value: str = field(repr=False)

    def hidden(self, text: str) -> str:
        """``text`` with the value, and each of its words that could be a key, blotted out."""
        for part in sorted({self.value, *self.value.split()}, key=len, reverse=True):
            if len(part) >= 8 or part == self.value:
                text = text.replace(part, "***")
        return text


def read_secret(variable: str, address: Address) -> Secret:
    """Take a header, ``Name: value``, out of an environment variable.

    Raises:
        UsageError: There is none, it is no header, or others could read it on its way.
    """
    content = os.environ.get(variable, "")
    found = HEADER.fullmatch(content.strip())
    if found is None or found[1].lower() in OURS:
        what = "is no header that may be sent" if content else "is not set"
        raise UsageError(
            f"the environment variable {variable[:80]!r} {what}",
            hint=f"export {variable[:80]}='Authorization: Bearer TOKEN'",
        )
    if address.scheme != "https" and not address.local:
        raise UsageError(
            f"the header of {variable[:80]!r} would travel to {address.host} unencrypted",
            hint="use an https:// address, or a tunnel to this machine (ssh -L, kubectl port-forward)",
        )
    return Secret(found[1], found[2])
