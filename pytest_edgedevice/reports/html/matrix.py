"""Models by devices: which combination did how, and why one that is empty is empty."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.html.gathering import base_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.reports.html.gathering import Cell
    from pytest_edgedevice.reports.html.metrics import Metric

MOST_ROWS, MOST_COLUMNS = 300, 40
DELEGATES = {"cpu", "xnnpack", "reference", "gpu", "npu", "nnapi",
             "cpu_only", "cpu_and_gpu", "cpu_and_ne", "all", "coreml"}  # fmt: skip
"""Words in a test's parameters that name a delegate, besides those that any cell has."""
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a row meets a column.

    Attributes:
        cell: What ran there; of an empty slot the test that would have.
        reason: Why nothing ran; empty where something did.
        text: The number that is shown.
    """

    cell: Cell | None
    reason: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The whole: rows are model and variant, columns device and delegate.

    Attributes:
        rows, columns: Their names.
        slots: For each row one slot for each column.
        hidden: How many rows and columns are left out.
    """

    rows: Sequence[Key]
    columns: Sequence[Key]
    slots: Sequence[Sequence[Slot]]
    hidden: tuple[int, int]


def matrix(cells: Sequence[Cell], shown: Metric | None) -> Matrix:
    """Arrange the cells; ``shown`` is the metric that stands in the slots."""
    ran: dict[Key, dict[Key, Cell]] = {}
    for cell in cells:
        if cell.model:
            ran.setdefault((cell.model, cell.variant), {}).setdefault((cell.device, cell.delegate), cell)
    missing = _missing(cells)
    columns = sorted({column for row in (*ran.values(), *missing.values()) for column in row})
    rows = sorted(ran)
    slots = [
        [_slot(ran[row].get(column), missing.get(row, {}).get(column), shown) for column in columns[:MOST_COLUMNS]]
        for row in rows[:MOST_ROWS]
    ]
    hidden = (max(len(rows) - MOST_ROWS, 0), max(len(columns) - MOST_COLUMNS, 0))
    return Matrix(rows[:MOST_ROWS], columns[:MOST_COLUMNS], slots, hidden)


def _slot(cell: Cell | None, instead: Cell | None, shown: Metric | None) -> Slot:
    if cell is not None:
        value = cell.numbers.get(shown.name) if shown else None
        return Slot(cell, "", shown.worded(value) if shown else "")
    return Slot(instead, first_line(instead) if instead else "not run")


def first_line(cell: Cell) -> str:
    """Why a cell without a model has none, in one line."""
    said = next((one["message"] for one in cell.of(*(one["check"] for one in cell.records)) if one["message"]), "")
    return said.partition("\n")[0][:300] or cell.outcome


def _missing(cells: Sequence[Cell]) -> dict[Key, dict[Key, Cell]]:
    """Where tests came to no model: one that they ran elsewhere, or that their error names."""
    known = DELEGATES | {cell.requested for cell in cells if cell.requested}
    devices = list(dict.fromkeys(cell.device for cell in cells if cell.device))
    rows_of = {(cell.model, cell.variant): None for cell in cells if cell.model}
    models: dict[str, dict[Key, None]] = {}
    for cell in cells:
        rows = [(cell.model, cell.variant)] if cell.model else _named(first_line(cell), rows_of)
        for test in cell.tests:
            models.setdefault(_elsewhere(test, devices, known), {}).update(dict.fromkeys(rows))
    found: dict[Key, dict[Key, Cell]] = {}
    for cell in cells:
        for test in () if cell.model else cell.tests:
            for device in [cell.device] if cell.device else _meant(test, devices):
                column = (device, delegate_in(test, known) or "default")
                for row in models[_elsewhere(test, devices, known)]:
                    found.setdefault(row, {}).setdefault(column, cell)
    return found


def _meant(test: str, devices: list[str]) -> list[str]:
    """Devices of a test that was skipped before it had one: those in its parameters, or the only one there is."""
    return devices if len(devices) == 1 else [one for one in devices if one in test.partition("[")[2]]


def _named(said: str, rows: Iterable[Key]) -> list[Key]:
    return [row for row in rows if f"'{row[0]}'" in said]


def _elsewhere(test: str, devices: Iterable[str], known: set[str]) -> str:
    """What a test is called on any device and delegate: its parameters without the words for these."""
    parameters = test.partition("[")[2]
    for device in sorted(devices, key=len, reverse=True):
        parameters = parameters.replace(device, "")
    words = [word for word in re.split(r"[-\[\]]", parameters) if word and not _is_delegate(word, known)]
    return "-".join([base_test(test), *words])


def _is_delegate(word: str, known: set[str]) -> bool:
    return word in known or word.startswith("external:")


def delegate_in(test: str, known: set[str] | None = None) -> str:
    """The delegate that a test's parameters name; empty where none does."""
    words = re.split(r"[-\[\]]", test.partition("[")[2])
    return next((word for word in words if _is_delegate(word, known or DELEGATES)), "")
