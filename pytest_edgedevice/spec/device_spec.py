"""The text after ``--device``: a kind, a kind with an address, a name, or an expression.

An address never becomes part of a shell string, and is still checked here: one
that starts with a dash would be an option of ``ssh`` or ``adb``, and OpenSSH hands
host names to the user's own ``ProxyCommand``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from typing import TYPE_CHECKING, Literal

from pytest_edgedevice.errors import SpecError
from pytest_edgedevice.spec.grammar import parse_expression
from pytest_edgedevice.spec.vocabulary import BUILT_IN, Vocabulary, closest_first

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_edgedevice.spec.expression import Expression

Link = Literal["local", "adb", "ssh", "ios", "replay"]
KINDS: tuple[Link, ...] = ("local", "adb", "ssh", "ios", "replay")
MAX_ADDRESS_CHARS = 255
_KIND_AND_ADDRESS = re.compile(r"([A-Za-z0-9_-]*):(.*)", re.DOTALL)
_SINGLE_WORD = re.compile(r"[A-Za-z0-9_.+-]+")
_SHELL_SIGNS = frozenset("'\"`$\\;&<>|(){}[]*?!#~,/=%@")
_USER_SIGNS = (_SHELL_SIGNS - {"\\", "@"}) | {":"}  # DOMAIN\user is a name, user:password is a leak
_NEWER_UDID = re.compile(r"[0-9A-Fa-f]{24}")
_OLDER_UDID = re.compile(r"[0-9A-Fa-f]{40}")
_EXAMPLES = {
    "adb": "adb:SERIAL, the serial as `adb devices` shows it, or adb:HOST:PORT",
    "ssh": "ssh:[user@]host[:port]",
    "ios": "ios:UDID",
    "replay": "replay:PATH, the path that was given to --edge-record-run",
}
MAX_PATH_CHARS = 4096


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """What a user asked for; ``str()`` gives text that parses to an equal value.

    Attributes:
        kind: The link, or ``replay`` (a recording), ``named`` (an entry of edgedevice.toml) or ``expression``.
        address: ADB serial, UDID, ``[user@]host[:port]`` or a recording's path; empty means any device of the kind.
        name: Set for ``named`` only.
        expression: Set for ``expression`` only.
        user, host, port: The parts of an SSH address; ``host`` has no brackets, and port
            None leaves the choice to ssh's own configuration.
    """

    kind: Literal["local", "adb", "ssh", "ios", "replay", "named", "expression"]
    address: str = ""
    name: str = ""
    expression: Expression | None = None
    user: str = ""
    host: str = ""
    port: int | None = None

    @property
    def is_pool(self) -> bool:
        """Whether several devices may fit, any of which will do."""
        return self.kind == "expression" or (self.kind in {"adb", "ssh", "ios"} and not self.address)

    def __str__(self) -> str:
        if self.kind == "named":
            return self.name
        if self.kind == "expression":
            text = str(self.expression)
            # `(adb)` asks for the flag, `adb` for the kind: the brackets must survive
            return f"({text})" if text in KINDS else text
        return f"{self.kind}:{self.address}" if self.address else self.kind

    def __repr__(self) -> str:
        return f"DeviceSpec({str(self)!r})"


def parse_spec(
    text: str,
    *,
    kinds: Collection[str] = KINDS,
    names: Collection[str] = (),
    vocabulary: Vocabulary = BUILT_IN,
) -> DeviceSpec:
    """Understand a device spec: a kind, ``adb:SERIAL``, ``ssh:pi@kitchen``, a name or an expression.

    Args:
        text: What the user wrote.
        kinds: The kinds that are allowed, out of ``KINDS``.
        names: Names of the devices in edgedevice.toml.
        vocabulary: Facts that an expression may use.

    Raises:
        SpecError: The text is none of these; the message says where and what was expected.
    """
    word = text.strip(" \t\r\n")
    if not word:
        raise SpecError("the device spec is empty", hint=f"write one of: {', '.join(kinds)}, a name or an expression")
    if word in kinds:
        if word == "replay":
            raise SpecError("'replay' names no recording", hint=f"write {_EXAMPLES[word]}")
        return DeviceSpec(_known_kind(word, kinds))
    if word in names:
        return DeviceSpec("named", name=word)
    # not `word`: white space around an address is refused, not removed
    if parted := _KIND_AND_ADDRESS.fullmatch(text):
        return _addressed(parted[1], parted[2], kinds)
    if _SINGLE_WORD.fullmatch(word) and word not in vocabulary:
        candidates = [*kinds, *names, *vocabulary]
        raise SpecError(
            f"{_shown(word)} is neither a kind of device, nor a device in edgedevice.toml, nor a fact",
            hint=f"known words, closest first: {', '.join(closest_first(word, dict.fromkeys(candidates)))}; "
            "or name it in edgedevice.toml",
        )
    try:
        return DeviceSpec("expression", expression=parse_expression(word, vocabulary=vocabulary))
    except SpecError as error:
        used = [name for name in names if name in _SINGLE_WORD.findall(word)]
        if not used or "known fact" not in error.message:
            raise
        raise SpecError(error.message, hint=f"{used[0]!r} is a device: write name=={used[0]}") from None


def _known_kind(kind: str, kinds: Collection[str]) -> Link:
    if kind in kinds and kind in KINDS:
        return kind
    raise SpecError(
        f"{_shown(kind)} is no kind of device",
        hint=f"known kinds, closest first: {', '.join(closest_first(kind, kinds))}",
    )


def _addressed(kind: str, address: str, kinds: Collection[str]) -> DeviceSpec:
    known = _known_kind(kind, kinds)
    if known == "local":
        raise SpecError(f"'local' takes no address, but {_shown(address)} follows it", hint="write: local")
    if not address:
        raise SpecError(f"the address after '{known}:' is empty", hint=f"write {_EXAMPLES[known]}")
    if known == "replay":
        return _recording(address)
    if len(address) > MAX_ADDRESS_CHARS:
        raise SpecError(f"the address after '{known}:' has {len(address)} characters; {MAX_ADDRESS_CHARS} are allowed")
    if known == "ssh":
        return _ssh(address)
    _check(address, f"the address after '{known}:'", hint=f"write {_EXAMPLES[known]}")
    return DeviceSpec(known, address=_udid(address) if known == "ios" else address)


def _udid(address: str) -> str:
    """An iPhone's number as Apple writes it, as people leave out its dash and its case; anything else as it is."""
    digits = address.replace("-", "")
    if _NEWER_UDID.fullmatch(digits):
        return f"{digits[:8]}-{digits[8:]}".upper()
    return digits.lower() if _OLDER_UDID.fullmatch(digits) else address


def _recording(path: str) -> DeviceSpec:
    """A path is opened by us and by nobody else, so that any sign may be in it that a terminal can show."""
    if len(path) > MAX_PATH_CHARS or path != path.strip() or not path.isprintable():
        raise SpecError(f"{_shown(path)} is no path of a recording", hint=f"write {_EXAMPLES['replay']}")
    return DeviceSpec("replay", address=path)


def _ssh(address: str) -> DeviceSpec:
    # the last @ separates, as in OpenSSH: user names may hold one
    user, at, place = address.rpartition("@")
    hint = f"write {_EXAMPLES['ssh']}, an IPv6 address in brackets"
    if at:
        _check(user, "the user", hint=hint, signs=_USER_SIGNS)
    host, port, bracketed = _split_port(place, hint)
    if bracketed:
        try:
            IPv6Address(host)
        except AddressValueError as error:
            raise SpecError(f"{_shown(host)} in brackets is no IPv6 address: {error}", hint=hint) from None
    _check(host, "the host", hint=hint, signs=_SHELL_SIGNS - {"%"} if bracketed else _SHELL_SIGNS)
    shown_host = f"[{host}]" if bracketed else host
    canonical = f"{user}{at}{shown_host}" + (f":{port}" if port is not None else "")
    return DeviceSpec("ssh", address=canonical, user=user, host=host, port=port)


def _split_port(place: str, hint: str) -> tuple[str, int | None, bool]:
    """Host without brackets, port, and whether there were brackets."""
    bracketed = place.startswith("[")
    if bracketed:
        host, closing, rest = place[1:].partition("]")
        if not closing or (rest and not rest.startswith(":")):
            raise SpecError(f"{_shown(place)} is not [IPv6] or [IPv6]:port", hint=hint)
    else:
        host, colon, rest = place.partition(":")
        rest = colon + rest
        if rest.count(":") > 1:
            raise SpecError(f"{_shown(place)} has more than one colon", hint=hint)
    if not rest:
        return host, None, bracketed
    digits = rest[1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 1 <= int(digits) <= 65535):
        raise SpecError(f"the port {_shown(digits)} is no whole number from 1 to 65535", hint=hint)
    return host, int(digits), bracketed


def _check(part: str, what: str, *, hint: str, signs: frozenset[str] = frozenset()) -> None:
    if not part:
        raise SpecError(f"{what} is empty", hint=hint)
    if part.startswith("-"):
        raise SpecError(f"{what} {_shown(part)} starts with a dash; a program would take it for an option", hint=hint)
    for char in part:
        if char.isspace() or not char.isprintable() or char in signs:
            raise SpecError(
                f"{what} {_shown(part)} holds the character {char!r}, which is not allowed there", hint=hint
            )


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
