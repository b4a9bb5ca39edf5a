"""What a closing table has no column for, a short phrase each: for ``-v``.

Numbers of an unexpected form leave their phrases out: records may be older, or of a plugin of somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_edgedevice.reports.cells import clean, time_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_edgedevice.records import Record

MOST_CONDITIONS = 8
MOST_OUTPUTS = 8


def details_of(record: Record) -> list[str]:
    """Phrases of one record, from what was run to the state of its device."""
    return [*_ran(record), *_measured(record), *_told(record), *_conditions(record)]


def _ran(record: Record) -> Iterator[str]:
    engine, delegate = _mapping(record.get("engine")), _mapping(record.get("delegate"))
    if engine:
        yield clean(f"{engine.get('name', '')} {engine.get('version', '')}").strip()
        yield f"{_number(engine.get('threads'))} thread{'s' * (engine.get('threads') != 1)}"
    if delegate and delegate.get("requested") != delegate.get("proven"):
        yield f"asked for {clean(delegate.get('requested', ''))}"
    if delegate.get("nodes"):
        yield f"{_number(delegate.get('delegated'))} of {_number(delegate.get('nodes'))} operators delegated"


def _measured(record: Record) -> Iterator[str]:
    numbers, found = record.get("numbers"), _CHECKS.get(str(record.get("check")))
    if found is not None and isinstance(numbers, dict):
        yield from found(numbers)


def _told(record: Record) -> Iterator[str]:
    if record.get("outcome") == "skipped":
        yield from filter(None, [clean(str(record.get("message", "")).partition("\n")[0])])
    for one in _list(_mapping(record.get("device")).get("recovered")):
        yield f"before it: {clean(one)}"
    if record.get("repeated"):
        yield f"repeated: {clean(str(record['repeated']).partition(chr(10))[0])}"


def _conditions(record: Record) -> Iterator[str]:
    """What was told before, and after where that is another value."""
    measured = _mapping(_mapping(record.get("numbers")).get("conditions"))
    told = measured or _mapping(_mapping(record.get("device")).get("conditions"))
    before, after = _mapping(told.get("before")), _mapping(told.get("after"))
    for name in list(dict.fromkeys([*before, *after]))[:MOST_CONDITIONS]:
        first, last = (_value(one.get(name)) for one in (before, after))
        words = " to ".join(dict.fromkeys(filter(None, [first, last])))
        if words:
            yield f"{clean(name).replace('_', ' ')} {words}"


def _latency(numbers: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_number(numbers.get('runs'))} runs" if numbers.get("runs") else ""
    yield f"each a mean of {_number(numbers.get('batch'))}" if numbers.get("batch") not in (None, 1) else ""
    yield f"{_number(numbers.get('warmup_runs'))} to warm up" if numbers.get("warmup_runs") else ""
    for name, words in (("load_ms", "load"), ("first_ms", "first run"), ("p90_ms", "p90"), ("p99_ms", "p99")):
        yield _timed(words, numbers.get(name))
    for one in _list(numbers.get("budgets")):
        bounds = [time_text(_mapping(one).get(side)) for side in ("lower_ms", "upper_ms")]
        yield f"between {bounds[0]} and {bounds[1]}" if all(bounds) else ""
    for one in _list(numbers.get("disturbances")):
        yield clean(_mapping(one).get("text", ""))


def _close(numbers: Mapping[str, Any]) -> Iterator[str]:
    for one in map(_mapping, _list(numbers.get("outputs"))[:MOST_OUTPUTS]):
        yield f"{clean(one.get('name', 'output'))} off by {_number(one.get('max_abs_error'))}" if one else ""


def _own(numbers: Mapping[str, Any]) -> Iterator[str]:
    name, unit = clean(numbers.get("name", "metric")), clean(numbers.get("unit", ""))
    yield f"{name} {_number(numbers.get('value'))} {unit}".strip()


def _accuracy(numbers: Mapping[str, Any]) -> Iterator[str]:
    yield f"{_number(numbers.get('samples'))} samples" if numbers.get("samples") else ""
    for one in map(_mapping, _list(numbers.get("slices"))):
        yield f"{clean(one.get('tag', ''))} {_number(one.get('value'))}"


def _profile(numbers: Mapping[str, Any]) -> Iterator[str]:
    first = next(map(_mapping, _list(numbers.get("operators"))), {})
    yield f"slowest {clean(first.get('name', ''))} {_timed('', first.get('time_ms'))}" if first else ""


def _limited(numbers: Mapping[str, Any]) -> Iterator[str]:
    limit = _number(numbers.get("limit"))
    yield f"at most {limit} {clean(numbers.get('unit', ''))}".strip() if limit else ""
    yield f"not measured: {clean(numbers.get('reason', ''))}" if numbers.get("observed", 0) is None else ""


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "latency": lambda numbers: filter(None, _latency(numbers)),
    "close": lambda numbers: filter(None, _close(numbers)),
    "metric": _own,
    "accuracy": lambda numbers: filter(None, _accuracy(numbers)),
    "profile": lambda numbers: filter(None, _profile(numbers)),
    **dict.fromkeys(("memory", "cpu_load", "energy", "load_time"), lambda numbers: filter(None, _limited(numbers))),
}


def _timed(words: str, value: Any) -> str:
    told = time_text(value)
    return f"{words} {told}".strip() if told else ""


def _number(value: Any) -> str:
    """Four digits; of a whole number all."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "?"
    return f"{value:.4g}" if isinstance(value, float) else str(value)[:20]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value) if isinstance(value, int | float) else clean(value) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
