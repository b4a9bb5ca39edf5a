"""What did not pass, each with its reason and the command that does it again."""

from __future__ import annotations

import dataclasses
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_edgedevice.reports.cells import SEVERITY
from pytest_edgedevice.reports.html.cutting import message_in_list
from pytest_edgedevice.reports.html.gathering import base_test
from pytest_edgedevice.reports.html.matrix import delegate_in
from pytest_edgedevice.reports.html.reading import items, lines, mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.reports.html.gathering import Cell

MOST_CARDS = 100
MOST_LOG_CHARS = 20_000
"""Of all cards together: a device that is gone fails everything, each time with its log, and each cell has its own."""


@dataclass(frozen=True, slots=True)
class Card:
    """One failure.

    Attributes:
        cell: Where.
        check: Which check.
        outcome: How it ended.
        message: What it said.
        said: As much of it as there is room for in the list of all failures.
        blame: What is the likely cause, where somebody looked.
        commands: What repeats it.
        logs: What the device's own logs said, title to text.
        more_logs: Whether there are logs that only the cell has room for.
    """

    cell: Cell
    check: str
    test: str
    outcome: str
    message: str
    said: str
    blame: Sequence[str]
    commands: Sequence[str]
    logs: Sequence[tuple[str, str]]
    more_logs: bool = False


def cards(cells: Sequence[Cell]) -> list[Card]:
    """Every record that did not pass, the gravest first."""
    found = [
        (cell, record) for cell in cells for record in cell.records if record["shown"] not in ("passed", "skipped")
    ]
    found.sort(key=lambda one: -SEVERITY[one[1]["shown"]])
    made, room = [], MOST_LOG_CHARS
    count = min(len(found), MOST_CARDS)
    for card in (_card(cell, record, count) for cell, record in found):
        room -= sum(len(said) for _, said in card.logs)
        made.append(card if room >= 0 or not card.logs else dataclasses.replace(card, logs=(), more_logs=True))
    return made


def _card(cell: Cell, record: Record, count: int) -> Card:
    message = record["message"] or f"{record['check'] or 'a check'} passed; the test did not: {record['outcome']}"
    return Card(
        cell,
        record["check"],
        record["test"],
        record["shown"],
        message,
        message_in_list(message, count),
        blames(record),
        commands(cell, record),
        logs(record),
    )


def blames(record: Record) -> list[str]:
    """What is likely at fault, as a check found it."""
    found = [mapping(one.get("blame")) for one in (record["numbers"], *objects(record["numbers"].get("outputs")))]
    said = (
        lines(one.get("text")) or (text(one.get("likely")) and f"likely: {text(one.get('likely'))}") for one in found
    )
    return [one for one in dict.fromkeys(filter(None, said)) if one not in record["message"]]


def logs(record: Record) -> list[tuple[str, str]]:
    """What the device's logs said."""
    return list(record["device_log"].items())


def commands(cell: Cell, record: Record) -> list[str]:
    """Commands that repeat a check: on its device, and of kept tensors only the comparison."""
    found = [f"edgedevice replay {shlex.quote(path)}" for path in _artifacts(record)]
    if record["test"]:
        device = text(record["device"].get("spec")) or cell.device  # its own name, where it was told apart from another
        specs = [text(one) for one in items(record["run"].get("devices"))]
        found.insert(0, _pytest(cell, record["test"], device, specs))
    return found


def _pytest(cell: Cell, test: str, device: str, specs: Sequence[str]) -> str:
    """Run a test again, with options in the place of those parameters that options gave it."""
    delegate = cell.requested if cell.requested not in ("", "default") else delegate_in(test)
    parameters = test[len(base_test(test)) + 1 : -1]
    if len(specs) != 1:  # several devices are in the names of tests; where nobody knows the specs, the device's name is
        parameters = _without_device(parameters, [device, *sorted(specs, key=len, reverse=True)])
    by_options = parameters in ("", delegate) and not test.endswith("[]")
    node = base_test(test) if by_options else f"{base_test(test)}[{parameters}]"
    options = [("--device", device), ("--edge-delegate", delegate)]
    if cell.threads > 1:
        options.append(("--edge-threads", str(cell.threads)))
    words = ["pytest", shlex.quote(node)]
    return " ".join([*words, *(f"{name} {shlex.quote(value)}" for name, value in options if value)])


def _without_device(parameters: str, names: Sequence[str]) -> str:
    """A test's parameters without the first of these names that is one of them."""
    for name in filter(None, names):
        found = re.search(f"(^|-){re.escape(name)}(-|$)", parameters)
        if found:
            between = "-" if found[1] and found[2] else ""
            return parameters[: found.start()] + between + parameters[found.end() :]
    return parameters


def _artifacts(record: Record) -> list[str]:
    told = [record["numbers"].get("artifact")]
    told += [one.get("artifact") for one in objects(record["numbers"].get("outputs"))]
    return list(dict.fromkeys(filter(None, map(text, told))))
