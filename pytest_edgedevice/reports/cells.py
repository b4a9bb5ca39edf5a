"""What a table shows of each record: a short text with its unit for every column that it has something for.

Numbers of an unexpected form leave their cells empty: records may be older, or of a plugin of somebody else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

from pytest_edgedevice.records import delegate_text
from pytest_edgedevice.reports.columns import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_edgedevice.records import Record

MOST_NAME_CHARS = 120
MOST = 1e300
SEVERITY = {"passed": 0, "skipped": 1, "inconclusive": 2, "failed": 3, "infra": 4}
"""Outcomes of a row, the gravest last."""


def outcome_of(record: Record) -> str:
    """The check's own verdict; ``infra`` where the world failed and no verdict can say so.

    In a test that was skipped, or failed as expected, no verdict counts: pytest is green there.
    """
    if record.get("outcome") == "skipped":
        return "skipped"
    if record["check"] == "device" or (record.get("outcome") == "infra" and record["verdict"] != "fail"):
        return "infra"
    return {"pass": "passed", "fail": "failed"}.get(record["verdict"], "inconclusive")  # as a word of others, too


def attempt_of(record: Record) -> tuple[str, str, str]:
    """What all records of one try of a test share; another host has a run, or at least a device, of its own."""
    told = str(_mapping(record.get("run")).get("id") or _mapping(record.get("device")).get("name") or "")
    return str(record.get("test", "")), str(record.get("worker", "")), told


def cells_of(record: Record) -> dict[str, str]:
    """The numbers of one record, by column; what several checks can say something for stands under ``also``."""
    numbers, check = record.get("numbers"), _CHECKS.get(str(record.get("check")))
    found = check(numbers) if check is not None and isinstance(numbers, dict) else {}
    return {name: text for name, text in found.items() if text}


def identity_of(record: Record) -> dict[str, str]:
    """Test, model and device of one record, by column."""
    model, delegate, device = (_mapping(record.get(name)) for name in ("model", "delegate", "device"))
    return {
        "test": clean(_short(str(record.get("test", "")))),
        "model": clean(model.get("name", "")),
        "variant": clean(model.get("variant", "")),
        "device": clean(device.get("name", "")),
        "delegate": _delegate(delegate),
        "size": size_text(model.get("size_bytes")),
    }


def clean(value: Any) -> str:
    """A name as a table shows it: of limited length, and nothing in it may steer the terminal."""
    return plain(str(value)[:MOST_NAME_CHARS])


def time_text(value: Any) -> str:
    """Milliseconds for people; empty for what is no number."""
    if not _is_number(value):
        return ""
    return f"{value:.3g} ms" if abs(value) >= 0.1 else f"{value * 1000:.3g} us"


def size_text(size: Any) -> str:
    """Bytes for people; empty for what is no number of them."""
    if not _is_number(size):
        return ""
    return f"{size / 1e6:.2f} MB" if size >= 1_000_000 else f"{size / 1e3:.1f} kB"


def _latency(numbers: Mapping[str, Any]) -> dict[str, str]:
    budgets = [one for one in _list(numbers.get("budgets")) if isinstance(one, dict)]
    return {
        "p50": time_text(numbers.get("p50_ms")),
        "p95": time_text(numbers.get("p95_ms")),
        "budget": " ".join(filter(None, map(_budget, budgets))),
    }


def _close(numbers: Mapping[str, Any]) -> dict[str, str]:
    outputs = [one for one in _list(numbers.get("outputs")) if isinstance(one, dict)]
    known = [error for one in outputs if _is_number(error := one.get("max_abs_error"))]
    broken = any(one.get("actual_nonfinite") and one.get("close") is False for one in outputs)
    return {"error": ", ".join([*([f"{max(known):.2g}"] if known else []), *(["NaN or Inf"] if broken else [])])}


def _memory(numbers: Mapping[str, Any]) -> dict[str, str]:
    return {"memory": _quantity(numbers.get("observed"), " MB")}


def _watched(what: str, unit: str) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    return lambda numbers: {"also": _quantity(numbers.get("observed"), unit, before=f"{what} ")}


def _realtime(numbers: Mapping[str, Any]) -> dict[str, str]:
    dropped = numbers.get("dropped_share")
    lost = f", {dropped:.1%} dropped" if _is_number(dropped) else ""
    return {"also": _quantity(numbers.get("achieved_fps"), f" fps{lost}")}


def _stages(numbers: Mapping[str, Any]) -> dict[str, str]:
    total = time_text(_mapping(numbers.get("p95_ms")).get("total"))
    return {"also": f"stages p95 {total}" if total else ""}


def _faster(numbers: Mapping[str, Any]) -> dict[str, str]:
    return {"also": _quantity(numbers.get("ratio"), f" x {clean(_mapping(numbers.get('old')).get('name', 'old'))}")}


def _own(numbers: Mapping[str, Any]) -> dict[str, str]:
    name, unit = clean(numbers.get("name") or "metric"), clean(numbers.get("unit") or "")
    return {"also": _quantity(numbers.get("value"), f" {unit}".rstrip(), before=f"{name} ")}


def _accuracy(numbers: Mapping[str, Any]) -> dict[str, str]:
    return {"also": _quantity(numbers.get("value"), "", before=f"{clean(numbers.get('metric', ''))} ")}


_CHECKS: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "latency": _latency,
    "close": _close,
    "size": lambda numbers: {"size": size_text(numbers.get("size_bytes"))},
    "memory": _memory,
    "cpu_load": _watched("cpu", " %"),
    "energy": _watched("energy", " mJ"),
    "load_time": _watched("load", " ms"),
    "realtime": _realtime,
    "stages": _stages,
    "faster": _faster,
    "accuracy": _accuracy,
    "metric": _own,
}


def _budget(budget: Mapping[str, Any]) -> str:
    quantile, limit = budget.get("quantile"), budget.get("budget_ms")
    if not _is_number(quantile) or not _is_number(limit):
        return ""
    return f"p{quantile * 100:g}<{limit:g} ms"


def _delegate(delegate: Mapping[str, Any]) -> str:
    share = f" {delegate.get('delegated')}/{delegate.get('nodes')}" if delegate.get("left_over") else ""
    return clean(delegate_text(delegate)) + share


def _short(test: str) -> str:
    """The function's name and its parameters, which may hold colons themselves."""
    place, bracket, parameters = test.partition("[")
    return (place.rpartition("::")[2] or place) + bracket + parameters


def _quantity(value: Any, unit: str, *, before: str = "") -> str:
    return f"{before}{value:.3g}{unit}" if _is_number(value) else ""


def _is_number(value: Any) -> TypeGuard[int | float]:
    """Whether it can be shown as one: JSON has whole numbers that no float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
