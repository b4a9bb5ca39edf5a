"""The table of a sweep: each row a line as soon as it is known, so columns are as wide as their kind of content.

Pure functions of rows; printing is the command's.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.cli.running_sweep import REFERENCE, counted
from pytest_edgedevice.cli.text import printable
from pytest_edgedevice.reports.columns import display_width, fit
from pytest_edgedevice.validity import causes
from pytest_edgedevice.values import plan_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.cli.running_error import Deviation
    from pytest_edgedevice.cli.running_sweep import Row

WIDTHS = {"threads": 7, "p50 ms": 7, "p95 ms": 7, "speed-up": 8, "error": 10, "relative": 8, "memory": 8}
LEAST_NAME, MOST_NAME = 9, 28
PLACEMENT = 17
DISPENSABLE = ("relative", "memory", "p50 ms")
"""Left out in this order where the terminal is too narrow."""
GAP = "  "
NONE = "-"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns there are.

    Attributes:
        name: Width of the delegates' column.
        columns: Those after it, by name to width.
        width: Of the whole terminal; 0 for no limit.
    """

    name: int
    columns: dict[str, int]
    width: int


def layout(ways: Sequence[tuple[str, int | None]], *, width: int) -> Layout:
    """Choose columns.

    Args:
        ways: Delegate and threads of every row.
        width: Columns that the terminal has; 0 for no limit.
    """
    longest = max(display_width(printable(name)) for name, _ in ways)
    name = min(max(longest, LEAST_NAME), MOST_NAME)
    columns = dict(WIDTHS)
    if {threads for _, threads in ways} <= {1, None}:
        del columns["threads"]
    for column in DISPENSABLE:
        needed = name + sum(columns.values()) + PLACEMENT + len(GAP) * (len(columns) + 1)
        if width and needed > width:
            del columns[column]
    return Layout(name, columns, width)


def heading(chosen: Layout) -> str:
    """The first line."""
    cells = [f"{name:>{columns}}" for name, columns in chosen.columns.items()]
    return GAP.join([fit("delegate", chosen.name), *cells, "placement"])


def lines(row: Row, chosen: Layout, *, before: Row | None = None) -> list[str]:
    """One row: a line of numbers, or the sentence why there are none.

    Args:
        row: What is known.
        chosen: See ``layout``.
        before: The row above, whose sentence is not told again.
    """
    name = fit(printable(row.delegate), chosen.name)
    if row.state != "ran":
        return _sentence(row, name, chosen, before)
    cells = [f"{_cell(row, column):>{columns}}" for column, columns in chosen.columns.items()]
    line = GAP.join([name, *cells, _placement(row)])
    notes = _notes(row)
    if notes and chosen.width and display_width(f"{line}, {notes}") > chosen.width:
        return [line, *_wrapped(notes, " " * chosen.name, chosen)]
    return [f"{line}, {notes}" if notes else line]


def legend(rows: Sequence[Row], chosen: Layout) -> list[str]:
    """What the numbers mean, and which way was the fastest."""
    ran = [row for row in rows if row.timing is not None and row.info is not None]
    if not ran:
        return []
    first = ran[0]
    assert first.timing is not None
    threads = f" with {counted(first.threads)}" if first.threads else ""
    reference = f"{printable(first.delegate)}{threads}"
    runs = sorted({len(row.timing.samples_ns) * row.timing.batch for row in ran if row.timing})
    counts = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    how = f"{counts} {'run' if runs[-1] == 1 else 'runs'} each after warming up, on the device"
    told = [f"latency: {how}, around the inference only; speed-up: of the median, {reference} is 1"]
    if any(row.emulated for row in ran):
        told.append("emulated: these times are the emulator's and say nothing of the device; outputs and placement do")
    if len(ran) > 1:
        share = "; relative: as a share of that output's largest value" if "relative" in chosen.columns else ""
        told.append(f"error: largest difference from what {reference} gave for the same inputs{share}")
    if "memory" in chosen.columns and any(_memory(row) != NONE for row in ran):
        told.append("memory: what the model added to its process at the peak")
    disturbed = [row for row in ran if row.timing and row.timing.disturbances]
    if disturbed:
        met = tuple(one for row in disturbed if row.timing for one in row.timing.disturbances)
        told.append(f"disturbed, {len(disturbed)} of {len(ran)}: {printable(causes(met))}")
    fastest = min(ran, key=lambda row: row.timing.p50_ms if row.timing else 0.0)
    if fastest.speed_up and fastest is not first and not any(row.emulated for row in ran):
        threads = f" with {counted(fastest.threads)}" if fastest.threads else ""
        told.append(
            f"fastest by the median: {printable(fastest.delegate)}{threads}, {_factor(fastest.speed_up)} as fast"
        )
    if any("\n" in row.sentence for row in rows):
        told.append("more of what the device said: --json")
    return [line for text in told for line in _wrapped(text, "", chosen)]


def _cell(row: Row, column: str) -> str:
    assert row.timing is not None
    if column == "threads":
        return NONE if row.threads is None else str(row.threads)
    if column == "p50 ms":
        return _ms(row.timing.p50_ms)
    if column == "p95 ms":
        return _ms(row.timing.p95_ms)
    if column == "speed-up":
        return NONE if row.speed_up is None else _factor(row.speed_up)
    if column == "memory":
        return _memory(row)
    return NONE if row.deviation is None else _error(row.deviation, relative=column == "relative")


def _error(found: Deviation, *, relative: bool) -> str:
    if relative:
        return NONE if found.problem or found.relative is None else _percent(found.relative * 100)
    if found.problem:
        return "differs"
    if found.equal:
        return "equal"
    if found.absolute:
        return f"{found.absolute:.2g}"
    return "1 step" if found.steps == 1 else f"{found.steps} steps" if (found.steps or 0) < 1000 else ">999 steps"


def _notes(row: Row) -> str:
    """What makes a row's numbers worth less, in its own line."""
    assert row.timing is not None
    notes = ["emulated"] if row.emulated else []
    if not row.timing.steady:
        notes.append("latency never settled")
    if row.timing.drift > 0:
        notes.append(f"slowed down by {row.timing.drift * 100:.0f} %")
    if row.deviation is not None and row.deviation.problem:
        notes.append(printable(row.deviation.problem))
    elif row.deviation is not None and row.deviation.absolute and row.deviation.steps:
        notes.append(f"whole numbers differ by {row.deviation.steps}")
    if row.placement is not None and row.placement.requested_only:
        plan = plan_text(row.placement.plan)
        notes.append(f"planned {plan}" if plan else "no plan")
    if row.placement is not None and row.placement.left_over and row.placement.proven != REFERENCE:
        left = [f"{printable(name)} x{count}" for name, count in list(row.placement.left_over.items())[:4]]
        notes.append(f"left over: {', '.join(left)}")
    return ", ".join(notes)


def _sentence(row: Row, name: str, chosen: Layout, before: Row | None) -> list[str]:
    told = printable(row.sentence.split("\n", maxsplit=1)[0])
    told = f"impossible: {told}" if row.state == "impossible" else told
    threads = f"{counted(row.threads)}: " if row.threads and "threads" in chosen.columns else ""
    if before is not None and (before.sentence, before.state) == (row.sentence, row.state):
        return _wrapped(f"{threads}the same", name, chosen)
    hint = [f"hint: {printable(row.hint)}"] if row.hint else []
    told_lines = _wrapped(threads + told, name, chosen)
    return told_lines + [line for text in hint for line in _wrapped(text, " " * chosen.name, chosen)]


def _wrapped(text: str, head: str, chosen: Layout) -> list[str]:
    first = head + GAP if head else ""
    if not chosen.width:
        return [first + text]
    # the heading of a column may be wide in columns and short in characters
    return textwrap.wrap(
        text,
        max(chosen.width - (display_width(first) - len(first)), len(first) + 20),
        initial_indent=first,
        subsequent_indent=" " * (display_width(first) or 2),
        break_on_hyphens=False,
    )


def _placement(row: Row) -> str:
    found = row.placement
    if found is None:
        return NONE
    if found.requested_only:
        return "requested" if found.proven == row.delegate else f"{printable(found.proven)[:40]}, requested"
    if not found.nodes:
        return f"{printable(found.proven)}, not counted"
    taken = found.nodes if found.proven == REFERENCE and not found.delegated else found.delegated
    return f"{printable(found.proven)[:40]} {taken}/{found.nodes}"


def _memory(row: Row) -> str:
    added = row.resources.model_share_bytes if row.resources else None
    return NONE if added is None else f"{added / 1e6:.1f} MB" if added < 1e9 else f"{added / 1e9:.2f} GB"


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _percent(value: float) -> str:
    if 0 < value < 0.01:
        return "<0.01 %"
    return f"{value:.0f} %" if value >= 100 else f"{value:.2g} %"


def _factor(value: float) -> str:
    return f"{value:.0f}x" if value >= 100 else f"{value:.2f}x"
