"""The closing table: one row a test and model, as wide as the terminal allows.

A pure function of records; colours and printing are the plugin's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.reports.cells import outcome_of
from pytest_edgedevice.reports.columns import display_width, fit
from pytest_edgedevice.reports.rows import COLUMNS, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.rows import Row

DISPENSABLE = ("size", "variant", "memory", "p50", "device", "also", "error", "budget", "model", "delegate", "p95")
"""Left out in this order where the terminal is too narrow, unless they fit into what others leave."""
GAP, INDENT = "  ", "    "
DETAIL = "detail"
"""In the place of an outcome: the line belongs to the one above it."""
LEAST_TEST_WIDTH = 28
LEAST_ROOM = 20
"""For what stands below a line."""


def table(records: Sequence[Record], *, width: int, short: bool = False, more: bool = False) -> list[tuple[str, str]]:
    """Lines with the outcome that each belongs to; the first is the heading, with an empty outcome.

    Args:
        records: Records of schema 1.
        width: Columns that the terminal has.
        short: Only what did not pass.
        more: Also tests without a check, and below each line what the table has no column or no room for.
    """
    found = rows(_of_tests_that_did_not_pass(records) if short and not more else records)
    body = [row for row in found if more or (row.checked and not (short and row.outcome == "passed"))]
    if not body:
        return []
    widths = {
        name: max(display_width(name), *(display_width(row.cells.get(name, "")) for row in body))
        for name in COLUMNS
        if any(row.cells.get(name) for row in body)
    }
    widths = _that_fit(widths, width)
    widths["test"] = _test_width(widths, width)
    lines = [(_line({name: name for name in widths}, widths), "")]
    for row in body:
        lines.append((_line(row.cells, widths), row.outcome))
        lines += [(line, DETAIL) for line in (_below(row, widths, width) if more else ())]
    return lines


def _of_tests_that_did_not_pass(records: Sequence[Record]) -> list[Record]:
    """Records that no row of a passed test is made of; a run of thousands of such needs no row for each."""
    told = {str(one["test"]) for one in records if outcome_of(one) != "passed" or one.get("outcome") == "failed"}
    return [record for record in records if str(record["test"]) in told]


def _below(row: Row, widths: dict[str, int], width: int) -> list[str]:
    """What the line of a row leaves out, in as many lines as that takes."""
    import textwrap

    from pytest_edgedevice.reports.details import details_of

    left_out = [f"{name} {row.cells[name]}" for name in COLUMNS if row.cells.get(name) and name not in widths]
    phrases = dict.fromkeys([*left_out, *(phrase for record in row.records for phrase in details_of(record))])
    room = max(width - len(INDENT), LEAST_ROOM)
    lines = textwrap.wrap(", ".join(phrases), room, break_on_hyphens=False)
    return [INDENT + (line if display_width(line) <= room else fit(line, room).rstrip()) for line in lines]


def _that_fit(widths: dict[str, int], width: int) -> dict[str, int]:
    """Columns that there is room for: of the least needed as many as must go, and then what fits in their place."""
    there = dict(widths)
    left_out = []
    for name in DISPENSABLE:
        if _needed(there) <= width:
            break
        if there.pop(name, None) is not None:
            left_out.append(name)
    for name in reversed(left_out):
        wider = {column: columns for column, columns in widths.items() if column in there or column == name}
        there = wider if _needed(wider) <= width else there
    return there


def _needed(widths: dict[str, int]) -> int:
    """Columns that the table takes with the test's name cut as far as it stays readable."""
    least = min(widths["test"], LEAST_TEST_WIDTH)
    return sum(widths.values()) - widths["test"] + least + len(GAP) * (len(widths) - 1)


def _test_width(widths: dict[str, int], width: int) -> int:
    """What is left for the test's name, which is at most as long as it needs."""
    spare = width - (_needed(widths) - min(widths["test"], LEAST_TEST_WIDTH))
    return max(min(widths["test"], spare), 1)


def _line(cells: dict[str, str], widths: dict[str, int]) -> str:
    return GAP.join([fit(cells.get(name, ""), columns) for name, columns in widths.items()]).rstrip()
