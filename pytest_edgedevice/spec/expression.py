"""Selection expressions as values: what was parsed, and whether a device fits.

Missing facts: a device that lacks a fact fits no comparison with it, ``!=``
included, and a bare flag that it lacks is false. ``not`` simply turns the answer
round, so ``not (sdk>=33)`` holds for a device that has no ``sdk`` at all.
"""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.spec.vocabulary import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.values import Fact

OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
WORD = re.compile(r"[A-Za-z0-9_.+-]+")
MAX_NUMBER_CHARS = 30
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Flag:
    """A fact on its own: known, and neither false, zero nor empty."""

    fact: str

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether it is true of a device with these facts."""
        return bool(facts.get(self.fact, False))

    def __str__(self) -> str:
        return self.fact


@dataclass(frozen=True, slots=True)
class Comparison:
    """A fact against a value of the fact's own type."""

    fact: str
    operator: str
    value: Fact

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether it is true of a device with these facts."""
        seen = _as_type_of(self.value, facts.get(self.fact))
        return seen is not None and OPERATORS[self.operator](seen, self.value)

    def __str__(self) -> str:
        return f"{self.fact}{self.operator}{_literal(self.value)}"


@dataclass(frozen=True, slots=True)
class Negation:
    """The opposite of its term."""

    term: Term

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether it is true of a device with these facts."""
        return not self.term.holds(facts)

    def __str__(self) -> str:
        inner = f"({self.term})" if isinstance(self.term, Conjunction | Disjunction) else str(self.term)
        return f"not {inner}"


@dataclass(frozen=True, slots=True)
class Conjunction:
    """All of its two or more terms."""

    terms: tuple[Term, ...]

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether it is true of a device with these facts."""
        return all(term.holds(facts) for term in self.terms)

    def __str__(self) -> str:
        return " and ".join(
            f"({term})" if isinstance(term, Conjunction | Disjunction) else str(term) for term in self.terms
        )


@dataclass(frozen=True, slots=True)
class Disjunction:
    """At least one of its two or more terms."""

    terms: tuple[Term, ...]

    def holds(self, facts: Mapping[str, Fact]) -> bool:
        """Whether it is true of a device with these facts."""
        return any(term.holds(facts) for term in self.terms)

    def __str__(self) -> str:
        return " or ".join(f"({term})" if isinstance(term, Disjunction) else str(term) for term in self.terms)


Term = Flag | Comparison | Negation | Conjunction | Disjunction


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed selection expression; ``str()`` gives it back in one spelling.

    Attributes:
        term: The tree's root.
    """

    term: Term

    def matches(self, facts: Mapping[str, Fact]) -> bool:
        """Whether a device with these facts fits; a fact that it lacks fits no comparison."""
        return self.term.holds(facts)

    @property
    def facts_used(self) -> frozenset[str]:
        """Names of all facts that the answer may depend on."""
        return frozenset(_facts(self.term))

    def __str__(self) -> str:
        return str(self.term)

    def __repr__(self) -> str:
        return f"Expression({str(self)!r})"


def _facts(term: Term) -> set[str]:
    if isinstance(term, Flag | Comparison):
        return {term.fact}
    if isinstance(term, Negation):
        return _facts(term.term)
    return set().union(*(_facts(one) for one in term.terms))


def _as_type_of(value: Fact, seen: Fact | None) -> Fact | None:
    """What the device says, in the type of the expression's value; None where that cannot be.

    Devices report numbers as text now and then (Android's properties are all text).
    """
    if isinstance(value, bool):
        return seen if isinstance(seen, bool) else None
    if isinstance(value, str):
        return str(seen).lower() if isinstance(seen, bool) else None if seen is None else str(seen)
    if isinstance(seen, str):
        seen = number(seen.strip())
    if isinstance(seen, bool) or (isinstance(seen, float) and not math.isfinite(seen)):
        return None
    return seen


def number(text: str) -> int | float | None:
    """Read a number, whole ones exactly; None for anything else, infinite or over 30 characters long."""
    if len(text) > MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if not math.isfinite(value):
        return None
    return value if re.search(r"[.eE]", text) else int(text)


def _literal(value: Fact) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if WORD.fullmatch(value) and value not in KEYWORDS:
        return value
    return f"'{value}'" if '"' in value else f'"{value}"'
