"""A record as properties of a test in JUnit's XML: names and short texts that people and CI systems read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_edgedevice.records.delegates import plan_of
from pytest_edgedevice.records.measurements import measurements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_edgedevice.records.record import Record

PREFIX = "edge."


def properties_of_all(records: Iterable[Record]) -> list[tuple[str, str]]:
    """What the records of a test say; what several of them say is said once."""
    return list(dict.fromkeys(pair for record in records for pair in properties_of(record)))


def properties_of(record: Record) -> Iterator[tuple[str, str]]:
    """What a record says, a name and a text each; what it does not say is left out.

    Of every check ``edge.CHECK.verdict`` and ``edge.CHECK.METRIC``, and what it was about: device, model, variant,
    delegate asked for and delegate proven, or the plan of a runtime that proves nothing, engine.
    """
    model, delegate, engine = (record.get(name) or {} for name in ("model", "delegate", "engine"))
    about = {
        "device": record["device"].get("name"),
        "model": model.get("name"),
        "variant": model.get("variant"),
        "delegate": delegate.get("requested"),
        "proven": None if delegate.get("requested_only") else delegate.get("proven"),
        "plan": plan_of(delegate),
        "engine": f"{engine.get('name', '')} {engine.get('version', '')}".strip(),
        "repeated": record.get("repeated"),
    }
    for name, value in about.items():
        if value:
            yield PREFIX + name, str(value)
    check = str(record["check"])
    yield f"{PREFIX}{check}.verdict", str(record["verdict"])
    for one in measurements(record):
        yield f"{PREFIX}{check}.{one.metric}", f"{one.value:.6g}"
