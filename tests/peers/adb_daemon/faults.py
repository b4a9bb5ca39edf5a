"""What a phone does wrong, and when. Can be changed at any time, also for streams that are open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict, Unpack

CUTS = ("drop", "hang", "close")


class Where(TypedDict, total=False):
    """Which streams a fault is for.

    Keys:
        service: ``shell`` (v1 and v2), ``exec``, ``sync``, or ``*`` for all.
        containing: A part of the service string as it was opened, like a program's name.
        times: How often it happens; without end unless given.
    """

    service: str
    containing: str
    times: int


@dataclass(slots=True)
class Rule:
    """One fault that is armed."""

    kind: str
    number: int = 0
    content: bytes = b""
    name: str = ""
    service: str = "*"
    containing: str = ""
    times: int | None = None

    def fits(self, kind: str, opened: str) -> bool:
        head, _, rest = opened.partition(":")
        return (
            self.kind == kind
            and self.times != 0
            and self.service in {"*", head.partition(",")[0]}
            and self.containing in rest
        )

    def happened(self) -> None:
        if self.times is not None:
            self.times -= 1


class Faults:
    """Arms faults. ``bytes`` counts what a stream carried both ways, adb's own headers within it included."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def clear(self) -> None:
        """No faults any more; what hangs stays hanging."""
        self._rules = []

    def drop_after(self, bytes: int = 0, **where: Unpack[Where]) -> None:  # noqa: A002 - reads well where it is called
        """Cut the connection of all streams once this one has carried so many bytes."""
        self._arm(Rule("drop", bytes), where)

    def hang_after(self, bytes: int = 0, **where: Unpack[Where]) -> None:  # noqa: A002
        """Answer nothing more on the stream, no OKAY and no WRTE; with 0 bytes it is opened and that is all."""
        self._arm(Rule("hang", bytes), where)

    def close_stream_after(self, bytes: int = 0, **where: Unpack[Where]) -> None:  # noqa: A002
        """CLSE in the middle: no exit packet, no answer to a push."""
        self._arm(Rule("close", bytes), where)

    def refuse(self, **where: Unpack[Where]) -> None:
        """Refuse to open the stream: CLSE(0, remote)."""
        self._arm(Rule("refuse"), where)

    def ignore_open(self, **where: Unpack[Where]) -> None:
        """Neither accept nor refuse the stream."""
        self._arm(Rule("ignore"), where)

    def slow(self, bytes_per_s: int, **where: Unpack[Where]) -> None:
        """Carry no more than so many bytes a second, each way."""
        self._arm(Rule("slow", bytes_per_s), where)

    def garbage(self, content: bytes, *, endless: bool = False, **where: Unpack[Where]) -> None:
        """Say this in place of what the service says, once or without end, and nothing after it. Nothing is run."""
        self._arm(Rule("garbage", int(endless), content), where)

    def endless(self, name: Literal["stdout", "stderr"] = "stdout", **where: Unpack[Where]) -> None:
        """Output without end in place of a program's, correctly framed where the stream is."""
        self._arm(Rule("endless", name=name, content=b"chatter without end\n" * 1000), where)

    def banner(self, content: bytes, **where: Unpack[Where]) -> None:
        """Say this before a program's own output."""
        self._arm(Rule("banner", content=content), where)

    def exit_code(self, lie: int, **where: Unpack[Where]) -> None:
        """Tell another exit code than the program's."""
        self._arm(Rule("exit_code", lie), where)

    def no_exit_packet(self, **where: Unpack[Where]) -> None:
        """Close a ``shell,v2`` stream without an exit code when the program has ended."""
        self._arm(Rule("no_exit_packet"), where)

    def sync_size(self, lie: int, **where: Unpack[Where]) -> None:
        """Tell another size of every file."""
        self._arm(Rule("sync_size", lie), where)

    def sync_fail(self, text: str, *, bytes: int = 0, **where: Unpack[Where]) -> None:  # noqa: A002
        """Refuse a push once so much of its content has come; the phone reads on until its end, as phones do."""
        self._arm(Rule("sync_fail", bytes, text.encode()), where)

    def sync_ok_without_writing(self, **where: Unpack[Where]) -> None:
        """Take a push, say OKAY, and have no file."""
        self._arm(Rule("sync_ok_without_writing"), where)

    def corrupt_push(self, **where: Unpack[Where]) -> None:
        """Flip a bit of the first byte of what is pushed."""
        self._arm(Rule("corrupt_push"), where)

    def corrupt_pull(self, **where: Unpack[Where]) -> None:
        """Flip a bit of the first byte of what is pulled."""
        self._arm(Rule("corrupt_pull"), where)

    def find(self, kind: str, opened: str) -> Rule | None:
        """The fault of this kind for a stream, and it stays armed."""
        return next((rule for rule in self._rules if rule.fits(kind, opened)), None)

    def take(self, kind: str, opened: str) -> Rule | None:
        """The fault of this kind for a stream, which happens now."""
        rule = self.find(kind, opened)
        if rule:
            rule.happened()
        return rule

    def next_cut(self, opened: str) -> Rule | None:
        """Whichever ends the stream first."""
        cuts = [rule for kind in CUTS for rule in self._rules if rule.fits(kind, opened)]
        return min(cuts, key=lambda rule: rule.number, default=None)

    def _arm(self, rule: Rule, where: Any) -> None:
        for key, value in where.items():
            setattr(rule, key, value)
        self._rules = [*self._rules, rule]


def flipped(content: bytes) -> bytes:
    """The same with one bit of its first byte changed."""
    return bytes([content[0] ^ 1]) + content[1:] if content else content
