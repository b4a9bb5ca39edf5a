"""What is compared between runs: one cell a model, variant, device, delegate and number of threads."""

from __future__ import annotations

import statistics
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING

from pytest_edgedevice.records import UNCHECKED, Measurement, delegate_text, measurements

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_edgedevice.records import Record
    from pytest_edgedevice.records.measurements import Better

GRAVITY = ("passed", "skipped", "inconclusive", "failed", "infra")
"""Outcomes, the gravest last."""
MOST_MODEL_BYTES = 1 << 50


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What a measurement is of.

    Attributes:
        model: File name, so that a new version of a model is compared with the one before; of a test's own numbers
            that name no model its test stands for it.
        variant: ``float32``, ``int8`` ...
        device: Its name.
        delegate: The one that was asked for: what ran instead may have changed.
        threads: Of the engine.
    """

    model: str
    variant: str
    device: str
    delegate: str
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} threads" if self.threads > 1 else ""
        return ", ".join(str(part) for part in (*astuple(self)[:-1], threads) if part)


@dataclass(slots=True)
class Content:
    """What records say of a cell.

    Attributes:
        outcome: The gravest of them.
        proven: The delegates that ran.
        machine: What tells two devices of one name apart.
        found: Measurements by metric, one for each record that has it.
        checked: Whether any check speaks for it, and not only its test.
    """

    outcome: str = "passed"
    proven: list[str] = field(default_factory=list)
    machine: str = ""
    found: dict[str, list[Measurement]] = field(default_factory=dict)
    checked: bool = False

    def value(self, metric: str) -> float | None:
        """The middle one of a metric's values, the largest of errors; None where there is none."""
        values = [one.value for one in self.found.get(metric, [])]
        if not values:
            return None
        return max(values) if metric == "max_abs_error" else statistics.median(values)

    def better(self, metric: str) -> Better:
        """Which direction of a metric is better."""
        return self.found[metric][0].better

    def unit(self, metric: str) -> str:
        """Unit of a metric."""
        return self.found[metric][0].unit


def cells_of(records: Iterable[Record]) -> dict[Cell, Content]:
    """Gather records by what they are about, in their order."""
    cells: dict[Cell, Content] = {}
    for record in records:
        content = cells.setdefault(cell_of(record), Content())
        content.outcome = max(content.outcome, _outcome(record), key=_gravity)
        content.checked |= record["check"] not in UNCHECKED
        content.machine = content.machine or machine_of(record)
        proven = delegate_text(record.get("delegate") or {})
        if proven and proven not in content.proven:
            content.proven.append(proven)
        for one in found_in(record):
            content.found.setdefault(one.metric, []).append(one)
    return cells


def cell_of(record: Record) -> Cell:
    """What a record is about."""
    model, engine, delegate = (record.get(name) or {} for name in ("model", "engine", "delegate"))
    return Cell(
        str(model.get("name", "") or record["test"]),
        str(model.get("variant", "")),
        str(record["device"].get("name", "")),
        str(delegate.get("requested", "")),
        int(engine.get("threads", 0)),
    )


def machine_of(record: Record) -> str:
    """What tells two devices of one name apart, such as two hosts' ``local``."""
    facts = record["device"].get("facts") or {}
    named = (facts.get("host"), facts.get("serial"), facts.get("model"), facts.get("cores"))
    return ", ".join(str(fact) for fact in named if fact)


def found_in(record: Record) -> list[Measurement]:
    """A record's measurements; the size of its model is one, whatever it checked."""
    found = measurements(record)
    model = record.get("model")
    if model and all(one.metric != "size_bytes" for one in found):
        found.append(Measurement("size_bytes", float(max(0, min(model["size_bytes"], MOST_MODEL_BYTES))), "B"))
    return found


def _outcome(record: Record) -> str:
    """The check's own verdict, but where its test was skipped or the world failed."""
    outcome = record.get("outcome")
    if outcome in ("skipped", "infra"):
        return str(outcome)
    return {"pass": "passed", "fail": "failed"}.get(record["verdict"], "inconclusive")


def _gravity(outcome: str) -> int:
    return GRAVITY.index(outcome)
