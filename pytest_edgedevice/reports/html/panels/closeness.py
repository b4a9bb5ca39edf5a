"""How far the outputs are from their references, and who is likely to blame."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.html import wording
from pytest_edgedevice.reports.html.failures import blames
from pytest_edgedevice.reports.html.parts import Block, Figure, Row, Table, Value, number_value, outcome_value, pairs
from pytest_edgedevice.reports.html.reading import items, leaves, mapping, number, objects, text
from pytest_edgedevice.reports.html.svg.series import counted_bins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

MOST_OUTPUTS = 50
MOST_BINS = 200


def blocks(cell: Cell) -> Iterator[Block]:
    """A block for each comparison."""
    for record in cell.of("close"):
        yield _block(record)


def _block(record: Record) -> Block:
    told = record["numbers"]
    outputs = objects(told.get("outputs"))
    names = [
        f"{what}: {', '.join(filter(None, map(text, items(told.get(key)))))}"
        for key, what in (("missing", "Missing on the device"), ("extra", "Without a reference"))
        if items(told.get(key))
    ]
    golden = text(told.get("golden"))
    samples = wording.counted(int(number(told.get("samples")) or 0), "sample")
    note = ". ".join([f"{samples}{f' of {golden}' if golden else ''}", *names, *blames(record)])
    figures = [figure for one in outputs[:MOST_OUTPUTS] for figure in _histogram(one)]
    tables = [_outputs(outputs[:MOST_OUTPUTS]), _tried(told), *(_more(one) for one in outputs[:MOST_OUTPUTS])]
    return Block("Error of each output", note=note, figures=figures, tables=[one for one in tables if one.rows])


def _outputs(outputs: list[dict[str, Any]]) -> Table:
    columns = ("Output", "Largest error", "Worst at", "Device", "Reference", "Not close", "Tolerance", "Outcome")
    return Table("", columns, [Row(_values(one)) for one in outputs])


def _values(one: dict[str, Any]) -> list[Value]:
    worst = mapping(one.get("worst"))
    error = number(one.get("max_abs_error"))
    share = number(one.get("share"))
    bounds = [f"{name} {wording.plain(one.get(name))}" for name in ("atol", "rtol") if number(one.get(name))]
    named = list(filter(None, map(text, items(mapping(one.get("tolerance")).get("bounds")))))
    outcome = {True: "passed", False: "failed"}.get(one.get("close") is True if "close" in one else None)  # type: ignore[arg-type]
    return [
        Value(text(one.get("name")), kind="name", note=text(one.get("actual"))),
        number_value(wording.plain(error) or wording.NOTHING, error),
        Value(where(worst)),
        number_value(wording.exact(worst.get("actual")), number(worst.get("actual"))),
        number_value(wording.exact(worst.get("reference")), number(worst.get("reference"))),
        number_value(wording.percent(share) or wording.NOTHING, share),
        Value(", ".join(named or bounds) or "exact", note=text(one.get("preset"))),
        outcome_value(outcome) if outcome else Value(wording.NOTHING),
    ]


def _tried(told: dict[str, Any]) -> Table:
    """What was run again to find out whom to blame."""
    rows = [
        Row(
            [
                Value(text(one.get("what")), kind="name"),
                Value(text(one.get("where"))),
                Value({True: "close", False: "not close"}.get(one.get("close") is True, "") if "close" in one else ""),
                number_value(wording.plain(one.get("max_abs_error")), number(one.get("max_abs_error"))),
                Value(text(one.get("problem"))),
            ]
        )
        for one in objects(mapping(told.get("blame")).get("observations"))[:20]
    ]
    return Table("Tried to find the cause", ("What", "Where", "Then", "Largest error", "Problem"), rows)


def where(worst: dict[str, Any]) -> str:
    """The place of an element: its sample, by name where it has one, and its index."""
    index = ", ".join(filter(None, map(text, items(worst.get("index"))[:8])))
    sample = text(worst.get("id")) or text(worst.get("sample"))
    return " ".join(filter(None, [sample and f"sample {sample}", index and f"[{index}]"]))


def _histogram(one: dict[str, Any]) -> list[Figure]:
    """How often each size of error was seen; nothing where all are in one bin."""
    told = mapping(one.get("histogram"))
    edges = [number(edge) for edge in items(told.get("edges"))]
    counts = [number(count) for count in items(told.get("counts"))]
    known = [edge for edge in edges if edge is not None]
    seen = [int(count) for count in counts if count is not None and count >= 0]
    sound = len(known) == len(edges) == len(seen) + 1 == len(counts) + 1 and 2 < len(known) <= MOST_BINS
    if not sound or not seen or any(last <= first for first, last in itertools.pairwise(known)):
        return []
    return [Figure(f"Errors of {text(one.get('name'))}", counted_bins(known, seen, label="histogram of errors"))]


def _more(one: dict[str, Any]) -> Table:
    """What else was found of an output that is not close, and metrics of any output."""
    found = [(name.replace("_", " "), told) for name, told in leaves(one.get("metrics"), path="")][:40]
    if one.get("close") is False:
        structure = "; ".join(filter(None, map(text, items(one.get("structure")))))
        found += [
            ("Shape and type", structure),
            ("Hint", text(one.get("hint"))),
            ("Would pass with atol", wording.exact(one.get("needed_atol"))),
            ("Cosine", wording.exact(one.get("cosine"))),
            ("Not finite on the device", wording.plain(one.get("actual_nonfinite"))),
        ]
    return pairs(text(one.get("name")), found)
