"""The numbers of a record that are worth following, by name and unit: what exports, history and comparisons share.

Numbers of an unexpected form are left out: records may be older, or written by somebody else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_edgedevice.records.record import Record

Better = Literal["lower", "higher", ""]
QUANTILES = {0.5: "p50_ms", 0.9: "p90_ms", 0.95: "p95_ms", 0.99: "p99_ms"}
MOST_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of a record.

    Attributes:
        metric: Its name, e.g. ``p95_ms`` or ``max_abs_error``; of ``edge_check.metric`` the user's own.
        value: Finite.
        unit: Of the value; empty for a share, an error in the tensor's own unit and the user's own without one.
        better: Which direction is better; empty where nobody said so.
        lower, upper: Bounds of the value at the record's confidence, where there are any.
    """

    metric: str
    value: float
    unit: str
    better: Better = "lower"
    lower: float | None = None
    upper: float | None = None


def measurements(record: Record) -> list[Measurement]:
    """The measurements of one record; nothing for a check that measures none.

    Times that an emulator took, and a series that never settled, are no measurements.
    """
    found = _CHECKS.get(str(record.get("check")))
    numbers = record.get("numbers")
    if found is None or not isinstance(numbers, Mapping):
        return []
    return [one for one in found(numbers) if math.isfinite(one.value)]


def _latency(numbers: Mapping[str, Any]) -> list[Measurement]:
    if numbers.get("emulated") is True or numbers.get("steady") is False or numbers.get("runs") == 0:
        return []
    bounds = {
        QUANTILES.get(one["quantile"]): (_number(one.get("lower_ms")), _number(one.get("upper_ms")))
        for one in _list(numbers.get("budgets"))
        if isinstance(one, Mapping) and isinstance(one.get("quantile"), float)
    }
    prefix = "sustained_" if numbers.get("judged_from") else ""  # the last third of a long run is another matter
    found = []
    for name in (*QUANTILES.values(), "load_ms", *(["first_ms"] if numbers.get("cold") else [])):
        value = _number(numbers.get(name))
        if value is not None and value > 0:
            metric = prefix * (name in QUANTILES.values()) + name
            found.append(Measurement(metric, value, "ms", "lower", *bounds.get(name, (None, None))))
    return found


def _close(numbers: Mapping[str, Any]) -> list[Measurement]:
    outputs = numbers.get("outputs")
    told = (
        [one.get("max_abs_error") for one in outputs if isinstance(one, Mapping)] if isinstance(outputs, list) else []
    )
    errors = [error for error in map(_number, told) if error is not None]
    return [Measurement("max_abs_error", max(errors), "")] if errors else []


def _realtime(numbers: Mapping[str, Any]) -> list[Measurement]:
    if numbers.get("emulated") is True:
        return []
    found = _of(numbers, "achieved_fps", "achieved_fps", "1/s", "higher")
    return found + _of(numbers, "dropped_share", "dropped_share", "", "lower")


def _metric(numbers: Mapping[str, Any]) -> list[Measurement]:
    """The user's own number; the limit that was set tells which direction is better."""
    least, most = numbers.get("at_least") is not None, numbers.get("at_most") is not None
    better: Better = "" if least == most else "higher" if least else "lower"
    name, unit = str(numbers.get("name") or "metric")[:MOST_NAME_CHARS], str(numbers.get("unit") or "")
    return _of(numbers, "value", name, unit, better)


def _accuracy(numbers: Mapping[str, Any]) -> list[Measurement]:
    """A metric over a data set, and over each of its slices."""
    name = str(numbers.get("metric") or "accuracy")[:MOST_NAME_CHARS]
    better: Better = "lower" if numbers.get("higher_is_better") is False else "higher"
    slices = [one for one in _list(numbers.get("slices")) if isinstance(one, Mapping)]
    parts = [(f"{name}[{str(one.get('tag'))[:MOST_NAME_CHARS]}]", one) for one in slices]
    return [
        Measurement(metric, value, "", better, _number(one.get("lower")), _number(one.get("upper")))
        for metric, one in ((name, numbers), *parts)
        if (value := _number(one.get("value"))) is not None
    ]


def _stages(numbers: Mapping[str, Any]) -> list[Measurement]:
    """Quantiles of each stage of a sample's way, and of the whole of it."""
    if numbers.get("emulated") is True:
        return []
    return [
        Measurement(f"{str(stage)[:MOST_NAME_CHARS]}_{quantile}", value, "ms")
        for quantile in ("p50_ms", "p95_ms")
        for stage, told in _mapping(numbers.get(quantile)).items()
        if (value := _number(told)) is not None and value > 0
    ]


def _watched(metric: str, unit: str) -> Callable[[Mapping[str, Any]], list[Measurement]]:
    return lambda numbers: _of(numbers, "observed", metric, unit, "lower")


def _of(numbers: Mapping[str, Any], key: str, metric: str, unit: str, better: Better) -> list[Measurement]:
    value = _number(numbers.get(key))
    return [] if value is None else [Measurement(metric, value, unit, better)]


_CHECKS: Mapping[str, Callable[[Mapping[str, Any]], list[Measurement]]] = {
    "latency": _latency,
    "close": _close,
    "size": lambda numbers: _of(numbers, "size_bytes", "size_bytes", "B", "lower"),
    "memory": _watched("memory_mb", "MB"),
    "cpu_load": _watched("cpu_load_percent", "%"),
    "energy": _watched("energy_mj", "mJ"),
    "load_time": _watched("load_ms", "ms"),
    "realtime": _realtime,
    "faster": lambda numbers: _of(numbers, "ratio", "ratio", "", "lower"),
    "metric": _metric,
    "accuracy": _accuracy,
    "stages": _stages,
}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
