"""What is known of a board: one value, filled from the answer of our program there, or from POSIX tools alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.agent.sites import HOME
from pytest_edgedevice.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_edgedevice.cli.boards.asking import Board
    from pytest_edgedevice.runners.elf import Version

MOST_TEXT = 400
_VERSION = re.compile(r"\d{1,5}(\.\d{1,5}){1,3}")


@dataclass(frozen=True, slots=True)
class Tried:
    """An engine there.

    Attributes:
        version: Of its distribution; empty when there is none.
        numpy: Version of the numpy that it was loaded with; empty when it was not loaded.
        failure: Why it does not load, one line; empty otherwise.
    """

    version: str = ""
    numpy: str = ""
    failure: str = ""

    @property
    def loads(self) -> bool:
        """Whether it was seen to load."""
        return bool(self.version and self.numpy and not self.failure)


@dataclass(frozen=True, slots=True)
class Site:
    """A folder there where packages may have been brought.

    Attributes:
        folder: For this kind of Python.
        there: Whether it exists.
        writable: Whether it, or where it would be made, may be written to.
        free_bytes: Room there; None when not told.
        engine: Which engine was brought there; empty for none.
        wheels: Name of each wheel to its hash.
    """

    folder: str
    there: bool = False
    writable: bool = False
    free_bytes: int | None = None
    engine: str = ""
    wheels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What a board is and has; empty or None where it is not told.

    Attributes:
        python, executable, implementation, abi, kind: Of the interpreter; empty when there is none.
        machine: What programs there are built for, as ``uname -m`` says it.
        kernel: Its release.
        libc: As the system names it: ``glibc 2.36``, ``musl``.
        cxx, cxx_path: Highest version of GLIBCXX that the C++ library there gives, and where that is.
        engines: Name to what became of trying it.
        holder: Who holds the board now; engines are not loaded then.
        sites: Where packages may be brought, the preferred one first.
        base_free_bytes: Room for models and inputs.
        unread: Files of /proc and /sys that XNNPACK reads and that cannot be read.
        facts: See ``agent.conditions``.
        governors: Of the processors' clocks.
        throttled: A Raspberry Pi's word on heat and voltage.
        locks, locks_fault, locks_hint: The lock folder there, why it cannot be used, and what to do.
    """

    python: str = ""
    executable: str = ""
    implementation: str = ""
    abi: str = ""
    kind: str = ""
    machine: str = ""
    kernel: str = ""
    libc: str = ""
    cxx: Version | None = None
    cxx_path: str = ""
    engines: Mapping[str, Tried] = field(default_factory=dict)
    holder: str = ""
    sites: tuple[Site, ...] = ()
    base_free_bytes: int | None = None
    unread: tuple[str, ...] = ()
    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    governors: tuple[str, ...] = ()
    throttled: str = ""
    locks: str = ""
    locks_fault: str = ""
    locks_hint: str = ""

    @property
    def glibc(self) -> Version | None:
        """Version of the GNU C library; None for another one."""
        return version_in(self.libc) if "glibc" in self.libc.lower() else None


def look_at(board: Board, *, chosen: bool) -> Look:
    """Ask a board what it is and has.

    Args:
        board: Which.
        chosen: Whether its device file names a folder for our files, so that packages go there too.

    Raises:
        TransportError, DeadlineError: It did not answer, or not in our words.
    """
    sites = [f"{board.base}/site", HOME]
    return from_answer(board.ask("look", sites=sites if chosen else sites[::-1], base=board.base))


def from_answer(answer: Mapping[str, Any]) -> Look:
    """Read a board's answer, which may hold anything."""
    cxx, locks, tried = (_table(answer.get(name)) for name in ("libstdcxx", "locks", "engines"))
    return Look(
        **{name: text(answer.get(name)) for name in ("python", "executable", "implementation", "abi", "kind")},
        machine=text(answer.get("machine")),
        kernel=text(answer.get("kernel")),
        libc=text(answer.get("glibc")),
        cxx=version_in(text(cxx.get("version"))),
        cxx_path=text(cxx.get("path")),
        engines={name: _tried(tried.get(name)) for name in ("litert", "tflite")},
        holder=text(answer.get("holder")),
        sites=tuple(_site(_table(one)) for one in _list(answer.get("sites"))[:2]),
        base_free_bytes=_count(answer.get("base_free_bytes")),
        unread=tuple(text(one) for one in _list(answer.get("unread"))[:5]),
        facts={text(name): _fact(value) for name, value in list(_table(answer.get("facts")).items())[:100]},
        governors=tuple(text(one)[:40] for one in _list(answer.get("governors"))[:5]),
        throttled=text(answer.get("throttled"))[:20],
        locks=text(locks.get("folder")),
        locks_fault=text(locks.get("fault")),
        locks_hint=text(locks.get("hint")),
    )


def text(value: object) -> str:
    """A stranger's text on one line, cut, printable; empty for anything else."""
    return printable(value[:MOST_TEXT]) if isinstance(value, str) else ""


def version_in(words: str) -> Version | None:
    """The first version in a text: ``glibc 2.36`` is 2.36."""
    found = _VERSION.search(words)
    return tuple(int(part) for part in found[0].split(".")) if found else None


def _tried(value: object) -> Tried:
    table = _table(value)
    return Tried(*(text(table.get(name)) for name in ("version", "numpy", "failure")))


def _site(table: Mapping[str, Any]) -> Site:
    note = _table(table.get("manifest"))
    wheels = {text(name): text(digest) for name, digest in list(_table(note.get("wheels")).items())[:100]}
    return Site(
        text(table.get("folder")),
        table.get("there") is True,
        table.get("writable") is True,
        _count(table.get("free_bytes")),
        text(note.get("engine")),
        wheels,
    )


def _fact(value: object) -> str | int | float:
    return value if isinstance(value, int | float) else text(value)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 62 else None


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
