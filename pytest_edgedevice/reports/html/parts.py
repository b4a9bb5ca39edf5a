"""What a page is made of, before it is HTML: tables, figures and blocks of them. All texts are unescaped.

A large page has a hundred thousand places in tables. Those are named tuples, which are
made in a third of the time that a frozen dataclass takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.reports.html.gathering import Cell


class Value(NamedTuple):
    """One place in a table.

    Attributes:
        text: For people.
        sort: What the page sorts by, where the text will not do.
        kind: Class for its look: ``outcome``, ``number``, ``muted`` ...
        cell: Which cell it leads to.
        bar: A small picture in front of the text, SVG.
        note: A second, quieter line.
    """

    text: str
    sort: float | None = None
    kind: str = ""
    cell: Cell | None = None
    bar: str = ""
    note: str = ""


class Row(NamedTuple):
    """One row of a table, and the cell that it is about, by which the page filters."""

    values: Sequence[Value]
    cell: Cell | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table; columns without a single text should not be in it."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Row]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture, SVG, with what it shows in words."""

    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a cell's panel."""

    title: str
    note: str = ""
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    text: str = ""


def pairs(caption: str, told: Sequence[tuple[str, str]]) -> Table:
    """A table of names and values; what has no value is left out."""
    return Table(caption, (), [Row([Value(name, kind="name"), Value(text)]) for name, text in told if text])


def outcome_value(outcome: str) -> Value:
    """An outcome, which has a colour, a sign and a word."""
    return Value(outcome, kind=f"outcome {outcome}")


def number_value(text: str, sort: float | None) -> Value:
    """A quantity."""
    return Value(text, sort=sort, kind="number")
