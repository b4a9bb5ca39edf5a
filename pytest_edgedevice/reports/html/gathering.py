"""Records gathered into cells: one model on one device with one delegate, and all that was checked there.

A record that names no model, such as a number of the test's own or the loss of the
device, joins the cell of its attempt; where that has none, it makes a cell of its own.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.cells import SEVERITY, attempt_of, outcome_of
from pytest_edgedevice.reports.html.reading import number, sound, text
from pytest_edgedevice.reports.html.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_edgedevice.records import Record

OUTCOMES = ("passed", "failed", "inconclusive", "infra", "skipped")
MOST_SLUG_CHARS = 28


@dataclass(slots=True)
class Cell:
    """One model on one device with one delegate.

    Attributes:
        model, variant: As its file and its tensors say; both empty where no record of the test names a model.
        sha256: Of the model's content.
        device: Its name.
        requested, proven: Delegates.
        claimed: Whether the second was only requested, and not proven.
        engine: Runtime, its version, and the threads that it was given.
        threads: Of the engine; 0 where nobody knows.
        key: What tells the cell from all others.
        place: Its number in the report.
        slug: Its name in links.
        setup: Engine or threads, where the same model ran with others on that device and delegate.
        outcome: The gravest of its records.
        records: What was checked, in order, each with its own outcome as ``shown``.
        numbers: Values by metric; see ``metrics``.
    """

    model: str
    variant: str
    sha256: str
    device: str
    requested: str
    proven: str
    engine: str
    threads: int
    key: str
    place: int = 0
    slug: str = ""
    setup: str = ""
    claimed: bool = False
    outcome: str = "passed"
    records: list[Record] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def delegate(self) -> str:
        """The delegate that ran the model, and what was asked for where that is not the same."""
        both = list(dict.fromkeys(filter(None, [self.requested, self.proven])))
        if self.claimed and both:
            both[-1] += " (requested)"
        return ", ".join(filter(None, [" \N{RIGHTWARDS ARROW} ".join(both), self.setup]))

    @property
    def tests(self) -> list[str]:
        """Node ids, each once."""
        return list(dict.fromkeys(one["test"] for one in self.records))

    @property
    def name(self) -> str:
        """What it is about, in one line."""
        return " \N{MIDDLE DOT} ".join(filter(None, [self.what, self.variant, self.device, self.delegate]))

    @property
    def what(self) -> str:
        """The model, or the test where no model was named."""
        return self.model or short_test(self.tests[0]) or "no model"

    def of(self, *checks: str) -> list[Record]:
        """Its records of these checks, the gravest first and of these the latest first."""
        found = [one for one in reversed(self.records) if one["check"] in checks]
        return sorted(found, key=lambda one: -SEVERITY[one["shown"]])


def gather(records: Sequence[Any]) -> list[Cell]:
    """All cells, in the order of their first records."""
    told = [sound(record) for record in records]
    for record in told:
        record["shown"] = shown_outcome(record)
    _tell_own_failures(told)
    cells: dict[str, Cell] = {}
    latest: dict[tuple[str, str, str], Cell] = {}
    later: dict[tuple[str, str, str], Cell] = {}
    own = [_cell_of(record) for record in told]
    for record, cell in zip(told, own, strict=True):
        if record["model"]:
            later.setdefault(attempt_of(record), cells.setdefault(cell.key, cell))
    for record, found in zip(told, own, strict=True):
        attempt = attempt_of(record)
        cell = found if record["model"] else latest.get(attempt) or later.get(attempt) or found
        cell = cells.setdefault(cell.key, cell)
        cell.records.append(record)
        cell.outcome = max(cell.outcome, record["shown"], key=SEVERITY.__getitem__)
        latest[attempt] = cell
    return _told_apart(list(cells.values()))


def _tell_own_failures(told: Sequence[Record]) -> None:
    """Where a test failed though all its checks passed, by an assertion of its own, its last record shows it."""
    tests: dict[tuple[str, str, str], list[Record]] = {}
    for one in told:
        tests.setdefault(attempt_of(one), []).append(one)
    for group in tests.values():
        if all(one["shown"] == "passed" and one["outcome"] == "failed" for one in group):
            group[-1]["shown"] = "failed"


def shown_outcome(record: Record) -> str:
    """The outcome of one record; of an unknown one, that it is unknown to us does not make it harmless."""
    found = outcome_of(record)
    return found if found in SEVERITY else "inconclusive"


def short_test(test: str) -> str:
    """The function's name and its parameters, which may hold colons themselves."""
    place, bracket, parameters = test.partition("[")
    return (place.rpartition("::")[2] or place) + bracket + parameters


def base_test(test: str) -> str:
    """A test without its parameters."""
    return test.partition("[")[0]


def _cell_of(record: Record) -> Cell:
    model, engine, delegate = record["model"], record["engine"], record["delegate"]
    device = text(record["device"].get("name"))
    if not model:
        key = _key("", record["test"], device)
        return Cell("", "", "", device=device, requested="", proven="", engine="", threads=0, key=key)
    name, variant, sha256 = (text(model.get(part)) for part in ("name", "variant", "sha256"))
    requested, proven = text(delegate.get("requested")), text(delegate.get("proven"))
    runtime = f"{text(engine.get('name'))} {text(engine.get('version'))}".strip()
    threads = int(number(engine.get("threads")) or 0)
    return Cell(
        name or "unnamed model",
        variant,
        sha256,
        device=device,
        requested=requested,
        proven=proven,
        engine=runtime,
        threads=threads,
        key=_key(name, variant, sha256, device, requested, proven, runtime, str(threads)),
        claimed=delegate.get("requested_only") is True,
    )


def _key(*parts: str) -> str:
    return "\0".join(parts)


def _told_apart(cells: list[Cell]) -> list[Cell]:
    """Number the cells, and add to their names what only tells two of them apart."""
    alike = _groups(cells, lambda cell: (cell.model, cell.variant))
    contents = {key: {one.sha256 for one in group} for key, group in alike.items()}
    for cell in cells:
        if len(contents[cell.model, cell.variant]) > 1 and cell.model:
            cell.model = f"{cell.model} ({cell.sha256[:6]})"
    for group in _groups(cells, lambda cell: (cell.model, cell.variant, cell.device, cell.delegate)).values():
        for cell in group if len(group) > 1 and group[0].model else ():
            engine = cell.engine if len({one.engine for one in group}) > 1 else ""
            threads = counted(cell.threads, "thread") if len({one.threads for one in group}) > 1 else ""
            cell.setup = ", ".join(filter(None, [engine, threads]))
    for place, cell in enumerate(cells):
        cell.place, cell.slug = place, _slug(cell)
    return cells


def _groups(cells: Iterable[Cell], key: Callable[[Cell], tuple[str, ...]]) -> dict[tuple[str, ...], list[Cell]]:
    found: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        found.setdefault(key(cell), []).append(cell)
    return found


def _slug(cell: Cell) -> str:
    """What a link to the cell says: readable, of harmless signs only, the same in the next run's report."""
    words = f"{cell.what.rpartition('.')[0] or cell.what} {cell.proven or cell.requested}".lower()
    readable = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:MOST_SLUG_CHARS].strip("-")
    digest = hashlib.sha256(cell.key.encode("utf-8", "replace")).hexdigest()[:7]
    return f"{readable}-{digest}".strip("-")
