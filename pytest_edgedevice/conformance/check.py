"""One promise of the protocol, how it is tried, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.conformance.bench import Bench

OK, FAILED, NOT_OFFERED, NOT_RUN = "ok", "FAILED", "not offered", "not run"


class PromiseError(Exception):
    """The agent broke a promise; the text is what came from it."""


class UnreachableError(PromiseError):
    """It did not even say hello."""


class NotOfferedError(Exception):
    """The agent, or its engine, does not have what the check is about; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Check:
    """A promise.

    Attributes:
        group: Checks of one group may share a conversation.
        name: A sentence about an agent that keeps it.
        section: Heading in PROTOCOL.md.
        says: What stands there, word for word.
        run: Tries it; raises ``PromiseError`` or ``NotOfferedError``.
    """

    group: str
    name: str
    section: str
    says: str
    run: Callable[[Bench], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check.

    Attributes:
        status: ``ok``, ``FAILED``, ``not offered`` or ``not run``.
        reason: Why it was not offered or not run; else empty.
        sent, came: The last thing that was sent, and what came; of failures only.
        ms: How long it took, milliseconds.
    """

    check: Check
    status: str
    reason: str = ""
    sent: str = ""
    came: str = ""
    ms: float = 0.0


class Group:
    """Collects the checks of one file, in the order in which they stand there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.checks: list[Check] = []

    def check(
        self, *, section: str, says: str, name: str = ""
    ) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
        """Append the decorated function; without a name, its docstring is the name."""

        def append(run: Callable[[Bench], None]) -> Callable[[Bench], None]:
            sentence = name or (run.__doc__ or "").rstrip(".")
            self.checks.append(Check(self.name, sentence, section, says, run))
            return run

        return append
