"""Devices of several hosts that go by one name, such as each host's ``local``, under names of their own.

Only where their results would fall together: shards of other tests on other machines of a pool stay one device.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pytest_edgedevice.records import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.records import Record

Machine = tuple[str, ...]
MOST_CHARS = 40


def told_apart(records: Sequence[Record]) -> Sequence[Record]:
    """The records, with the host's name beside that of a device where several machines gave results of one test.

    A device that was renamed keeps its own name as ``device.spec``, for commands. What came is not changed.
    """
    clashing = _clashing(records)
    if not clashing:
        return records
    names = {name: _names(name, machines) for name, machines in clashing.items()}
    return [_renamed(record, names) for record in records]


def _clashing(records: Iterable[Record]) -> dict[str, list[Machine]]:
    """The machines of each name of which two ran the same test."""
    machines: dict[str, dict[Machine, None]] = defaultdict(dict)
    ran: dict[tuple[str, str], Machine] = {}
    found: set[str] = set()
    for record in records:
        name, machine, test = _name(record), _machine(record), str(record.get("test", ""))
        if not name or not any(machine) or record.get("check") == "skip":
            continue
        machines[name][machine] = None
        if ran.setdefault((name, test), machine) != machine:
            found.add(name)
    return {name: list(machines[name]) for name in machines if name in found}


def _names(name: str, machines: Sequence[Machine]) -> dict[Machine, str]:
    """Each machine's own: by the first fact that they do not share, and by all of them where that is not enough."""
    differing = [place for place in range(len(IDENTITY)) if len({one[place] for one in machines}) > 1]
    first = [one[differing[0]] for one in machines]
    chosen = differing[:1] if len(set(first)) == len(machines) else differing
    return {one: f"{name} ({', '.join(one[place][:MOST_CHARS] or 'unknown' for place in chosen)})" for one in machines}


def _renamed(record: Record, names: dict[str, dict[Machine, str]]) -> Record:
    name = _name(record)
    own = names.get(name, {}).get(_machine(record))
    return record if own is None else {**record, "device": {**record["device"], "name": own, "spec": name}}


def _name(record: Record) -> str:
    return str(record["device"].get("name", ""))


def _machine(record: Record) -> Machine:
    facts: dict[str, Any] = record["device"].get("facts") or {}
    return tuple(str(facts.get(fact) or "") for fact in IDENTITY)
