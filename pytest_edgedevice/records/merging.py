"""Records of several runs joined into one: hosts, shards and attempts.

An attempt is what one run recorded of one test. The same record twice is
one; of two attempts the later one counts, for each device, model and delegate that
both have, and is marked as repeated. Two attempts that claim the same moment and differ are told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_edgedevice.records.record import Record

IDENTITY = ("host", "serial", "machine")
"""Facts that tell two devices of one name apart, such as two hosts' ``local``."""
MOST_CHARS = 300
Test = tuple[str, str]


@dataclass(slots=True)
class Merged:
    """What became of the records of several files.

    Attributes:
        records: What counts, tests in the order in which they were first met.
        same: How many records were there before.
        replaced: How many gave way to a later attempt.
        conflicts: A sentence for each test of which two attempts claim the same moment and differ.
    """

    records: list[Record] = field(default_factory=list)
    same: int = 0
    replaced: int = 0
    conflicts: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Attempt:
    """Records of one test, of one run."""

    run: str
    where: str
    records: list[Record] = field(default_factory=list)

    @property
    def ended(self) -> str:
        return max(str(record.get("time", "")) for record in self.records)

    @property
    def prints(self) -> set[str]:
        return {_print(record) for record in self.records}


def merge(files: Iterable[tuple[str, Sequence[Record]]]) -> Merged:
    """Join the records of several files.

    Args:
        files: Name of each, for people, and its records.
    """
    merged = Merged()
    tests: dict[Test, list[_Attempt]] = {}
    for where, records in files:
        for test, attempt in _attempts(where, records, merged):
            _join(tests.setdefault(test, []), attempt, merged)
    for attempts in tests.values():
        merged.records += _latest(attempts, merged)
    return merged


def _attempts(where: str, records: Sequence[Record], merged: Merged) -> list[tuple[Test, _Attempt]]:
    """The attempts of one file, without records that it has twice."""
    found: dict[tuple[Test, str], _Attempt] = {}
    seen: set[str] = set()
    for record in records:
        printed = _print(record)
        if printed in seen:
            merged.same += 1
            continue
        seen.add(printed)
        test, run = _test(record), str((record.get("run") or {}).get("id", ""))
        found.setdefault((test, run), _Attempt(run, where)).records.append(record)
    return [(test, attempt) for (test, _), attempt in found.items()]


def _join(known: list[_Attempt], new: _Attempt, merged: Merged) -> None:
    """Put an attempt beside those known; one that is known already, whole or in part, is the same."""
    for number, old in enumerate(known):
        if new.prints <= old.prints:
            merged.same += len(new.records)
            _keep_marks(old, new)
            return
        if old.prints <= new.prints:
            merged.same += len(old.records)
            _keep_marks(new, old)
            known[number] = new
            return
    for old in known:
        if old.ended == new.ended or (old.run and old.run == new.run):
            merged.conflicts.append(
                f"{_name(new.records[0])}: {old.where} and {new.where} have records of the same run or moment "
                f"that differ; {new.where} counts"
            )
            old.where = ""  # gives way, however late it claims to be
    known.append(new)


def _keep_marks(kept: _Attempt, other: _Attempt) -> None:
    """What was marked as repeated in an earlier merge stays so."""
    marks = {_print(record): record["repeated"] for record in other.records if record.get("repeated")}
    kept.records = [
        {**record, "repeated": marks[printed]} if not record.get("repeated") and (printed := _print(record)) in marks
        else record
        for record in kept.records
    ]  # fmt: skip


def _latest(attempts: list[_Attempt], merged: Merged) -> list[Record]:
    """The records of a test that count, the later attempt's marked as repeated."""
    ordered = sorted(attempts, key=lambda one: (bool(one.where), one.ended))  # stable: of equals the last file counts
    kept: list[list[Record]] = []
    for attempt in ordered:
        gone: list[Record] = []
        for earlier in kept:
            out = [record for record in earlier if _gives_way(record, earlier, attempt.records)]
            dropped = {id(record) for record in out}
            earlier[:] = [record for record in earlier if id(record) not in dropped]
            gone += out
        merged.replaced += len(gone)
        kept.append([_marked(record, gone) for record in attempt.records])
    return [record for records in kept for record in records]


def _gives_way(record: Record, beside: list[Record], later: list[Record]) -> bool:
    """Whether an earlier record is of what a later attempt saw as well.

    One that names no model, such as the loss of the device, belongs to the other
    records of its attempt; where there are none the attempt ended before its model.
    """
    there = [one for one in later if _is_same_device(record, one) and (_ran(one) or not _ran(record))]
    subjects = {_subject(one) for one in there}
    own = {_subject(one) for one in beside} - {None}
    subject = _subject(record)
    if not there:
        return False
    if subject is None:
        return not own or None in subjects or bool(own & subjects)
    return subject in subjects or subjects == {None}


def _ran(record: Record) -> bool:
    """Whether anything was tried: that a test was skipped elsewhere takes nothing away."""
    return bool(record["check"] != "skip")


def _is_same_device(one: Record, other: Record) -> bool:
    """Whether both speak of one device; an attempt that got none is of the device that its run asked for."""
    first, second = _device(one), _device(other)
    return first == second or (bool(_asked(one)) and not (first and second))


def _device(record: Record) -> tuple[str, ...]:
    device = record["device"]
    facts, name = device.get("facts") or {}, str(device.get("name", ""))
    return (name, *(str(facts.get(fact, "")) for fact in IDENTITY)) if name else ()


def _asked(record: Record) -> str:
    """What a run was asked for; empty in records of a time when that was not kept."""
    run = record.get("run") or {}
    return json.dumps([run.get("devices"), run.get("delegates")]) if run else ""


def _marked(record: Record, gone: list[Record]) -> Record:
    if not gone or record.get("repeated"):
        return record
    worst = next((one for one in gone if one.get("message")), gone[-1])
    said = str(worst.get("message", "")).split("\n", 1)[0][:MOST_CHARS] or str(worst.get("outcome") or worst["verdict"])
    return {**record, "repeated": f"an earlier attempt at {str(worst.get('time', ''))[:40]}: {said}"}


def _test(record: Record) -> Test:
    """What attempts of one test have in common: its name, and what its run was asked for."""
    return record["test"], _asked(record)


def _subject(record: Record) -> tuple[str, str] | None:
    """Model and delegate of a record; None where it names no model."""
    model, delegate = record.get("model"), record.get("delegate") or {}
    return (str(model["sha256"]), str(delegate.get("requested", ""))) if model else None


def _name(record: Record) -> str:
    device = str(record["device"].get("name", ""))
    return f"{record['test']}{f' on {device}' if device else ''}"


def _print(record: Record) -> str:
    """What makes a record itself; whether it was marked as repeated does not, nor its run's place in a history."""
    own = {key: value for key, value in record.items() if key != "repeated"}
    if run := record.get("run"):
        own["run"] = {key: value for key, value in run.items() if key != "number"}
    return json.dumps(own, sort_keys=True)
