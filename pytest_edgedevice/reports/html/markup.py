"""Tables, figures and outcomes as HTML: what a page has by the ten thousand, so not a template's work.

Everything here escapes every text that it is given, and gives text that may stand in a page as it is.
"""

from __future__ import annotations

import html
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_edgedevice.reports.html.gathering import Cell
    from pytest_edgedevice.reports.html.metrics import Metric
    from pytest_edgedevice.reports.html.parts import Block, Figure, Row, Table, Value


def escape(text: str) -> str:
    """A text as HTML; most need no change, and to see that in this way costs half of a search."""
    if "<" in text or ">" in text or "&" in text or '"' in text or "'" in text:
        return html.escape(text)
    return text


def table(one: Table) -> str:
    """A table that scrolls by itself where it is too wide; one with a heading can be sorted."""
    caption = f"<caption>{escape(one.caption)}</caption>" if one.caption else ""
    heads = "".join(f"<th scope=col>{escape(name)}" for name in one.columns)
    head = f"<thead><tr>{heads}</thead>" if heads else ""
    kind = " class=sortable" if heads else ""
    note = f"<p class=note>{escape(one.note)}</p>" if one.note else ""
    body = "\n".join(map(_row, one.rows))
    return f"<div><div class=scroll><table{kind}>{caption}{head}<tbody>{body}</tbody></table></div>{note}</div>"


def _row(row: Row) -> str:
    cell = f" data-cell={row.cell.place}" if row.cell is not None else ""
    return f"<tr{cell}>{''.join(map(_value, row.values))}"


def _value(one: Value) -> str:
    known = one.kind == "number" and one.sort is not None and not one.bar  # the style sheet goes by data-v
    kind = _class(one.kind, bool(one.bar)) if one.kind and not known else ""
    sort = f" data-v={one.sort:.6g}" if one.sort is not None else ""
    words = escape(one.text) if one.cell is None else link(one.cell, escape(one.text))
    note = f"<small>{escape(one.note)}</small>" if one.note else ""
    return f"<td{kind}{sort}>{one.bar}{words}{note}"


@lru_cache(maxsize=256)
def _class(kind: str, barred: bool) -> str:
    return f" class={kind}" if kind.isalpha() and not barred else f' class="{escape(kind)}{" barred" * barred}"'


def link(cell: Cell, words: str) -> str:
    """A link to a cell around what is HTML already; a slug has harmless signs only."""
    return f'<a href="#cell={cell.slug}">{words}</a>'


def figure(one: Figure) -> str:
    """A picture and what it shows."""
    return f"<figure>{one.svg}<figcaption>{escape(one.caption)}</figcaption></figure>"


def block(one: Block) -> str:
    """A part of a cell's panel."""
    note = f"<p class=note>{escape(one.note)}</p>" if one.note else ""
    figures = f"<div class=figures>{''.join(map(figure, one.figures))}</div>" if one.figures else ""
    tables = f"<div class=tables>{''.join(map(table, one.tables))}</div>" if one.tables else ""
    text = f"<pre>{escape(one.text)}</pre>" if one.text else ""
    return f"<section><h4>{escape(one.title)}</h4>{note}{figures}{tables}{text}</section>"


def cell_row(cell: Cell, metrics: Iterable[Metric]) -> str:
    """A cell in the table of all: what it is, its outcome, its numbers, its tests."""
    kind = "" if cell.model else " class=test"
    about = "".join(f"<td>{escape(text)}" for text in (cell.variant, cell.device, cell.delegate))
    numbers = "".join(
        "<td>"
        if (value := cell.numbers.get(one.name)) is None
        else f"<td data-v={value:.6g}>{escape(one.worded(value))}"
        for one in metrics
    )
    return (
        f"<tr data-cell={cell.place}><th scope=row{kind}>{link(cell, escape(cell.what))}{about}"
        f'<td class="outcome {escape(cell.outcome)}">{escape(cell.outcome)}{numbers}'
        f"<td class=tests>{escape(', '.join(cell.tests))}"
    )


def outcome(name: str) -> str:
    """An outcome in its colour, with its sign and its word."""
    return f'<span class="outcome {escape(name)}">{escape(name)}</span>'


def commands(lines: Iterable[str]) -> str:
    """Commands to copy."""
    return "".join(f"<div class=command><code>{escape(line)}</code></div>" for line in lines)


def log(title: str, text: str) -> str:
    """A long text that is closed until somebody wants it."""
    return f"<details class=log><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
